"""Rejected rows of earlier runs go by age; those of a subject's newest run never."""

from datetime import UTC, datetime, timedelta

import pytest

from dataops_defs.adapters.warehouse import purge as windows
from dataops_defs.catalogue.base import new_id
from dataops_defs.flows.purge import Purged
from dataops_defs.flows.purge_rejects import purge_rejects
from tests.scenes import World

NOW = datetime.now(UTC)
A_YEAR_AGO = NOW - timedelta(days=365)


def a_run(world: World, subject: str, days: float, rejected: int) -> str:
    """A run's ledger row and its rejects, as old as the story says."""
    run, at = new_id(), NOW - timedelta(days=days)
    world.sql(
        "INSERT INTO dataops.ledger (run_id, subject_kind, subject_id, target, read, rejected, committed_at)"
        " VALUES (%s, 'mapping', %s, 'objects.plane', %s, %s, %s)",
        *(run, subject, rejected, rejected, at),
    )
    world.sql(
        "INSERT INTO dataops.reject (run_id, subject_kind, subject_id, row_number, reason, raw, rejected_at)"
        " SELECT %s, 'mapping', %s, n, 'no tail number', '{}', %s FROM generate_series(1, %s) n",
        *(run, subject, at, rejected),
    )
    return run


def kept(world: World) -> dict[str, int]:
    return dict(world.sql("SELECT run_id::text, count(*) FROM dataops.reject GROUP BY 1"))  # type: ignore[arg-type]


def purge(world: World) -> Purged:
    return purge_rejects(world.platform, lambda _text: None, A_YEAR_AGO)


class TestRejects:
    def test_of_old_runs_go_and_younger_ones_stay(self, world: World) -> None:
        mapping = new_id()
        a_run(world, mapping, 500, 3)
        a_run(world, mapping, 400, 2)
        young, newest = a_run(world, mapping, 300, 4), a_run(world, mapping, 1, 1)
        gone = purge(world)
        assert kept(world) == {young: 4, newest: 1}
        assert gone.items == 5
        assert gone.bytes > 0
        assert purge(world) == Purged()

    def test_of_the_newest_run_stay_however_old_they_are(self, world: World) -> None:
        once, often = new_id(), new_id()
        only = a_run(world, once, 900, 3)
        a_run(world, often, 800, 3)
        a_run(world, often, 10, 0)
        purge(world)
        assert kept(world) == {only: 3}

    def test_that_no_ledger_speaks_of_stay(self, world: World) -> None:
        run = a_run(world, new_id(), 900, 3)
        world.sql("TRUNCATE dataops.ledger")
        purge(world)
        assert kept(world) == {run: 3}

    def test_are_purged_a_window_at_a_time(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(windows, "WINDOW_ROWS", 10)
        mapping, said = new_id(), []
        only = a_run(world, new_id(), 900, 25)
        a_run(world, mapping, 500, 25)
        newest = a_run(world, mapping, 2, 15)
        assert purge_rejects(world.platform, said.append, A_YEAR_AGO).items == 25
        assert kept(world) == {only: 25, newest: 15}
        assert said == [f"{done} rejected rows purged so far" for done in (5, 15, 25)]
