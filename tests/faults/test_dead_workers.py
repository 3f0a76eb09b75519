"""A worker is killed between a row and its checkpoint, or wakes up when another has its work (faults 1, 2 and 29)."""

import os
import signal
from functools import partial

import psutil
import pytest

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.flows.etl_state import checkpoint_of
from dataops_defs.flows.outbox import reap
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.services.processes import wait_until
from tests.faults.injected import CHECKPOINT_WRITTEN, POINTS, ROWS_WRITTEN, frozen, killed, lease_of
from tests.faults.rounds import chance, rounds
from tests.faults.workers import KILLED, LONGEST_SECONDS, ended, started
from tests.flows.etl_scenes import asked, finish, lease_ends, pipeline, same, worker
from tests.scenes import World

LEASE_SECONDS = 1.0


def in_target(films: World, mode: str, target: str, id: str) -> int:
    """Rows that were brought over so far: a full load gathers them beside its target."""
    table = f"dataops.load_{id.replace('-', '')}" if mode == "full" else target
    [(made,)] = films.sql("SELECT to_regclass(%s) IS NOT NULL", table)
    return films.sql(f"SELECT count(*) FROM {table}")[0][0] if made else 0


def booked(films: World, run: str) -> list[tuple[int, int]]:
    return [tuple(row) for row in films.sql("SELECT count(*), sum(read) FROM dataops.ledger WHERE run_id = %s", run)]


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_worker_killed_at_any_point_leaves_rows_and_checkpoint_that_agree(films: World, mode: str) -> None:
    chooses, kills = chance(), 0
    for number in rounds(1):
        target = f"analytics.film_{number}"
        id = pipeline(films, mode, name=target, target_table=target, batch_size=4)
        run = asked(films, id)
        while (code := ended(started(run, id, partial(killed, chooses.choice(POINTS), chooses.randint(2, 5))))) != 0:
            assert code == KILLED
            kills += 1
            load = checkpoint_of(films.platform, id)
            assert load is not None
            assert load.spool is None or in_target(films, mode, target, id) == load.position
            lease_ends(films)

        assert same(films, target=f"SELECT film_id, title, rating FROM {target}")
        assert booked(films, run) == [(1, 25)]
    assert kills


@pytest.mark.parametrize(("mode", "point"), [("full", ROWS_WRITTEN), ("incremental", CHECKPOINT_WRITTEN)])
def test_a_worker_frozen_past_its_lease_commits_nothing_when_it_wakes(films: World, mode: str, point: str) -> None:
    for number in rounds(1):
        target = f"analytics.film_{number}"
        id = pipeline(films, mode, name=target, target_table=target)
        run = asked(films, id)
        zombie = started(run, id, partial(lease_of, LEASE_SECONDS), partial(frozen, point, 4))
        process = psutil.Process(zombie.pid)
        assert wait_until(lambda: process.status() == psutil.STATUS_STOPPED, LONGEST_SECONDS)  # noqa: B023 - at once
        assert wait_until(lambda: reap(films.platform) == 1, LONGEST_SECONDS)

        successor = worker(films, run)
        with successor.lease.kept():
            before = in_target(films, mode, target, id), checkpoint_of(films.platform, id)
            os.kill(process.pid, signal.SIGCONT)
            assert ended(zombie) == 1
            assert (in_target(films, mode, target, id), checkpoint_of(films.platform, id)) == before
            run_etl(successor, id)
        finish(films, successor)

        assert same(films, target=f"SELECT film_id, title, rating FROM {target}")
        assert booked(films, run) == [(1, 25)]
        with films.platform.catalogue() as session:
            assert (Runs(session).get(run).state, Runs(session).get(run).epoch) == (RunState.SUCCEEDED, 2)
