"""A run whose worker dies is continued by another: nothing is lost, nothing is done twice, the dead stay dead."""

from collections.abc import Callable
from typing import Any

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Held, Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import MAX_WORKERS, RunKind, RunState
from dataops_defs.errors import DependencyUnavailable, RunPaused, RunStopped, RunTimedOut, StaleWorker
from dataops_defs.flows.execute_pipeline import execute_pipeline
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outbox import reap
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.sync_mapping import sync_mapping
from dataops_defs.flows.work import Step, Work
from tests.scenes import World

PLANES = "tailnum,year\nN1,2001\nN2,1998\n"


class Death(BaseException):
    """What happens to a worker that is killed: no line of it runs any more."""


def request(world: World, subject: str, kind: RunKind = RunKind.SYNC, **more: Any) -> str:
    with world.platform.catalogue() as session:
        return Runs(session).request(kind, subject, "test", **more).id


def worker(world: World, run_id: str) -> Work:
    with world.platform.catalogue() as session:
        held = Leases(session).begin(run_id, new_id())
    assert held is not None
    return Work(world.platform, Lease(world.platform, held), say=lambda _text: None)


def record(world: World, run_id: str) -> RunRow:
    with world.platform.catalogue() as session:
        return Runs(session).get(run_id)


def lease_ends(world: World, run_id: str) -> None:
    """Nobody renews it any more, and time goes by."""
    with world.platform.catalogue() as session:
        session.get_one(RunRow, run_id).lease_until = None
        session.flush()
        session.connection().exec_driver_sql("UPDATE run SET lease_until = now() - interval '1 second'")
    reap(world.platform)


def continued(world: World, run_id: str) -> Work:
    lease_ends(world, run_id)
    return worker(world, run_id)


def dies_after(world: World, run_id: str, flow: Callable[[Work, str], object], subject: str) -> None:
    """A worker that is killed when its write is committed and before it could say so."""
    work = worker(world, run_id)
    do = work.do

    def killed(kind: RunKind, id: str, name: str, action: Callable[[Step], Outcome]) -> Outcome:
        def last(step: Step) -> Outcome:
            action(step)
            raise Death

        return do(kind, id, name, last)

    work.do = killed  # type: ignore[method-assign]
    with pytest.raises(Death):
        flow(work, subject)


@pytest.fixture
def plane(world: World) -> dict[str, str]:
    dataset = world.dataset(world.csv("planes.csv", PLANES))
    kind = world.object_type("plane", "tail", {"tail": {"type": "string"}, "year": {"type": "integer"}})
    columns = {"tail": "tailnum", "year": "year"}
    mapping = world.mapping(dataset, kind, columns, mode="append")
    extract_dataset(world.work(), dataset)
    return {"dataset": dataset, "mapping": mapping}


