"""Workers die while requests come in: every request is carried out, once. ``make chaos`` is the long form."""

from rich.console import Console

from tests.chaos.objects import Objects
from tests.chaos.place import Place
from tests.chaos.session import Plan, Session
from tests.stories.conftest import RunningStack

PLAN = Plan(
    requests=12, a_second=3, pause=0.8, kills=4, seed=5, only=("worker",), settle=60, linger=0, workloads=(Objects,)
)


class TestRequestsWhileWorkersAreKilled:
    def test_are_all_carried_out_exactly_once(self, stack: RunningStack) -> None:
        session = Session(Place(stack), PLAN, Console(quiet=True))
        broken = [f"{each.promise}: {case}" for each in session.run() for case in each.cases]
        assert session.recoveries.all, "no worker was killed"
        assert broken == []
