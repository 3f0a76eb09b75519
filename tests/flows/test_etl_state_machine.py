"""A pipeline is asked for anything, at any moment, and its workers die: it stands where the table says, and no row is
lost, doubled, or shown half-loaded."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.models import EtlPipelineRow, RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.etl import MOVES, EtlEvent, EtlMode, EtlState, Refused
from dataops_defs.domain.run import RunState
from dataops_defs.errors import Conflict, RunPaused, StaleWorker
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Work
from tests.flows.etl_scenes import Death, lease_ends, resume, worker
from tests.scenes import World

ROWS, BATCH = 23, 5
NUMBERS = itertools.count(1)
BATCHES = st.integers(min_value=0, max_value=6)


class Pipeline(RuleBasedStateMachine):
    """The moves of the table, on a real catalogue and warehouse."""

    def __init__(self, world: World, mode: EtlMode) -> None:
        super().__init__()
        self._world, self._mode = world, mode
        number = next(NUMBERS)
        self._source, self._target = f"content.source_{number}", f"analytics.target_{number}"
        world.sql(f"CREATE TABLE {self._source} (id int PRIMARY KEY, name text, updated_at int)")
        world.sql(f"CREATE TABLE {self._target} (id int PRIMARY KEY, name text, updated_at int)")
        world.sql(f"INSERT INTO {self._source} SELECT n, 'name ' || n, n FROM generate_series(1, {ROWS}) n")
        row = EtlPipelineRow(
            name=f"pipeline {number}",
            mode=mode,
            target_table=self._target,
            batch_size=BATCH,
            source_query=f"SELECT id, name, updated_at FROM {self._source}",
            cursor_column="updated_at",
            lag_seconds=0,
        )
        with world.platform.catalogue() as session:
            self._id = EtlPipelines(session).add(row).id
        self._now, self._tick = EtlState.IDLE, 1000
        self._worker: Work | None = None
        self._stale: list[Work] = []
        self._seen: list[set[tuple[Any, ...]]] = [set()]

    @rule()
    def run(self) -> None:
        self._ask(EtlEvent.RUN, resume)

    @rule()
    def pause(self) -> None:
        self._ask(EtlEvent.PAUSE, lambda pipelines, row: pipelines.pause(row))

    @rule()
    def change(self) -> None:
        self._ask(EtlEvent.CHANGE, lambda pipelines, row: pipelines.ask(row, EtlEvent.CHANGE))

    @rule(first=st.integers(1, ROWS), rows=st.integers(1, 8))
    def source_changes(self, first: int, rows: int) -> None:
        self._tick += 1
        self._world.sql(
            f"INSERT INTO {self._source} SELECT n, 'changed {self._tick}', {self._tick}"
            f" FROM generate_series({first}, {first + rows}) n"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at"
        )

    @precondition(lambda self: self._now is EtlState.RUN_REQUESTED)
    @rule()
    def a_worker_begins(self) -> None:
        with self._world.platform.catalogue() as session:
            id = EtlPipelines(session).get(self._id).run_id or ""
        self._worker = worker(self._world, id)
        self._comes_to(EtlEvent.BEGAN)

    @precondition(lambda self: self._worker is not None)
    @rule(batches=BATCHES)
    def the_worker_dies(self, batches: int) -> None:
        def dies() -> None:
            raise Death

        ended = self._works(batches, dies)
        if ended == "finished":
            return
        work = self._gone()
        self._stale.append(work)
        with self._world.platform.catalogue() as session:
            session.get_one(RunRow, work.run_id).deaths = 0
        lease_ends(self._world)
        self._comes_to(EtlEvent.DIED)

    @precondition(lambda self: self._worker is not None)
    @rule(batches=BATCHES)
    def it_is_paused_while_it_works(self, batches: int) -> None:
        def pauses() -> None:
            with self._world.platform.catalogue() as session:
                EtlPipelines(session).pause(EtlPipelines(session).get(self._id, lock=True))
            assert self._worker is not None
            Lease.look(self._worker.lease)

        if self._works(batches, pauses) == "paused":
            work = self._gone()
            with self._world.platform.catalogue() as session:
                assert Runs(session).pause(work.run_id, work.lease.epoch)
            self._now = EtlState.PAUSED

    @precondition(lambda self: self._worker is not None)
    @rule(batches=BATCHES)
    def the_run_fails(self, batches: int) -> None:
        def dies() -> None:
            raise Death

        if self._works(batches, dies) != "finished":
            work = self._gone()
            with self._world.platform.catalogue() as session:
                Runs(session).finish(work.run_id, RunState.FAILED, error="test", epoch=work.lease.epoch)
            self._comes_to(EtlEvent.FAILED)

    @precondition(lambda self: self._worker is not None)
    @rule()
    def the_worker_goes_on_to_the_end(self) -> None:
        self._works(1000, lambda: None)

    @precondition(lambda self: self._stale and self._worker is not None)
    @rule()
    def a_stale_worker_wakes_up(self) -> None:
        assert self._worker is not None
        stale = self._stale[-1]
        if stale.run_id != self._worker.run_id:
            return
        before = self._rows(self._target)
        stale.lease.look = lambda: None  # type: ignore[method-assign]
        # It may have heard of a pause before it fell asleep.
        with self._worker.lease.kept(), pytest.raises((StaleWorker, RunPaused)):
            run_etl(stale, self._id)
        assert self._rows(self._target) == before

    @invariant()
    def stands_where_the_table_says(self) -> None:
        with self._world.platform.catalogue() as session:
            assert EtlPipelines(session).state(EtlPipelines(session).get(self._id)) is self._now

    @invariant()
    def readers_of_a_full_load_see_one_moment_of_the_source(self) -> None:
        if self._mode is EtlMode.FULL:
            assert set(self._rows(self._target)) in self._seen

    def teardown(self) -> None:
        """Whatever happened: the work that is open ends, one more run, and the target is the source."""
        while self._now is not EtlState.IDLE:
            self._to_the_end()
        self._to_the_end()
        assert self._rows(self._target) == self._rows(self._source)
        assert self._world.sql("SELECT count(*) FROM dataops.ledger WHERE read <> inserted + updated + unchanged") == [
            (0,)
        ]

    def _to_the_end(self) -> None:
        if self._worker is None:
            self.run()
        if self._worker is None:
            self.a_worker_begins()
        if self._now is EtlState.PAUSE_REQUESTED:
            self.run()
        self._works(1000, lambda: None)

    def _works(self, batches: int, then: Callable[[], None]) -> str:
        """Let the worker commit so many batches, then something happens; how its turn ended."""
        assert self._worker is not None
        self._seen.append(set(self._rows(self._source)))
        work, looks = self._worker, 0

        def look() -> None:
            nonlocal looks
            looks += 1
            Lease.look(work.lease)
            if looks > 1 and looks == batches + 2:
                then()

        work.lease.look = look  # type: ignore[method-assign]
        if batches == 0:
            work.lease.look = then  # type: ignore[method-assign]
        try:
            run_etl(work, self._id)
        except RunPaused:
            return "paused"
        except Death:
            return "died"
        with self._world.platform.catalogue() as session:
            assert Runs(session).finish(work.run_id, RunState.SUCCEEDED, epoch=work.lease.epoch)
        self._worker = None
        self._now = EtlState.IDLE
        return "finished"

    def _gone(self) -> Work:
        work, self._worker = self._worker, None
        assert work is not None
        return work

    def _ask(self, event: EtlEvent, ask: Callable[[EtlPipelines, EtlPipelineRow], object]) -> None:
        expected = MOVES[self._now][event]
        with self._world.platform.catalogue() as session:
            pipelines = EtlPipelines(session)
            row = pipelines.get(self._id, lock=True)
            if isinstance(expected, Refused):
                with pytest.raises(Conflict, match=str(expected)):
                    ask(pipelines, row)
                return
            ask(pipelines, row)
        self._now = expected

    def _comes_to(self, event: EtlEvent) -> None:
        then = MOVES[self._now][event]
        assert isinstance(then, EtlState), f"{event} in {self._now}"
        self._now = then

    def _rows(self, table: str) -> list[tuple[Any, ...]]:
        return list(self._world.sql(f"SELECT * FROM {table} ORDER BY 1"))


@pytest.mark.parametrize("mode", list(EtlMode))
def test_a_pipeline_keeps_its_promises_whatever_happens(world: World, mode: EtlMode) -> None:
    run_state_machine_as_test(
        lambda: Pipeline(world, mode),
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
