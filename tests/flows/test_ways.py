"""Where paths lead: every spelling that may reach one file meets the others."""

import socket
from pathlib import Path
from typing import Any

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


@pytest.fixture
def ways(world: World) -> Ways:
    """A folder of this machine, a share of a server by two names, a bucket."""
    (world.files / "in").mkdir()
    mount(world.platform, "/mnt/in", str(world.files / "in"), Via.FOLDER)
    for name, host in (("/mnt/one", "127.0.0.1"), ("/mnt/two", "localhost:445"), ("/mnt/three", "[::1]")):
        mount(world.platform, name, f"smb://{host}/Share/in%20box", username="u", password="p")
    mount(world.platform, "/mnt/lake", "s3://lake/Raw")
    with world.platform.catalogue() as session:
        return Ways.of(world.platform, session)


def test_of_roots_that_lie_in_each_other_or_are_links(roots: list[Path]) -> None:
    ways = Ways(roots, [])

    for path in (f"{roots[0]}//in/./a.csv", f"{roots[1]}/a.csv", "a.csv", "in/*.csv"):
        assert ways.meet("in/a.csv", path), path
    assert not ways.meet("in/a.csv", f"{roots[0]}/b.csv")


def test_of_mounts_of_a_folder_and_of_a_server(world: World, ways: Ways) -> None:
    assert ways.meet("/mnt/in/a.csv", "in/a.csv")
    assert ways.meet("/mnt/in", f"{world.files}/in")
    assert ways.meet("/mnt/in", f"{world.files}/in/a.csv", either=True)
    assert ways.meet("/mnt/one/a.csv", "/mnt/two/a.csv")
    assert ways.meet("/mnt/one/HR/Pay.csv", "smb://127.0.0.1/Share/in box/HR/Pay.csv")
    assert ways.meet("/mnt/lake/Pay.csv", "s3://lake/Raw/")
    for other in ("/mnt/one/b.csv", "/mnt/in/a.csv", "/mnt/one/a.csv/b", "sftp://127.0.0.1/Share/in box/a.csv"):
        assert not ways.meet("/mnt/one/a.csv", other), other


@pytest.mark.parametrize(
    "spelling",
    [
        *("/mnt/one/secret/größe.csv", "/mnt/one/SECRET/GRÖSSE.CSV", "/mnt/one//secret/./Gro\u0308ße.csv"),
        *("/mnt/one/secret\\Größe.csv", "/mnt/one/secret./Größe.csv ", "/mnt/one/secret/Größe.csv::$DATA"),
        *(
            "/mnt/two/secret/Größe.csv",
            "/mnt/three/secret/Größe.csv",
            "smb://localhost/share/IN%20BOX/s%65cret/gr*.csv",
        ),
        *("smb://127.0.0.1:445/Share/in box/secret", "smb://localhost/share/in box/s%2A/Größe.csv"),
    ],
)
def test_of_names_that_a_file_system_may_take_for_one(ways: Ways, spelling: str) -> None:
    assert ways.meet("/mnt/one/secret/Größe.csv", spelling, either=True)
    assert ways.meet(spelling, "/mnt/one/secret/Größe.csv", either=True)


def test_of_letters_whatever_their_case(ways: Ways) -> None:
    """Servers compare one character with one; ours is never the finer comparison."""
    letters = map(chr, range(0x21, 0x2FFFF))
    pairs = [(each, other) for each in letters for other in (each.lower(), each.upper()) if len(other) == 1]
    told_apart = [
        (each, other)
        for each, other in pairs
        if each != other and not ways.meet(f"/mnt/one/{each}", f"/mnt/one/{other}")
    ]
    assert told_apart == []


class TestAHost:
    @pytest.fixture
    def looked_up(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []
        known = {"files.example.org": "192.0.2.1", "alias.example.org": "192.0.2.1", "other.example.org": "192.0.2.2"}

        def found(host: str, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            if host not in known:
                raise socket.gaierror
            return [(socket.AF_INET, 0, 0, "", (known[host], 0))]

        monkeypatch.setattr("dataops_defs.adapters.hosts.socket.getaddrinfo", found)
        return asked

    def test_by_another_name_is_the_same(self, looked_up: list[str]) -> None:
        ways = Ways([], [])
        assert ways.meet("sftp://files.example.org/a.csv", "sftp://alias.example.org:22/a.csv")
        assert not ways.meet("sftp://files.example.org/a.csv", "sftp://other.example.org/a.csv")
        assert ways.meet("webdav://files.example.org/a.csv", "webdavs://FILES.example.org/a.csv")

    def test_that_is_not_found_may_be_any(self, looked_up: list[str]) -> None:
        assert Ways([], []).meet("sftp://files.example.org/a.csv", "sftp://gone.example.org/a.csv")

    def test_is_looked_up_only_where_the_paths_are_the_same(self, looked_up: list[str]) -> None:
        assert not Ways([], []).meet("sftp://files.example.org/a.csv", "sftp://alias.example.org/b.csv")
        assert looked_up == []
