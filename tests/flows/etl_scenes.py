"""Words for stories of ETL pipelines: a table of films, a pipeline that brings them over, its runs and its workers."""

from collections.abc import Sequence
from typing import Any

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import EtlPipelineRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.etl import EtlMode, EtlState
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outbox import reap
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Work
from tests.scenes import World

FILMS = "SELECT id AS film_id, title, rating, updated_at FROM content.film_work"
TABLE = """
CREATE TABLE content.film_work (
    id int PRIMARY KEY, title text, rating numeric(3,1), updated_at timestamptz
)
"""
SOURCE = "SELECT id, title, rating FROM content.film_work"
TARGET = "SELECT film_id, title, rating FROM analytics.film_dim"


class Death(BaseException):
    """What happens to a worker that is killed: no line of it runs any more."""


def more(world: World, first: int, last: int, moment: str = "2025-01-01") -> None:
    world.sql(
        "INSERT INTO content.film_work SELECT n, 'film ' || n, mod(n, 10), %s::timestamptz + n * interval '1 hour'"
        " FROM generate_series(%s, %s) n ON CONFLICT (id) DO UPDATE SET title = excluded.title || '!',"
        " updated_at = excluded.updated_at",
        moment,
        first,
        last,
    )


def pipeline(world: World, mode: str = "full", query: str = FILMS, **more: Any) -> str:
    given = {
        "name": f"film_dim_{mode}",
        "target_table": "analytics.film_dim",
        "batch_size": 10,
        "cursor_column": "updated_at",
        "lag_seconds": 0,
    }
    row = EtlPipelineRow(mode=EtlMode(mode), source_query=query, **{**given, **more})
    with world.platform.catalogue() as session:
        return EtlPipelines(session).add(row).id


def resume(pipelines: EtlPipelines, row: EtlPipelineRow) -> None:
    """What "run" asks for: a new run, or that a paused one goes on."""
    _, new = pipelines.resume(row)
    if new:
        row.run_id = Runs(pipelines.session).request(RunKind.ETL, row.id, row.name).id


def asked(world: World, id: str) -> str:
    """A run is asked for: its id."""
    with world.platform.catalogue() as session:
        row = EtlPipelines(session).get(id, lock=True)
        resume(EtlPipelines(session), row)
        return row.run_id or ""


def worker(world: World, run_id: str) -> Work:
    with world.platform.catalogue() as session:
        held = Leases(session).begin(run_id, new_id())
    assert held is not None
    return Work(world.platform, Lease(world.platform, held), say=lambda _text: None)


def finish(world: World, work: Work, state: RunState = RunState.SUCCEEDED) -> None:
    with world.platform.catalogue() as session:
        assert Runs(session).finish(work.run_id, state, epoch=work.lease.epoch) is state


def ran(world: World, id: str) -> Outcome:
    """One run of a pipeline, undisturbed."""
    work = worker(world, asked(world, id))
    outcome = run_etl(work, id)
    finish(world, work)
    return outcome


def dies_after(world: World, work: Work, id: str, batches: int) -> None:
    """A worker that is killed when so many of its batches are committed."""
    left = batches

    def killed() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Death

    work.lease.look = killed  # type: ignore[method-assign]
    left += 1  # the look before the step begins
    with pytest.raises(Death):
        run_etl(work, id)


def lease_ends(world: World) -> None:
    with world.platform.catalogue() as session:
        session.connection().exec_driver_sql("UPDATE run SET lease_until = now() - interval '1 second'")
    reap(world.platform)


def state(world: World, id: str) -> EtlState:
    with world.platform.catalogue() as session:
        return EtlPipelines(session).state(EtlPipelines(session).get(id))


def same(world: World, source: str = SOURCE, target: str = TARGET) -> bool:
    return sorted(world.sql(source)) == sorted(world.sql(target))


def counts(outcome: Outcome) -> Sequence[int]:
    told = outcome.ledger
    return told.read, told.inserted, told.updated, told.unchanged, told.deleted
