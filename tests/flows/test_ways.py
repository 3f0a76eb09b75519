"""Where paths lead: every spelling that reaches one file shares an end with the others."""

from pathlib import Path

import pytest

from dataops_defs.domain.mount import Via
from dataops_defs.flows.ways import Ways
from tests.flows.test_places import mount
from tests.scenes import World


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    (tmp_path / "real" / "in").mkdir(parents=True)
    (tmp_path / "files").symlink_to(tmp_path / "real")
    return [tmp_path / "files", tmp_path / "real" / "in"]


def test_of_roots_that_lie_in_each_other_or_are_links(roots: list[Path]) -> None:
    ways = Ways(roots, [])
    ends = ways.ends("in/a.csv")

    for path in (f"{roots[0]}//in/./a.csv", f"{roots[1]}/a.csv", "a.csv"):
        assert ways.ends(path) & ends, path
    assert not ways.ends(f"{roots[0]}/b.csv") & ends


def test_of_mounts_of_a_folder_and_of_a_server(world: World) -> None:
    (world.files / "in").mkdir()
    mount(world.platform, "/mnt/in", str(world.files / "in"), Via.FOLDER)
    for name in ("/mnt/one", "/mnt/two"):
        mount(world.platform, name, "smb://Files.example.org/share/in%20box", username="u", password="p")
    with world.platform.catalogue() as session:
        ways = Ways.of(world.platform, session)

    assert ways.ends("/mnt/in/a.csv") & ways.ends("in/a.csv")
    assert ways.ends("/mnt/in") & ways.ends(f"{world.files}/in")
    assert ways.ends("/mnt/one/a.csv") & ways.ends("/mnt/two/a.csv")
    assert ways.ends("/mnt/one/a.csv") & ways.ends("smb://files.example.org/share/in box/a.csv")
    assert not ways.ends("/mnt/one/a.csv") & ways.ends("/mnt/one/b.csv")
    assert not ways.ends("/mnt/one/a.csv") & ways.ends("/mnt/in/a.csv")
