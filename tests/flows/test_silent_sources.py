"""A source that keeps silent does not keep a run alive that has to end: its statement is cancelled, or its line cut."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import EtlPipelineRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.etl import EtlMode
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import RunPaused, RunStopped, RunTimedOut
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Work
from dataops_defs.services.processes import wait_until
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.relay import Relay
from tests.scenes import World

SLOW = "SELECT n, pause FROM public.slow"
LONGEST_WAIT = 30.0


class SilentSource:
    """A user's database in which a view keeps silent for ten minutes."""

    def __init__(self, url: str) -> None:
        self._url = libpq_url(url)
        self.relay = Relay.before(self._url)
        self.connection = self.relay.connection(self._url)
        self.sql("CREATE VIEW slow AS SELECT n, pg_sleep(600)::text AS pause FROM generate_series(1, 3) AS n")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def asked(self) -> bool:
        """Whether the view is being read."""
        return bool(
            self.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
        )

    def wake(self) -> None:
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def silent(operations_url: str) -> Iterator[SilentSource]:
    made = SilentSource(operations_url)
    yield made
    made.wake()
    made.relay.close()


def an_extraction(world: World, source: SilentSource) -> tuple[RunKind, str, Callable[[Work, str], object]]:
    id = world.source("Operations", "postgres", **source.connection)
    return RunKind.EXTRACT, world.dataset(id, type="sql", query=SLOW), extract_dataset


def a_pipeline(world: World, source: SilentSource) -> tuple[RunKind, str, Callable[[Work, str], object]]:
    id = world.source("Operations", "postgres", **source.connection)
    row = EtlPipelineRow(
        name="slow",
        mode=EtlMode.FULL,
        source_query=SLOW,
        source_id=id,
        target_table="analytics.slow",
        batch_size=10,
        cursor_column="updated_at",
        lag_seconds=0,
    )
    with world.platform.catalogue() as session:
        return RunKind.ETL, EtlPipelines(session).add(row).id, run_etl


class ARun:
    """A run whose worker reads the silent source in a thread of its own."""

    def __init__(
        self, world: World, kind: RunKind, subject: str, flow: Callable[[Work, str], object], seconds: float | None
    ) -> None:
        self._world = world
        with world.platform.catalogue() as session:
            self.id = Runs(session).request(kind, subject, "test").id
            held = Leases(session).begin(self.id, new_id())
        assert held is not None
        self._work = Work(world.platform, Lease(world.platform, replace(held, seconds_left=seconds)), say=str)
        self._ended: BaseException | None = None
        self._thread = threading.Thread(target=self._carry_out, args=(flow, subject), daemon=True)
        self._thread.start()

    def _carry_out(self, flow: Callable[[Work, str], object], subject: str) -> None:
        try:
            with self._work.lease.kept():
                flow(self._work, subject)
        except BaseException as error:
            self._ended = error

    def cancel(self) -> None:
        with self._world.platform.catalogue() as session:
            RunControl(session).cancel(self.id)

    def ended(self) -> BaseException | None:
        """What ended it, while the source still keeps silent."""
        self._thread.join(LONGEST_WAIT)
        assert not self._thread.is_alive(), "the run waits for the source"
        return self._ended


@pytest.mark.parametrize("asked_for", [an_extraction, a_pipeline])
@pytest.mark.parametrize("order", [RunStopped, RunTimedOut])
def test_the_statement_of_a_run_that_has_to_end_is_cancelled(
    world: World, silent: SilentSource, asked_for: Any, order: type[Exception]
) -> None:
    run = ARun(world, *asked_for(world, silent), seconds=1.0 if order is RunTimedOut else None)
    assert wait_until(silent.asked, LONGEST_WAIT)
    if order is RunStopped:
        run.cancel()

    assert type(run.ended()) is order
    assert wait_until(lambda: not silent.asked(), LONGEST_WAIT)


def test_the_line_to_a_source_that_nothing_reaches_is_cut_and_the_lease_kept_meanwhile(
    world: World, silent: SilentSource
) -> None:
    run = ARun(world, *an_extraction(world, silent), seconds=None)
    assert wait_until(silent.asked, LONGEST_WAIT)
    silent.relay.swallow()
    run.cancel()

    assert type(run.ended()) is RunStopped
    with world.platform.catalogue() as session:
        assert not Leases(session).reap()


@pytest.mark.parametrize(("order", "ended"), [(RunControl.cancel, RunStopped), (RunControl.pause, RunPaused)])
def test_a_run_that_gives_an_api_a_long_pause_heeds_what_is_asked_of_it(
    world: World, order: Callable[[RunControl, str], object], ended: type[Exception]
) -> None:
    with RestServer().running() as rest:
        rest.answers("/orders", Reply({}, 429, {"Retry-After": "900"}))
        source = world.source("Shop", "api", endpoint=rest.url)
        dataset = world.dataset(source, type="api", endpoint="/orders")
        run = ARun(world, RunKind.EXTRACT, dataset, extract_dataset, seconds=None)
        assert wait_until(lambda: bool(rest.asked), LONGEST_WAIT)
        with world.platform.catalogue() as session:
            order(RunControl(session), run.id)

        assert type(run.ended()) is ended
        assert len(rest.asked) == 1
