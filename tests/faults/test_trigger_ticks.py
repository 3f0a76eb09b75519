"""Two schedulers evaluate the same ticks of a trigger: each tick has one run (fault 28, unique trigger and tick)."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

from dataops_defs.catalogue.audit import Actor
from dataops_defs.flows.fire_trigger import Fired, fire_tick
from tests.scenes import World
from tests.trigger_scenes import runs_of, trigger

SCHEDULERS = 3
TICKS = int(os.environ.get("DATAOPS_FAULT_TICKS") or 300)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def test_schedulers_that_evaluate_the_same_ticks_make_one_run_of_each(world: World) -> None:
    world.pipeline("graph", {"dataset": world.dataset(world.csv("planes.csv", "tail\nN1\n"))})
    id = trigger(world, "graph", cron="* * * * *", parameters={"at": "{{ execution_datetime }}"})
    together = Barrier(SCHEDULERS)

    def schedule() -> list[Fired]:
        told = []
        for number in range(TICKS):
            together.wait()
            told.append(fire_tick(world.platform, id, FIRST + timedelta(minutes=number), Actor("schedule:trigger")))
        return told

    with ThreadPoolExecutor(SCHEDULERS) as pool:
        told = [each for turn in [pool.submit(schedule) for _ in range(SCHEDULERS)] for each in turn.result()]
    runs = runs_of(world, id)
    ticks = {run.parameters["parameters"]["at"] for run in runs}
    assert (len(runs), len(ticks)) == (TICKS, TICKS)
    assert sum(each.told.startswith("Taken already") for each in told) == (SCHEDULERS - 1) * TICKS
    assert sum(each.launch is not None for each in told) <= TICKS
