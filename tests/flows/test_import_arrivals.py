"""Many files of a watched folder in one run: each for itself, and all of them, whatever becomes of the run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.unfinished_imports import settle
from dataops_defs.catalogue.watch_rows import WatchedFileRow
from dataops_defs.catalogue.watches import PAUSE, Watches
from dataops_defs.domain.run import RunState
from dataops_defs.errors import (
    Conflict,
    FilesFailed,
    NotFound,
    RunPaused,
    RunStopped,
    RunTimedOut,
    SourceUnavailable,
    StaleWorker,
)
from dataops_defs.flows import ask_for_arrivals as asking
from dataops_defs.flows import import_arrivals as arriving
from dataops_defs.flows.import_arrivals import import_arrivals
from dataops_defs.flows.outbox import Launch
from tests.alert_scenes import take_mail_to
from tests.flows.import_scenes import Folder
from tests.flows.test_places import mount
from tests.mailbox import Mailbox
from tests.mount_scenes import FileServer, file_server
from tests.scenes import World
from tests.shares import PASSWORD, USER

MONTHS = ("jan", "feb", "mar", "apr")
BROKEN = '[{"a"'


def a_folder(world: World, others: Mapping[str, str] | None = None, **more: Any) -> Folder:
    """Four files that wait in a watched folder, one row each, and others."""
    folder = Folder.of(world, "*.csv", "*.json", **more)
    for name, content in (others or {}).items():
        folder.put(name, content)
    for number, month in enumerate(MONTHS):
        folder.put(f"{month}.csv", f"id,month\n{number},{month}\n")
    folder.look()
    return folder


def end(world: World, launch: Launch, state: RunState, error: str) -> None:
    with world.platform.catalogue() as session:
        Runs(session).finish(launch.run_id, state, error=error)


def before(path: str, monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Let something happen when a run comes to a file."""
    load = arriving.load_file

    def loading(work: Any, import_id: str) -> Any:
        with work.platform.catalogue() as session:
            if Imports(session).get(import_id).path == path:
                happens()
        return load(work, import_id)

    monkeypatch.setattr(arriving, "load_file", loading)


def rows_of(world: World, table: str = "months") -> list[tuple[int, str]]:
    return world.sql(f"SELECT id, month FROM raw.{table} ORDER BY 1")


ALL = list(enumerate(MONTHS))


class TestARun:
    def test_imports_all_that_a_look_has_found_each_with_its_own_step_and_ledger(self, world: World) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()

        folder.run(launch)

        assert (set(folder.states().values()), rows_of(world)) == ({"imported"}, ALL)
        assert world.sql("SELECT read, inserted FROM dataops.ledger") == [(1, 1)] * 4
        with world.platform.catalogue() as session:
            steps = Runs(session).steps(launch.run_id)
            run = session.get_one(RunRow, launch.run_id)
        assert [each.subject_name for each in steps] == [f"in/{month}.csv" for month in sorted(MONTHS)]
        assert run.steps_total == 4

    def test_takes_a_share_of_the_files_and_a_large_one_goes_alone(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "FILES_A_RUN", 2)
        monkeypatch.setattr(asking, "BYTES_A_RUN", 100)
        folder = a_folder(world, {"a_large.csv": "id,month\n" + "5,may\n" * 50})

        launches = folder.look()

        with world.platform.catalogue() as session:
            shares = [[row.path for row in Imports(session).of_run(each.run_id)] for each in launches]
        assert sorted(map(len, shares)) == [1, 2, 2]
        assert ["in/a_large.csv"] in shares

    def test_in_which_a_file_fails_does_the_others_and_names_it(self, world: World) -> None:
        folder = a_folder(world, {"aaa.json": BROKEN})
        [launch] = folder.look()

        with pytest.raises(FilesFailed, match=r"^1 of 5 files were not imported: in/aaa\.json: "):
            folder.run(launch)

        states = folder.states()
        assert (states.pop("aaa.json"), set(states.values())) == ("failed", {"imported"})

    def test_that_nobody_has_asked_for_files_says_who_does(self, world: World) -> None:
        folder = a_folder(world)
        with pytest.raises(Conflict, match="a watch's sensor asks for the files"):
            import_arrivals(world.work(), folder.watch)


