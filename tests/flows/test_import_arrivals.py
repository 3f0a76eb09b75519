"""Many files of a watched folder in one run: each for itself, and all of them, whatever becomes of the run."""

from typing import Any

import pytest

from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.errors import Conflict, FilesFailed, RunPaused, RunStopped, RunTimedOut, StaleWorker
from dataops_defs.flows import ask_for_arrivals as asking
from dataops_defs.flows.import_arrivals import import_arrivals
from dataops_defs.flows.outbox import Launch
from tests.flows.arrival_scenes import ALL, BROKEN, MONTHS, a_folder, before, end, rows_of
from tests.scenes import World


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


def _pause(world: World, launch: Launch) -> None:
    with world.platform.catalogue() as session:
        RunControl(session).pause(launch.run_id)


def _cancel(world: World, launch: Launch) -> None:
    with world.platform.catalogue() as session:
        RunControl(session).cancel(launch.run_id)
