"""Two launchers at one outbox, and two Dagster runs of one request: each request is carried out once (fault 28)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.outbox import due_launches
from tests.faults.rounds import rounds
from tests.scenes import World

LAUNCHERS = 4
REQUESTS = 60


def requests(world: World) -> list[str]:
    with world.platform.catalogue() as session:
        return [Runs(session).request(RunKind.ETL, new_id(), f"request {n}").id for n in range(REQUESTS)]


def test_launchers_that_look_at_the_same_moment_launch_each_request_once(world: World) -> None:
    for _ in rounds(1):
        asked = requests(world)
        together = Barrier(LAUNCHERS)

        def launches() -> list[str]:
            found: list[str] = []
            together.wait()  # noqa: B023 - the round ends before the next begins
            while due := due_launches(world.platform):
                found += [each.run_id for each in due]
            return found

        with ThreadPoolExecutor(LAUNCHERS) as launchers:
            launched = [id for each in [launchers.submit(launches) for _ in range(LAUNCHERS)] for id in each.result()]
        assert sorted(launched) == sorted(asked)


def test_of_several_dagster_runs_of_one_request_one_works(world: World) -> None:
    for _ in rounds(1):
        asked = requests(world)
        together = Barrier(LAUNCHERS)

        def works() -> list[str]:
            begun = []
            for id in asked:  # noqa: B023 - the round ends before the next begins
                together.wait()  # noqa: B023
                with world.platform.catalogue() as session:
                    if Leases(session).begin(id, new_id()) is not None:
                        begun.append(id)
            return begun

        with ThreadPoolExecutor(LAUNCHERS) as workers:
            begun = [id for each in [workers.submit(works) for _ in range(LAUNCHERS)] for id in each.result()]
        assert sorted(begun) == sorted(asked)
