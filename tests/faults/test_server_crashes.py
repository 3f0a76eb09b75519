"""PostgreSQL itself is killed, in the middle of a load and of a refresh (faults 8 and 10)."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from dataops_defs.catalogue import database
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.errors import DependencyUnavailable
from dataops_defs.flows import place_datamart as placing
from dataops_defs.flows import refresh_datamart as refreshing
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Step
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import OWNER, Settings
from tests.conftest import Server
from tests.flows.datamart_scenes import define, leftovers, refresh
from tests.flows.etl_scenes import TABLE, asked, counts, finish, more, pipeline, same, worker
from tests.scenes import World

LONGEST_WAIT = 30.0
ROLES = {"catalogue": "owner", "warehouse": "owner", "reader": "reader", "builder": "builder"}


class Mortal:
    """A server of its own, that keeps what it has committed, and its platform."""

    def __init__(self, home: Path) -> None:
        self._server = Server(Settings(home=home / "postgres"))
        # Nothing is lost without fsync while the machine lives; without a commit's wait it may be.
        self._server.execute(f"ALTER ROLE {OWNER} SET synchronous_commit = on")
        urls = {
            f"{name}_url": SecretStr(self._server.url("catalogue" if name == "catalogue" else "warehouse", role))
            for name, role in ROLES.items()
        }
        self.world = World(Platform(Settings(home=home / "home").model_copy(update=urls)), home)

    def dies(self, how: signal.Signals) -> None:
        process = self._server.postgres.process
        assert process is not None
        os.kill(process.pid, how)
        process.wait()

    def starts_again(self) -> None:
        """As its supervisor has it: again and again, while processes of the dead one are still there."""

        def started() -> bool:
            try:
                self._server.postgres.start()
            except DependencyUnavailable:
                return False
            return True

        assert wait_until(started, LONGEST_WAIT)

    def close(self) -> None:
        database.engine(self.world.platform.settings.url("catalogue")).dispose()
        self._server.postgres.destroy()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    made = Mortal(tmp_path_factory.mktemp("mortal"))
    yield made
    made.close()


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_load_outlives_the_server_it_writes_to(mortal: Mortal, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    world, committed = mortal.world, Step.committed
    world.sql("DROP TABLE IF EXISTS content.film_work, analytics.film_dim")
    world.sql(TABLE)
    more(world, 1, 25)
    id = pipeline(world, mode)
    run = asked(world, id)

    def dies_once(step: Step, *arguments: Any) -> None:
        monkeypatch.setattr(Step, "committed", committed)
        mortal.dies(signal.SIGKILL)
        mortal.starts_again()
        committed(step, *arguments)

    monkeypatch.setattr(Step, "committed", dies_once)
    work = worker(world, run)
    outcome = run_etl(work, id)
    finish(world, work)

    assert Step.committed is committed
    assert counts(outcome) == (25, 25, 0, 0, 0)
    assert same(world)
    assert world.sql("SELECT count(*), sum(read) FROM dataops.ledger WHERE run_id = %s", run) == [(1, 25)]


# Where the server dies: each is the last moment before the new rows are committed.
BEFORE_THE_COMMIT = {
    "swap": (refreshing, "enter"),
    "merge": (refreshing, "enter"),
    "concurrently": (placing._Site, "hold_fence"),
}


@pytest.mark.parametrize("method", BEFORE_THE_COMMIT)
def test_a_reader_of_a_datamart_sees_the_old_rows_after_a_crash_and_then_the_new_ones(
    mortal: Mortal, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    world = mortal.world
    place, name = BEFORE_THE_COMMIT[method]
    act = getattr(place, name)
    world.sql("DROP TABLE IF EXISTS content.moment CASCADE")
    world.sql("CREATE TABLE content.moment AS SELECT n, 'old' AS moment FROM generate_series(1, 1000) n")
    type = DatamartType.TABLE if method == "merge" else DatamartType.MATERIALIZED_VIEW
    id = define(world, f"moments_{method}", "SELECT n, moment FROM content.moment", type)
    seen = f"SELECT DISTINCT moment, count(*) FROM analytics.moments_{method} GROUP BY 1"
    refresh(world, id)
    world.sql("UPDATE content.moment SET moment = 'new'")

    def dies_once(*arguments: Any) -> Any:
        monkeypatch.setattr(place, name, act)
        mortal.dies(signal.SIGQUIT)
        mortal.starts_again()
        assert world.sql(seen) == [("old", 1000)]
        return act(*arguments)

    monkeypatch.setattr(place, name, dies_once)
    done = refresh(world, id, concurrent=method == "concurrently")

    assert getattr(place, name) is act
    assert done.details["method"] == method
    assert world.sql(seen) == [("new", 1000)]
    assert leftovers(world) == []
