"""The network fails: lines to a source are cut, silent or slow, those to the warehouse cut (faults 9 and 14 to 17)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg2
import pytest
from pydantic import SecretStr

from dataops_defs.adapters.sources.postgres import source as postgres
from dataops_defs.adapters.sources.postgres.source import PostgresSource
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue import leases
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import RunPaused, SourceUnavailable
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Work
from dataops_defs.services.processes import wait_until
from tests.faults.rounds import chance, rounds
from tests.flows.etl_scenes import asked, counts, finish, pipeline, same, worker
from tests.relay import Relay
from tests.scenes import World

FAR_ROWS = 3000
FAR = "SELECT id AS film_id, title, updated_at FROM public.film"
LONGEST_WAIT = 30.0


class FarDatabase:
    """A user's database behind a network."""

    def __init__(self, url: str) -> None:
        self._url = libpq_url(url)
        self.relay = Relay.before(url)
        self.connection = self.relay.connection(self._url)
        self.sql("CREATE TABLE film (id int PRIMARY KEY, title text, updated_at timestamptz)")
        self.sql(
            f"INSERT INTO film SELECT n, md5(n::text) || md5('x' || n), now() FROM generate_series(1, {FAR_ROWS}) n"
        )

    def sql(self, statement: str) -> Sequence[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def pipeline(self, world: World, **more: Any) -> str:
        id = world.source("Far", "postgres", **self.connection)
        return pipeline(world, query=FAR, source_id=id, key_columns=["film_id"], batch_size=1000, **more)


@pytest.fixture
def far(operations_url: str) -> Iterator[FarDatabase]:
    made = FarDatabase(operations_url)
    yield made
    made.relay.close()


def behind(world: World, relay: Relay) -> World:
    """The same platform, its owner's warehouse behind a network."""
    url = relay.url(world.platform.settings.url("warehouse"))
    return World(Platform(world.platform.settings.model_copy(update={"warehouse_url": SecretStr(url)})), world.files)


class TestASource:
    def test_that_is_cut_in_mid_result_is_read_again_and_no_row_lands_twice(
        self, world: World, far: FarDatabase
    ) -> None:
        id = far.pipeline(world)
        work = worker(world, asked(world, id))
        far.relay.cut_after(100_000)

        outcome = run_etl(work, id)

        assert far.relay.cuts == 1
        assert counts(outcome) == (FAR_ROWS, FAR_ROWS, 0, 0, 0)
        assert sorted(world.sql("SELECT film_id, title FROM analytics.film_dim")) == sorted(
            far.sql("SELECT id, title FROM film")
        )
        assert list(world.platform.settings.home.glob("raw/etl-spool/**/.*.partial")) == []

    def test_that_swallows_the_connection_is_given_up(self, far: FarDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)
        far.relay.swallow()
        given = dict(far.connection)
        secrets = {"password": given.pop("password")}
        source = Source(new_id(), "Far", "far", SourceType.POSTGRES, "default", given, secrets)
        with pytest.raises(SourceUnavailable, match="did not answer: timed out"):
            PostgresSource(source).test()


class TestASlowSource:
    @pytest.fixture
    def slow(self, far: FarDatabase, monkeypatch: pytest.MonkeyPatch) -> FarDatabase:
        """1 KB a second: the result takes three minutes."""
        far.relay.slow_down(1024)
        monkeypatch.setattr(leases, "LEASE", timedelta(seconds=2.5))
        return far

    def test_is_read_under_a_lease_that_is_renewed_and_can_be_paused(self, world: World, slow: FarDatabase) -> None:
        id = slow.pipeline(world)
        run = asked(world, id)
        work = worker(world, run)
        reading = ThreadPoolExecutor(1).submit(self._kept, work, id)
        busy = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'"
        assert wait_until(lambda: bool(slow.sql(busy)), LONGEST_WAIT)
        with world.platform.catalogue() as session:
            [(first,)] = session.connection().exec_driver_sql("SELECT lease_until FROM run").all()

        def outlived() -> bool:
            with world.platform.catalogue() as session:
                assert not Leases(session).reap()
                return bool(session.connection().exec_driver_sql("SELECT now() > %s", (first,)).scalar_one())

        assert wait_until(outlived, LONGEST_WAIT)
        with world.platform.catalogue() as session:
            EtlPipelines(session).pause(EtlPipelines(session).get(id, lock=True))
        with pytest.raises(RunPaused):
            reading.result(LONGEST_WAIT)
        with world.platform.catalogue() as session:
            assert Runs(session).pause(run, work.lease.epoch)

        slow.relay.slow_down(None)
        again = worker(world, asked(world, id))
        assert counts(run_etl(again, id)) == (FAR_ROWS, FAR_ROWS, 0, 0, 0)

    @staticmethod
    def _kept(work: Work, id: str) -> Outcome:
        with work.lease.kept():
            return run_etl(work, id)


class TestTheWarehouse:
    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_that_ends_a_session_is_connected_to_again_and_the_batch_done_again(self, films: World, mode: str) -> None:
        id = pipeline(films, mode)
        run = asked(films, id)
        work = worker(films, run)
        look, left = work.lease.look, chance().randint(2, 4)

        def ends_the_session() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                mine = (
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%% {run}:1'"
                )
                assert films.sql(mine) == [(True,)]
            look()

        work.lease.look = ends_the_session  # type: ignore[method-assign]
        assert counts(run_etl(work, id)) == (25, 25, 0, 0, 0)
        assert left < 0
        assert same(films)
        assert films.sql("SELECT count(*), sum(read) FROM dataops.ledger") == [(1, 25)]

    def test_whose_answer_to_a_commit_is_lost_has_every_row_once(self, films: World) -> None:
        """Each COMMIT of a run in turn; runs side by side, for each waits a second before it tries again."""
        cases = [(mode, number) for mode in ("full", "incremental") for number in range(1, 8) for _ in rounds(1)]
        with ThreadPoolExecutor(7) as pool:
            cut = list(pool.map(lambda case: self._loses_an_answer(films, *case), cases))
        assert len(cut) - cut.count(0) >= 12, "too few COMMITs were lost"

    @staticmethod
    def _loses_an_answer(films: World, mode: str, number: int) -> int:
        name = f"film_{new_id().replace('-', '')}"
        target = f"analytics.{name}"
        id = pipeline(films, mode, name=name, target_table=target)
        run = asked(films, id)
        relay = Relay.before(films.platform.settings.url("warehouse"))
        relay.drop_reply_to_commit(number)
        work = worker(behind(films, relay), run)
        outcome = run_etl(work, id)
        finish(films, work)
        relay.close()

        assert (outcome.ledger.read, outcome.ledger.inserted) == (25, 25), f"{mode}, COMMIT {number}"
        assert same(films, target=f"SELECT film_id, title, rating FROM {target}"), f"{mode}, COMMIT {number}"
        booked = films.sql("SELECT count(*), sum(read) FROM dataops.ledger WHERE run_id = %s", run)
        assert booked == [(1, 25)], f"{mode}, COMMIT {number}"
        return relay.cuts
