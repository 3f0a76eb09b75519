"""Watched folders: a file counts when it is complete, each version once, whatever happens to the folder."""

import os
import shutil
from hashlib import sha256
from typing import Any

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import FoundFile, Watches
from dataops_defs.domain.importing import ImportState
from dataops_defs.domain.run import RunState
from dataops_defs.errors import DataOpsError
from dataops_defs.flows import ask_for_arrivals as asking
from dataops_defs.flows.outbox import note_launched
from tests.flows.import_scenes import Folder, put
from tests.scenes import World

WEATHER = "station,temp\nEWR,39.02\nJFK,38.5\n"


class TestANewFile:
    def test_counts_once_two_looks_have_found_it_the_same(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        assert (folder.look(), folder.states()) == ([], {"jan.csv": "settling"})
        folder.put("jan.csv", WEATHER + "LGA,1\n")  # somebody still writes
        assert (folder.look(), folder.states()) == ([], {"jan.csv": "settling"})

        [launch] = folder.look()

        assert (folder.states(), folder.look()) == ({"jan.csv": "pending"}, [])
        folder.run(launch)
        assert folder.states() == {"jan.csv": "imported"}
        assert world.sql("SELECT station, temp::text FROM raw.jan ORDER BY 1") == [
            ("EWR", "39.02"),
            ("JFK", "38.50"),
            ("LGA", "1.00"),
        ]

    def test_has_a_run_record_before_anybody_is_told(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.look()
        [launch] = folder.look()
        with world.platform.catalogue() as session:
            run = session.get_one(RunRow, launch.run_id)
            [row] = Imports(session).of_run(run.id)
        assert (run.state, run.trigger, run.subject_id) == (RunState.QUEUED, "sensor", folder.watch)
        assert (row.path, row.state) == ("in/jan.csv", ImportState.PENDING)

    def test_waits_in_its_folder_while_dagster_s_queue_is_full(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(world.platform.settings, "max_queued_runs", 2)
        monkeypatch.setattr(asking, "FILES_A_RUN", 1)
        folder = Folder.of(world)
        for number in range(5):
            folder.put(f"{number}.csv", WEATHER)
        folder.look()
        asked = folder.look()
        for each in asked:
            note_launched(world.platform, each.run_id, new_id())

        assert (len(asked), folder.look()) == (2, [])
        with world.platform.catalogue() as session:
            for each in asked:
                RunControl(session).cancel(each.run_id)
        assert len(folder.look()) == 2

    def test_goes_to_a_table_of_its_own_also_beside_another_of_its_name(self, world: World) -> None:
        folder = Folder.of(world, recursive=True)
        folder.put("2023/jan.csv", WEATHER)
        folder.put("2024/jan.csv", "station,temp\nEWR,1.5\n")
        folder.settle()
        [(first,), (second,)] = world.sql("SELECT relname FROM pg_class WHERE relname ~ '^jan' ORDER BY 1")
        assert (first, second.startswith("jan_")) == ("jan", True)

    def test_of_another_name_or_below_is_left_alone(self, world: World) -> None:
        folder = Folder.of(world, "*.csv", "w*.json")
        for name in ("a.txt", "other.json", "below/b.csv"):
            folder.put(name, WEATHER)
        folder.look()
        assert folder.states() == {}

    def test_in_the_making_or_beside_a_file_is_none(self, world: World) -> None:
        folder = Folder.of(world, "*", ".x*", recursive=True)
        for name in ("jan.csv", ".jan.csv.k2Fz", ".x.csv", ".~tmp~/feb.csv", "below/mar.csv"):
            folder.put(name, WEATHER + name)
        folder.put("jan.csv.sha256", sha256((WEATHER + "jan.csv").encode()).hexdigest())
        folder.settle()
        assert folder.states() == dict.fromkeys(["jan.csv", ".x.csv", "mar.csv"], "imported")

    @pytest.mark.parametrize(("spelling", "found"), [("./in", ["jan.csv"]), (".", ["top.csv"])])
    def test_is_found_however_its_folder_is_written(self, world: World, spelling: str, found: list[str]) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        put(world, "top.csv", WEATHER)
        with world.platform.catalogue() as session:
            Watches(session).get(folder.watch).folder = spelling
        folder.settle()
        assert folder.states() == dict.fromkeys(found, "imported")

    def test_is_only_detected_where_nothing_is_imported_by_itself(self, world: World) -> None:
        folder = Folder.of(world, auto_import=False)
        folder.put("jan.csv", WEATHER)
        assert folder.settle() == 0
        assert folder.states() == {"jan.csv": "detected"}

    def test_that_may_not_be_read_yet_waits_with_the_reason(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        monkeypatch.setattr(asking, "unreadable", lambda *_: "may not be read: in/jan.csv")
        assert folder.settle() == 0
        assert folder.states() == {"jan.csv": "pending"}
        monkeypatch.undo()
        [launch] = folder.look()
        folder.run(launch)
        assert folder.states() == {"jan.csv": "imported"}

    def test_of_the_longest_name_is_imported(self, world: World) -> None:
        folder = Folder.of(world)
        name = f"{'x' * 250}.csv"
        folder.put(name, WEATHER)
        folder.settle()
        assert folder.states() == {name: "imported"}

    def test_whose_name_no_path_can_hold_is_told(self, world: World) -> None:
        folder = Folder.of(world, recursive=True)
        folder.put("below/new\nline.csv", WEATHER)
        (world.files / "in" / os.fsdecode(b"caf\xe9.csv")).write_text(WEATHER)
        (world.files / "in" / "other\n.txt").write_text(WEATHER)
        folder.look()
        said = folder.row().last_error or ""
        assert (said.startswith("2 left out"), r"new\nline.csv" in said, r"caf\xe9.csv" in said) == (True, True, True)
        assert folder.row().degraded_since is None


class TestAChange:
    def test_by_a_file_of_the_same_size_and_time_in_its_place_is_seen(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", "station,temp\nEWR,1\n")
        folder.settle()
        jan, other = world.files / "in" / "jan.csv", world.files / "in" / "other.tmp"
        other.write_text("station,temp\nEWR,2\n")
        before = jan.stat()
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(jan)
        folder.settle()
        assert world.sql("SELECT station, temp FROM raw.jan") == [("EWR", 2)]

    def test_of_its_rights_alone_imports_nothing_again(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.settle()
        (world.files / "in" / "jan.csv").chmod(0o640)
        assert folder.settle() == 1
        assert folder.states() == {"jan.csv": "imported"}
        assert world.sql("SELECT count(*) FROM raw.jan") == [(2,)]

    def test_of_an_imported_file_is_a_new_version(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.settle()
        folder.put("jan.csv", "station,temp\nEWR,7\n")
        folder.settle()
        assert folder.states() == {"jan.csv": "imported"}
        assert world.sql("SELECT station, temp FROM raw.jan") == [("EWR", 7)]
        with world.platform.catalogue() as session:
            assert session.query(ImportRow).count() == 2

    def test_between_look_and_import_leaves_the_new_version_to_the_next_look(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.look()
        [launch] = folder.look()
        folder.put("jan.csv", "station,temp\nEWR,7\n")
        folder.look()
        folder.run(launch)
        assert folder.states() == {"jan.csv": "settling"}
        [launch] = folder.look()
        folder.run(launch)
        assert folder.states() == {"jan.csv": "imported"}

    def test_a_file_that_goes_before_its_import_is_missing_and_counts_again_when_it_is_back(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.look()
        (world.files / "in" / "jan.csv").unlink()
        folder.look()
        assert folder.states() == {"jan.csv": "missing"}
        folder.put("jan.csv", WEATHER)
        folder.settle()
        assert folder.states() == {"jan.csv": "imported"}

    def test_an_imported_file_that_goes_stays_imported(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.settle()
        (world.files / "in" / "jan.csv").unlink()
        folder.look()
        assert folder.states() == {"jan.csv": "imported"}

    def test_a_file_that_cannot_be_imported_is_failed_with_the_reason_until_it_changes(self, world: World) -> None:
        folder = Folder.of(world, "*.json")
        folder.put("jan.json", '[{"a"')
        folder.look()
        [launch] = folder.look()
        with pytest.raises(DataOpsError):
            folder.run(launch)
        assert (folder.states(), folder.look()) == ({"jan.json": "failed"}, [])
        folder.put("jan.json", '[{"a": 1}]')
        folder.settle()
        assert folder.states() == {"jan.json": "imported"}


class TestAFolderThatGoes:
    def test_leaves_the_watch_degraded_and_its_files_as_they_are(self, world: World) -> None:
        folder = Folder.of(world)
        folder.put("jan.csv", WEATHER)
        folder.settle()
        folder.put("feb.csv", "station,temp\nLGA,30.1\n")
        folder.look()
        (world.files / "in").rename(world.files / "away")

        for _ in range(2):
            with pytest.raises(DataOpsError, match="no such folder"):
                folder.look()

        assert folder.states() == {"jan.csv": "imported", "feb.csv": "settling"}
        assert (folder.row().degraded_since is None, "no such folder" in (folder.row().last_error or "")) == (
            False,
            True,
        )
        (world.files / "away").rename(world.files / "in")
        folder.settle()
        assert folder.states() == {"jan.csv": "imported", "feb.csv": "imported"}
        assert (folder.row().degraded_since, folder.row().last_error) == (None, None)


class TestTenThousandFiles:
    def test_are_noted_once_each_and_asked_for_some_hundred_at_a_time(self, world: World) -> None:
        folder = Folder.of(world)
        for number in range(10_000):
            (world.files / "in" / f"f{number:05}.csv").touch()
        folder.look()
        asked = folder.look()
        assert (len(asked), folder.look()) == (asking.AT_ONCE // asking.FILES_A_RUN, [])
        with world.platform.catalogue() as session:
            assert session.query(WatchedFileRow).count() == 10_000
            assert session.query(ImportRow).count() == asking.AT_ONCE
        shutil.rmtree(world.files / "in")

    def test_are_listed_by_pages(self, world: World) -> None:
        folder = Folder.of(world)
        with world.platform.catalogue() as session:
            watches = Watches(session)
            watches.note(folder.watch, [FoundFile(f"in/{number}.csv", "1:1", 1) for number in range(250)])
            rows, total = watches.files(watch_id=folder.watch, status="pending", limit=100, offset=200)
        assert (len(rows), total) == (50, 250)


def test_a_watch_of_a_file_in_place_of_a_folder_is_refused(world: World) -> None:
    put(world, "in", "no folder")
    folder = Folder(world, _watch_of(world))
    with pytest.raises(DataOpsError, match="no such folder"):
        folder.look()


def _watch_of(world: World) -> Any:
    with world.platform.catalogue() as session:
        return Watches(session).add(WatchRow(name="in", folder="in", patterns=[{"pattern": "*"}])).id
