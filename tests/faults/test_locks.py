"""Another transaction is in the way of a pipeline's batch: a deadlock, a lock that is held (faults 34 and 35)."""

import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from dataops_defs.adapters.sinks import etl_table
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import MAX_WORKERS, RunState
from dataops_defs.errors import DependencyUnavailable
from dataops_defs.flows import work as working
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.services.processes import wait_until
from tests.conftest import Server
from tests.flows.etl_scenes import asked, counts, lease_ends, more, pipeline, ran, same, worker
from tests.scenes import World

LONGEST_WAIT = 30.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dataops etl %%' AND wait_event = %s"


class InTheWay:
    """A transaction of somebody else in the same warehouse."""

    def __init__(self, server: Server, films: World) -> None:
        warehouse = libpq_url(films.platform.settings.url("warehouse")).rpartition("/")[2]
        url = libpq_url(server.postgres.superuser_url).rpartition("/")[0]
        self._connection = psycopg2.connect(f"{url}/{warehouse}")
        # So that the pipeline's own transaction is the one that finds the deadlock.
        self.does("SET deadlock_timeout = '1min'")

    def does(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def ends(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def other(server: Server, films: World) -> Iterator[InTheWay]:
    with closing(InTheWay(server, films)) as made:
        yield made


def is_waiting(films: World) -> bool:
    return films.sql(WAITING, "transactionid") == [(1,)]


def test_a_deadlock_is_resolved_by_doing_the_batch_again(films: World, other: InTheWay) -> None:
    id = pipeline(films, "incremental", batch_size=100)
    ran(films, id)
    more(films, 25, 26, "2025-03-01")  # one row to change, then a new one
    work = worker(films, asked(films, id))
    said: list[str] = []
    work.say = said.append
    other.does("INSERT INTO analytics.film_dim (film_id, title) VALUES (26, 'theirs')")

    def crosses() -> None:
        assert wait_until(lambda: is_waiting(films), LONGEST_WAIT)
        other.does("UPDATE analytics.film_dim SET title = 'theirs' WHERE film_id = 25")
        other.ends()

    crossing = threading.Thread(target=crosses)
    crossing.start()
    outcome = run_etl(work, id)
    crossing.join()

    assert counts(outcome) == (2, 0, 2, 0, 0)
    assert len([each for each in said if "was in the way" in each]) == 1
    assert same(films)


class TestALockThatIsHeld:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(etl_table, "LOCK_TIMEOUT", "SET lock_timeout = '300ms'")

    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_is_waited_for_again(self, films: World, other: InTheWay, mode: str) -> None:
        id = pipeline(films, mode)
        ran(films, id)
        more(films, 24, 30, "2025-03-01")
        work = worker(films, asked(films, id))
        other.does("LOCK TABLE analytics.film_dim IN SHARE ROW EXCLUSIVE MODE")
        said: list[str] = []

        def says(text: str) -> None:
            said.append(text)
            if "trying again" in text:
                other.ends()

        work.say = says
        run_etl(work, id)

        assert len([each for each in said if "trying again" in each]) == 1
        assert same(films)

    def test_for_ever_fails_the_run_and_says_why(
        self, films: World, other: InTheWay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(working, "TRIES", 1)
        id = pipeline(films)
        ran(films, id)
        run = asked(films, id)
        other.does("LOCK TABLE analytics.film_dim IN SHARE ROW EXCLUSIVE MODE")
        for _ in range(MAX_WORKERS):
            self._gives_up(films, run, id)

        with films.platform.catalogue() as session:
            ended = Runs(session).get(run)
            assert (ended.state, ended.error_code) == (RunState.FAILED, "WORKER_DIED")
            assert "lock timeout" in (ended.error or "")
        other.ends()
        assert same(films)

    @staticmethod
    def _gives_up(films: World, run: str, id: str) -> None:
        work = worker(films, run)
        with pytest.raises(DependencyUnavailable) as met:
            run_etl(work, id)
        work.lease.release(str(met.value))
        lease_ends(films)
