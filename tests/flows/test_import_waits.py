"""Files of a watched folder that cannot be had now: they wait and hold up no other, or end with the watch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.unfinished_imports import settle
from dataops_defs.catalogue.watch_rows import WatchedFileRow
from dataops_defs.catalogue.watches import PAUSE, Watches
from dataops_defs.domain.importing import FileState
from dataops_defs.domain.run import RunState
from dataops_defs.errors import NotFound, SourceUnavailable
from dataops_defs.flows import ask_for_arrivals as asking
from dataops_defs.flows import import_arrivals as arriving
from tests.flows.arrival_scenes import ALL, MONTHS, a_folder, before, end, rows_of
from tests.flows.import_scenes import Folder
from tests.flows.test_places import mount
from tests.mount_scenes import FileServer, file_server
from tests.scenes import World
from tests.shares import PASSWORD, USER


class TestAWatchThatIsDeleted:
    def test_ends_what_waits_for_it(self, world: World) -> None:
        folder = a_folder(world)
        [launch] = folder.look()
        with world.platform.catalogue() as session:
            watches = Watches(session)
            watches.remove(watches.get(folder.watch))
        with pytest.raises(NotFound):
            folder.run(launch)
        end(world, launch, RunState.FAILED, "Watch not found")
        with world.platform.catalogue() as session:
            settle(session)
            assert {str(row.state) for row in session.query(ImportRow)} == {"failed"}


class TestFilesThatCannotBeRead:
    def test_hold_up_no_other(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def busy(_files: Any, file: WatchedFileRow) -> str | None:
            if file.path.endswith("jan.csv"):
                raise SourceUnavailable("somebody else has it open")
            return "may not be read" if file.path.endswith("apr.csv") else None

        monkeypatch.setattr(asking, "unreadable", busy)
        monkeypatch.setattr(asking, "AT_ONCE", 2)
        folder = a_folder(world, target_table="months")
        for _ in range(3):
            for launch in folder.look():
                folder.run(launch)
        assert [month for _, month in rows_of(world)] == ["feb", "mar"]
        assert folder.row().degraded_since is None
        monkeypatch.undo()
        [launch] = folder.look()
        folder.run(launch)
        assert rows_of(world) == ALL

    def test_are_none_of_a_run_whose_successor_has_them(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = a_folder(world)
        [launch] = folder.look()

        def slow(_work: Any, import_id: str) -> None:
            with world.platform.catalogue() as session:
                Imports(session).get(import_id).run_id = new_id()
                Watches(session).imported(import_id, FileState.IMPORTING)
            raise SourceUnavailable("somebody else has it open")

        monkeypatch.setattr(arriving, "load_file", slow)
        with pytest.raises(SourceUnavailable):
            folder.run(launch)
        assert sorted(folder.states().values()) == ["importing"] * 3 + ["pending"]

    def test_wait_while_a_disk_is_full(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = a_folder(world)
        monkeypatch.setattr(world.platform.settings, "disk_full_percent", 100)
        monkeypatch.setattr(world.platform.settings, "disk_full_bytes", 10**18)
        assert (folder.look(), set(folder.states().values())) == ([], {"pending"})


class TestAPlaceThatGoesAway:
    def test_as_a_folder_that_is_moved_and_put_back_fails_no_file(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()
        here, away = world.files / "in", world.files / "away"
        before("in/jan.csv", monkeypatch, lambda: here.rename(away))
        folder.run(launch)
        monkeypatch.undo()
        end(world, launch, RunState.SUCCEEDED, "")
        away.rename(here)
        assert sorted(folder.states().values()) == ["imported", "imported", "pending", "pending"]
        _minutes_pass(world)
        [last] = folder.look()
        folder.run(last)
        assert (set(folder.states().values()), rows_of(world)) == ({"imported"}, ALL)

    @pytest.fixture
    def away(self, world: World, tmp_path: Path) -> Iterator[FileServer]:
        (tmp_path / "served").mkdir()
        with file_server(tmp_path / "served") as made:
            mount(world.platform, "/mnt/share", f"webdav://127.0.0.1:{made.port}", username=USER, password=PASSWORD)
            yield made

    def test_fails_no_file_they_wait_and_are_imported_when_it_is_back(
        self, world: World, away: FileServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dataops_defs.flows.work.TRIES", 1)
        for number, month in enumerate(MONTHS):
            away.put(f"in/{month}.csv", f"id,month\n{number},{month}\n")
        folder = Folder.of(world, target_table="months", folder="/mnt/share/in")
        folder.look()
        [launch] = folder.look()
        before("/mnt/share/in/jan.csv", monkeypatch, away.stop)

        with pytest.raises(SourceUnavailable):
            folder.run(launch)

        end(world, launch, RunState.FAILED, "It does not answer")
        monkeypatch.undo()
        assert sorted(folder.states().values()) == ["imported", "imported", "pending", "pending"]
        away.start()
        assert folder.look() == []  # what was begun waits a minute
        _minutes_pass(world)
        [last] = folder.look()
        folder.run(last)
        assert (set(folder.states().values()), rows_of(world)) == ({"imported"}, ALL)


def _minutes_pass(world: World) -> None:
    with world.platform.catalogue() as session:
        for row in session.query(WatchedFileRow):
            row.updated_at -= 2 * PAUSE
