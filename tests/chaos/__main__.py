"""``python -m tests.chaos --requests 200``: prints what was kept and what was broken; status 1 when a promise was."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from rich.console import Console

from tests.chaos.arrivals import Arrivals
from tests.chaos.in_dagster import InDagster
from tests.chaos.litter import survivors
from tests.chaos.objects import Objects
from tests.chaos.pipelines import Pipelines
from tests.chaos.place import Place
from tests.chaos.report import print_report
from tests.chaos.session import Plan, Session
from tests.chaos.workload import Workload
from tests.stories.conftest import start_stack, stop_stack

WORKLOADS: dict[str, Callable[[], Workload]] = {
    "arrivals": Arrivals,
    "objects": Objects,
    "dagster": InDagster,
    "pipelines": Pipelines,
}


def main() -> int:
    """Start a stack of its own, let chaos loose, judge; 0 when every promise was kept."""
    given = _options()
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="dataops-chaos-", dir="/var/tmp"))  # the database's user must reach it
    folder.chmod(0o755)
    plan = Plan(
        requests=given.requests,
        a_second=given.per_second,
        pause=given.seconds_between_kills,
        kills=given.kills,
        seed=given.seed if given.seed is not None else SystemRandom().randrange(10**6),
        only=tuple(filter(None, given.only.split(","))),
        patience=given.patience,
        settle=given.settle,
        workloads=tuple(WORKLOADS[name] for name in given.workloads.split(","))
        if given.workloads
        else tuple(WORKLOADS.values()),
    )
    console.print(f"Seed {plan.seed}; everything in {folder}")
    launcher = {"DATAOPS_RUN_LAUNCHER": given.launcher} if given.launcher else {}
    stack = start_stack(folder / "home", **launcher)
    try:
        stack.wait_ready()
        session = Session(Place(stack), plan, console, folder / "kills.log")
        verdicts = session.run()
    finally:
        stopped = stack.process.poll() is None
        if stopped:
            stop_stack(stack)
    verdicts.append(survivors(session.place))
    print_report(console, verdicts, session.recoveries.all, session.figures())
    if all(each.kept for each in verdicts) and not given.keep:
        shutil.rmtree(folder)
        return 0
    console.print(f"Seed {plan.seed}; logs of the processes: {folder}/home/logs, kills: {folder}/kills.log")
    return 0 if all(each.kept for each in verdicts) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Proof by killing")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=1.0, help="requests a second")
    parser.add_argument("--seconds-between-kills", type=float, default=5.0, help="mean")
    parser.add_argument("--kills", type=int, help="at most so many")
    parser.add_argument("--seed", type=int, help="of all chance; printed when left out")
    parser.add_argument("--only", default="", help="kinds of processes, such as worker,postgres")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help=f"some of {', '.join(WORKLOADS)}")
    parser.add_argument("--launcher", choices=("warm", "default"))
    parser.add_argument("--patience", type=float, default=180.0, help="seconds a client repeats its request")
    parser.add_argument("--settle", type=float, default=180.0, help="seconds all work may take after the last request")
    parser.add_argument("--keep", action="store_true", help="keep the home in any case")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