class TestARunThatEndsInTheMiddle:
    def test_by_the_death_of_its_worker_is_continued_without_loss_or_doubling(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()

        def dies() -> None:
            raise KeyboardInterrupt

        before("in/jan.csv", monkeypatch, dies)
        with pytest.raises(KeyboardInterrupt):
            folder.run(launch)
        monkeypatch.undo()
        assert sorted(folder.states().values()) == ["imported", "imported", "pending", "pending"]

        folder.run(launch)

        assert (set(folder.states().values()), rows_of(world)) == ({"imported"}, ALL)

    def test_to_pause_stops_between_two_files_and_goes_on(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()
        before("in/jan.csv", monkeypatch, lambda: _pause(world, launch))
        with pytest.raises(RunPaused):
            folder.run(launch)
        monkeypatch.undo()
        assert len(rows_of(world)) == 2

        with world.platform.catalogue() as session:
            session.get_one(RunRow, launch.run_id).pause_requested = False
        folder.run(launch)

        assert rows_of(world) == ALL

    def test_by_being_cancelled_takes_the_rest_of_its_files_with_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world)
        [launch] = folder.look()
        before("in/jan.csv", monkeypatch, lambda: _cancel(world, launch))
        with pytest.raises(RunStopped):
            folder.run(launch)
        end(world, launch, RunState.CANCELLED, "cancelled")
        assert folder.look() == []
        assert sorted(folder.states().values()) == ["failed", "failed", "imported", "imported"]

    @pytest.mark.parametrize("state", [RunState.FAILED, RunState.TIMED_OUT])
    def test_for_ever_fails_the_file_it_was_at_and_leaves_the_others_to_the_next(
        self, world: World, monkeypatch: pytest.MonkeyPatch, state: RunState
    ) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()
        with world.platform.catalogue() as session:
            [first, *_] = Imports(session).of_run(launch.run_id)
            Imports(session).begin(first.id, launch.run_id)
        end(world, launch, state, "The run's worker died 5 times")

        [following] = folder.look()
        folder.run(following)

        assert folder.states() == {"apr.csv": "failed"} | dict.fromkeys(["jan.csv", "feb.csv", "mar.csv"], "imported")
        assert rows_of(world) == ALL[:3]
        with world.platform.catalogue() as session:
            assert Imports(session).get(first.id).error == "The run's worker died 5 times"
            assert session.query(ImportRow).count() == 4

    def test_leaves_no_import_open_whose_file_has_gone_meanwhile(self, world: World) -> None:
        folder = a_folder(world)
        [launch] = folder.look()
        for month in MONTHS:
            (world.files / "in" / f"{month}.csv").unlink()
        end(world, launch, RunState.FAILED, "The run's worker died 5 times")
        assert folder.look() == []
        assert folder.look() == []
        assert set(folder.states().values()) == {"missing"}
        with world.platform.catalogue() as session:
            assert {str(row.state) for row in session.query(ImportRow)} == {"failed"}

    def test_after_a_commit_that_nobody_noted_tells_what_is_there(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()

        def dies(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("dataops_defs.flows.import_file.end_import", dies)
        with pytest.raises(KeyboardInterrupt):
            folder.run(launch)
        monkeypatch.undo()
        end(world, launch, RunState.CANCELLED, "cancelled")
        folder.look()

        assert len(rows_of(world)) == 1
        assert folder.states() == {"apr.csv": "imported"} | dict.fromkeys(["jan.csv", "feb.csv", "mar.csv"], "failed")

    def test_by_its_time_limit_fails_no_file_that_it_had_not_begun(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()
        before("in/jan.csv", monkeypatch, lambda: None)
        with world.platform.catalogue() as session:
            session.get_one(RunRow, launch.run_id).timeout_seconds = 0
        with pytest.raises(RunTimedOut):
            folder.run(launch)
        assert set(folder.states().values()) == {"pending"}

    def test_takes_no_file_from_the_next_when_its_worker_wakes(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, target_table="months")
        [launch] = folder.look()
        following: list[Launch] = []

        def sleeps() -> None:
            end(world, launch, RunState.FAILED, "The run's worker died 5 times")
            following.extend(folder.look())

        before("in/jan.csv", monkeypatch, sleeps)
        with pytest.raises(StaleWorker):
            folder.run(launch)
        monkeypatch.undo()
        [next_run] = following
        folder.run(next_run)
        assert (set(folder.states().values()), rows_of(world)) == ({"imported"}, ALL)


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


class TestMail:
    def test_tells_of_all_files_of_a_run_in_one_those_first_that_failed(self, world: World) -> None:
        folder = a_folder(world, {"may.json": BROKEN}, notification_email="team@example.com")
        [launch] = folder.look()
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            with pytest.raises(FilesFailed):
                folder.run(launch)
        assert mailbox.subjects == ["in: 4 imported, 1 not imported"]
        lines = mailbox.messages[0].get_content().splitlines()
        assert lines[0] == "5 files: 4 imported, 1 not imported"
        assert lines[2] == "in/may.json: not imported"
        assert any(line.startswith("in/apr.csv: imported into raw.apr: 1 rows (import_") for line in lines)

    def test_tells_of_a_file_whose_run_died(self, world: World) -> None:
        folder = a_folder(world, notification_email="team@example.com")
        [launch] = folder.look()
        with world.platform.catalogue() as session:
            [first, *_] = Imports(session).of_run(launch.run_id)
            Imports(session).begin(first.id, launch.run_id)
        end(world, launch, RunState.FAILED, "The run's worker died 5 times")
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            folder.look()
            assert mailbox.subjects == ["apr.csv: not imported"]
            folder.look()
        assert len(mailbox.messages) == 1

    def test_tells_also_of_what_was_imported_before_its_run_died(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, notification_email="team@example.com")
        [launch] = folder.look()

        def dies() -> None:
            raise KeyboardInterrupt

        before("in/jan.csv", monkeypatch, dies)
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            with pytest.raises(KeyboardInterrupt):
                folder.run(launch)
            end(world, launch, RunState.CANCELLED, "cancelled")
            folder.look()
        assert mailbox.subjects == ["in: 2 imported, 2 not imported"]


def _pause(world: World, launch: Launch) -> None:
    with world.platform.catalogue() as session:
        RunControl(session).pause(launch.run_id)


def _cancel(world: World, launch: Launch) -> None:
    with world.platform.catalogue() as session:
        RunControl(session).cancel(launch.run_id)


def _minutes_pass(world: World) -> None:
    with world.platform.catalogue() as session:
        for row in session.query(WatchedFileRow):
            row.updated_at -= 2 * PAUSE
