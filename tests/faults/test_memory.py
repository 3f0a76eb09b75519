"""A worker that runs out of memory fails its run and says so; others do not notice (fault 36)."""

from functools import partial

import pytest

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from tests.faults.injected import starved
from tests.faults.workers import ended, started
from tests.flows.etl_scenes import asked, pipeline, same
from tests.scenes import World

ROW_BYTES = 64_000_000
HUGE = f"SELECT 1 AS film_id, repeat('x', {ROW_BYTES}) AS title"


# Less than a row: the driver cannot take it from the line. More than two: Python cannot copy it.
@pytest.mark.parametrize("rows_of_room", [0.6, 2.3])
def test_a_row_larger_than_the_workers_memory_fails_its_run_only(films: World, rows_of_room: float) -> None:
    huge = pipeline(films, query=HUGE, name="huge", target_table="analytics.huge", key_columns=["film_id"])
    usual = pipeline(films)
    run, other = asked(films, huge), asked(films, usual)
    starving = started(run, huge, partial(starved, int(rows_of_room * ROW_BYTES)))
    beside = started(other, usual)

    assert (ended(starving), ended(beside)) == (1, 0)
    with films.platform.catalogue() as session:
        row = Runs(session).get(run)
        assert (row.state, row.error) == (RunState.FAILED, "The run ran out of memory")
    assert same(films)