class TestAWorkerThatDies:
    def test_after_its_commit_is_continued_without_doing_the_write_again(
        self, world: World, plane: dict[str, str]
    ) -> None:
        run = request(world, plane["mapping"])
        dies_after(world, run, sync_mapping, plane["mapping"])
        assert world.sql("SELECT count(*) FROM objects.plane") == [(2,)]

        outcome = sync_mapping(continued(world, run), plane["mapping"])

        assert (outcome.ledger.read, outcome.ledger.inserted, outcome.ledger.rejected) == (2, 2, 0)
        assert world.sql("SELECT count(*) FROM objects.plane") == [(2,)]
        assert world.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", run) == [(1,)]
        with world.platform.catalogue() as session:
            assert [step.state for step in Runs(session).steps(run)] == [RunState.SUCCEEDED]

    def test_after_an_extraction_leaves_a_copy_that_its_successor_takes(
        self, world: World, plane: dict[str, str]
    ) -> None:
        run = request(world, plane["dataset"], RunKind.EXTRACT)
        dies_after(world, run, extract_dataset, plane["dataset"])

        outcome = extract_dataset(continued(world, run), plane["dataset"])

        assert world.sql("SELECT target FROM dataops.ledger WHERE run_id = %s", run) == [(outcome.uri,)]
        assert [each.name for each in outcome.columns] == ["tailnum", "year"]
        assert world.platform.raw_store.exists(outcome.uri)

    def test_in_a_pipeline_is_continued_at_the_step_it_was_at(self, world: World, plane: dict[str, str]) -> None:
        pipeline = world.pipeline("Fleet", plane)
        run = request(world, pipeline, RunKind.PIPELINE)
        dies_after(world, run, execute_pipeline, pipeline)

        execute_pipeline(continued(world, run), pipeline)

        written = world.sql("SELECT subject_kind FROM dataops.ledger WHERE run_id = %s ORDER BY id", run)
        assert written == [("dataset",), ("mapping",)]
        with world.platform.catalogue() as session:
            assert Runs(session).get(run).steps_total == 2

    def test_is_given_up_when_it_happens_again_and_again(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        for _ in range(MAX_WORKERS):
            worker(world, run)
            lease_ends(world, run)

        ended = record(world, run)
        assert (ended.state, ended.error_code) == (RunState.FAILED, "WORKER_DIED")
        assert f"{MAX_WORKERS} times" in (ended.error or "")

    def test_is_not_given_up_while_something_gets_done(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        for _ in range(MAX_WORKERS):
            work = worker(world, run)
            work.do(RunKind.SYNC, new_id(), "a step", lambda _step: Outcome(Ledger(), [], "nowhere"))
            lease_ends(world, run)

        assert record(world, run).state is RunState.QUEUED

    def test_is_not_given_up_after_many_pauses(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        for _ in range(MAX_WORKERS):
            worker(world, run)
            with world.platform.catalogue() as session:
                RunControl(session).pause(run)
            lease_ends(world, run)
            with world.platform.catalogue() as session:
                RunControl(session).resume(run)

        worker(world, run)
        lease_ends(world, run)

        assert record(world, run).state is RunState.QUEUED

    @pytest.mark.parametrize(
        ("asked", "becomes"),
        [("cancel", RunState.CANCELLED), ("pause", RunState.PAUSED)],
    )
    def test_before_it_could_obey_has_obeyed(
        self, world: World, plane: dict[str, str], asked: str, becomes: RunState
    ) -> None:
        run = request(world, plane["mapping"])
        worker(world, run)
        with world.platform.catalogue() as session:
            getattr(RunControl(session), asked)(run)

        lease_ends(world, run)

        assert record(world, run).state is becomes

    def test_with_its_time_over_is_not_continued(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"], timeout_seconds=1)
        worker(world, run)
        with world.platform.catalogue() as session:
            session.connection().exec_driver_sql("UPDATE run SET started_at = now() - interval '2 seconds'")

        lease_ends(world, run)

        ended = record(world, run)
        assert ended.state is RunState.TIMED_OUT
        assert "limit of 1 s" in (ended.error or "")


class TestAStaleWorker:
    def test_commits_nothing_once_another_has_taken_over(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        stale = worker(world, run)
        successor = continued(world, run)
        with successor.lease.kept():
            sync_mapping(successor, plane["mapping"])

        with pytest.raises(StaleWorker):
            sync_mapping(stale, plane["mapping"])

        assert world.sql("SELECT count(*) FROM objects.plane") == [(2,)]
        assert world.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", run) == [(1,)]

    def test_is_refused_by_the_fence_even_if_it_asks_nobody(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        stale = worker(world, run)
        stale.lease.look = lambda: None  # type: ignore[method-assign]
        with continued(world, run).lease.kept(), pytest.raises(StaleWorker, match="commits nothing"):
            sync_mapping(stale, plane["mapping"])

        assert world.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", run) == [(0,)]
        assert world.sql("SELECT to_regclass('objects.plane') IS NULL") == [(True,)]

    def test_in_the_middle_of_a_write_is_cut_off_by_its_successor(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        stale = worker(world, run)

        def half_a_write() -> None:
            with stale.warehouse("dataops sync") as connection, connection.cursor() as cursor:
                cursor.execute("CREATE TABLE public.half_done (a int)")
                with continued(world, run).lease.kept():
                    pass

        with pytest.raises(DependencyUnavailable, match="lost"):
            half_a_write()

        assert world.sql("SELECT to_regclass('public.half_done') IS NULL") == [(True,)]

    @pytest.mark.parametrize("asked", ["cancel", "pause"])
    def test_of_a_run_that_nobody_continues_commits_nothing(
        self, world: World, plane: dict[str, str], asked: str
    ) -> None:
        run = request(world, plane["mapping"])
        frozen = worker(world, run)
        frozen.lease.look = lambda: None  # type: ignore[method-assign]
        with world.platform.catalogue() as session:
            getattr(RunControl(session), asked)(run)
        lease_ends(world, run)

        with pytest.raises(StaleWorker, match="commits nothing"):
            sync_mapping(frozen, plane["mapping"])

        assert world.sql("SELECT to_regclass('objects.plane') IS NULL") == [(True,)]

    def test_does_not_end_the_record(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"])
        worker(world, run)
        continued(world, run)
        with world.platform.catalogue() as session:
            assert Runs(session).finish(run, RunState.FAILED, error="too late", epoch=1) is None
            assert Runs(session).finish(run, RunState.SUCCEEDED, epoch=2) is RunState.SUCCEEDED


class TestWhatIsAskedOfARun:
    def test_cancel_is_heard_between_batches(self, world: World, plane: dict[str, str]) -> None:
        work = worker(world, run := request(world, plane["mapping"]))
        with world.platform.catalogue() as session:
            RunControl(session).cancel(run)
        with pytest.raises(RunStopped, match="cancelled"):
            sync_mapping(work, plane["mapping"])

    def test_pause_holds_a_pipeline_between_its_steps_and_resume_goes_on(
        self, world: World, plane: dict[str, str]
    ) -> None:
        pipeline = world.pipeline("Fleet", plane)
        work = worker(world, run := request(world, pipeline, RunKind.PIPELINE))

        def pause(_outcome: Outcome) -> None:
            with world.platform.catalogue() as session:
                RunControl(session).pause(run)

        work.report = pause
        with pytest.raises(RunPaused):
            execute_pipeline(work, pipeline)
        with world.platform.catalogue() as session:
            assert Runs(session).pause(run, work.lease.epoch)
        assert record(world, run).state is RunState.PAUSED

        with world.platform.catalogue() as session:
            RunControl(session).resume(run)
        execute_pipeline(worker(world, run), pipeline)

        written = world.sql("SELECT subject_kind FROM dataops.ledger WHERE run_id = %s ORDER BY id", run)
        assert written == [("dataset",), ("mapping",)]

    def test_a_statement_that_goes_on_is_cancelled_when_the_run_has_to_end(
        self, world: World, plane: dict[str, str]
    ) -> None:
        work = worker(world, run := request(world, plane["mapping"]))

        def sleeps(step: Step) -> Outcome:
            with work.warehouse("dataops sleep") as connection, connection.cursor() as cursor:
                with world.platform.catalogue() as session:
                    RunControl(session).cancel(run)
                cursor.execute("SELECT pg_sleep(60)")
            raise AssertionError("it slept on")

        with work.lease.kept(), pytest.raises(RunStopped):
            work.do(RunKind.SYNC, plane["mapping"], "sleeps", sleeps)

    def test_a_time_limit_ends_it_and_says_so(self, world: World, plane: dict[str, str]) -> None:
        run = request(world, plane["mapping"], timeout_seconds=5)
        with world.platform.catalogue() as session:
            held = Leases(session).begin(run, new_id())
        assert held is not None
        assert 0 < (held.seconds_left or 0) <= 5
        lease = Lease(world.platform, Held(run, held.epoch, seconds_left=0.0))

        with pytest.raises(RunTimedOut, match="time limit"):
            sync_mapping(Work(world.platform, lease, say=lambda _text: None), plane["mapping"])
