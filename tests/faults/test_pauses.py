"""A pause at a random batch: what was committed stays, nothing is read again (fault 33)."""

import pytest

from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.etl import EtlState
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import RunPaused
from dataops_defs.flows.etl_state import checkpoint_of
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Step
from tests.faults.rounds import chance, rounds
from tests.flows.etl_scenes import asked, counts, finish, pipeline, same, state, worker
from tests.scenes import World

ROWS, BATCH = 25, 3


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_pause_takes_effect_after_the_batch_and_the_next_run_reads_no_row_again(films: World, mode: str) -> None:
    chooses = chance()
    for number in rounds(3):
        target = f"analytics.film_{number}"
        id = pipeline(films, mode, name=target, target_table=target, batch_size=BATCH)
        run, batches = asked(films, id), chooses.randint(1, ROWS // BATCH)
        paused_after(films, run, id, batches)

        load = checkpoint_of(films.platform, id)
        assert load is not None
        assert (load.position, state(films, id)) == (batches * BATCH, EtlState.PAUSED)
        films.sql("UPDATE content.film_work SET title = title || '?'")
        assert asked(films, id) == run
        work = worker(films, run)
        outcome = run_etl(work, id)
        finish(films, work)

        assert counts(outcome) == (ROWS, ROWS, 0, 0, 0)
        films.sql("UPDATE content.film_work SET title = rtrim(title, '?')")
        assert same(films, target=f"SELECT film_id, title, rating FROM {target}")
        assert state(films, id) is EtlState.IDLE


def paused_after(films: World, run: str, id: str, batches: int) -> None:
    work, committed = worker(films, run), Step.committed

    def pauses(step: Step, rows: int, so_far: Ledger) -> None:
        if rows == batches * BATCH:
            with films.platform.catalogue() as session:
                EtlPipelines(session).pause(EtlPipelines(session).get(id, lock=True))
        committed(step, rows, so_far)

    with pytest.MonkeyPatch.context() as change:
        change.setattr(Step, "committed", pauses)
        with pytest.raises(RunPaused):
            run_etl(work, id)
    with films.platform.catalogue() as session:
        assert Runs(session).pause(run, work.lease.epoch)
