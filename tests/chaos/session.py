"""One session of chaos: prepare, ask and kill, settle, compare."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psycopg2
from rich.console import Console

from tests.chaos.arrivals import Arrivals
from tests.chaos.clients import Clients, Request
from tests.chaos.in_dagster import InDagster
from tests.chaos.killer import Killer
from tests.chaos.litter import LEASE_SECONDS, litter, unnamed_copies
from tests.chaos.objects import Objects
from tests.chaos.pipelines import Pipelines
from tests.chaos.place import Place
from tests.chaos.recovery import Recoveries
from tests.chaos.targets import targets
from tests.chaos.verdicts import Harm, Verdict
from tests.chaos.verifier import Verifier, newest_record, still_open
from tests.chaos.workload import Workload

TOLD_EVERY_SECONDS = 10.0
CLOSING_OF_THE_UNSETTLED = 20.0


@dataclass(frozen=True)
class Plan:
    """How much of what; times in seconds. ``only`` names kinds of processes, all when empty.

    ``linger``: how long after all work has ended leftovers may stay.
    """

    requests: int
    a_second: float = 1.0
    pause: float = 5.0
    kills: int | None = None
    seed: int = 0
    only: Sequence[str] = ()
    patience: float = 180.0
    settle: float = 180.0
    linger: float = LEASE_SECONDS
    workloads: Sequence[Callable[[], Workload]] = (Arrivals, Objects, InDagster, Pipelines)


class Session:
    """Runs a plan against a place."""

    def __init__(self, place: Place, plan: Plan, console: Console, log: Path | None = None) -> None:
        self.place, self._plan, self._console, self._log = place, plan, console, log
        self._workloads = [make() for make in plan.workloads]
        self._chance = Random(plan.seed)
        self._clients = Clients(place, plan.patience)
        self.recoveries = Recoveries(place)
        self._since = ""
        self._told = 0.0
        self._began = time.monotonic()
        self._figures: dict[str, object] = {}

    def run(self) -> list[Verdict]:
        """Everything; the promises, kept and broken."""
        for workload in self._workloads:
            workload.prepare(self.place)
        self._since = newest_record(self.place)
        self._under_fire()
        settled = self._settle()
        self._wait(lambda: False, self._plan.linger if self.recoveries.all else 0, "waiting for the lease to end")
        closed = self._close(self._plan.settle if settled.kept else CLOSING_OF_THE_UNSETTLED)
        verdicts = [self._stands(), settled, closed, *self.judge(), *litter(self.place)]
        self._figures["raw copies without a ledger row"] = unnamed_copies(self.place)
        return verdicts

    def judge(self) -> list[Verdict]:
        """Look at records, ledger, targets and raw copies as they are now."""
        verifier = Verifier(self.place, self._clients.sent, self._since)
        verdicts = list(verifier.verdicts())
        for workload in self._workloads:
            verdicts += workload.verdicts(self.place)
            self._figures.update(workload.figures(self.place))
        self._figures["records"] = ", ".join(f"{count} {state}" for state, count in verifier.states().most_common())
        return verdicts

    def figures(self) -> dict[str, object]:
        """For the report."""
        sent = self._clients.sent
        return {
            "requests": len(sent),
            "accepted": self._clients.accepted(),
            "tries": sum(each.tries for each in sent),
            "longest wait for an acceptance, s": f"{max((each.waited for each in sent), default=0):.1f}",
            "kills": len(self.recoveries.all),
            "seconds in all": f"{time.monotonic() - self._began:.0f}",
            **self._figures,
        }

    def _under_fire(self) -> None:
        """Send all requests while the killer kills."""
        plan = self._plan
        known = targets(self.place)
        if unknown := set(plan.only) - set(known):
            raise SystemExit(f"There is no {', '.join(sorted(unknown))} here; known: {', '.join(known)}")
        chosen = {name: each for name, each in known.items() if not plan.only or name in plan.only}
        killer = Killer(self.place, chosen, self.recoveries, Random(plan.seed), plan.pause, plan.kills)
        self._clients.start()
        self.recoveries.start()
        killer.start()
        ended = threading.Event()
        nurse = threading.Thread(target=self._tend, args=(ended,), daemon=True)
        nurse.start()
        begins = time.monotonic()
        for number in range(plan.requests):
            self._wait(lambda: False, max(0.0, begins + number / plan.a_second - time.monotonic()), "asking")
            if request := self._next():
                self._send(number, request)
        killer.stop()
        ended.set()
        nurse.join()

    def _tend(self, ended: threading.Event) -> None:
        tick = 0
        while not ended.wait(1.0):
            with suppress(psycopg2.Error):
                for each in self._workloads:
                    each.tend(self.place, tick)
                tick += 1

    def _next(self) -> Request | None:
        """One that a workload offers; None when nobody asks for anything."""
        offered = [request for each in self._workloads if (request := each.request(self._chance))]
        return self._chance.choice(offered) if offered else None

    def _send(self, number: int, request: Request) -> None:
        request.id = f"chaos-{self._plan.seed}-{number:05}"
        self._clients.send(request)

    def _settle(self) -> Verdict:
        """Wait until all is accepted, all work has ended and everything that was killed is back."""
        verdict = Verdict(f"all work ends within {self._plan.settle:.0f} s of the last request")

        def quiet() -> bool:
            answered = all(
                each.execution_id or each.refused or each.waited > self._plan.patience for each in self._clients.sent
            )
            return answered and self.recoveries.settled() and self._open() == 0

        if not self._wait(quiet, self._plan.settle, "settling"):
            verdict.broken(Harm.LEFT, f"{self._open()} records, files or runs of Dagster were still open", 0)
        return verdict

    def _close(self, seconds: float) -> Verdict:
        """The closing requests, undisturbed, so that targets can be compared with their sources."""
        verdict = Verdict("after the last kill requests work as ever")
        groups = [group for each in self._workloads for group in each.closing()]
        number = self._plan.requests
        for group in groups:
            for request in group:
                self._send(number, request)
                number += 1
            ours = list(self._clients.sent[-len(group) :])
            accepted = self._wait(lambda: all(each.execution_id for each in ours), seconds, "closing")  # noqa: B023
            if not accepted or not self._wait(lambda: self._open() == 0, seconds, "closing"):
                verdict.broken(Harm.LEFT, "the closing requests did not end", 0)
        self._clients.finish()
        self.recoveries.stop()
        if self._log is not None:
            self._log.write_text("".join(f"{each.line()}\n" for each in self.recoveries.all))
        return verdict

    def _open(self) -> int:
        try:
            return still_open(self.place, self._since) + sum(each.busy(self.place) for each in self._workloads)
        except psycopg2.Error:
            return 1

    def _stands(self) -> Verdict:
        verdict = Verdict("the supervisor stands")
        if self.place.stack.process.poll() is not None:
            verdict.broken(Harm.FAILED, "it ended; its last words are in the log beside the home")
        return verdict

    def _wait(self, done: Callable[[], bool], seconds: float, doing: str) -> bool:
        """Until ``done`` or the time is over, telling now and then how it goes."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() >= deadline:
                return False
            self._tell(doing)
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))
        return True

    def _tell(self, doing: str) -> None:
        if time.monotonic() - self._told < TOLD_EVERY_SECONDS:
            return
        self._told = time.monotonic()
        waiting = [each for each in self.recoveries.all if not each.over]
        self._console.print(
            f"{time.monotonic() - self._began:5.0f} s  {doing}: {len(self._clients.sent)} asked,"
            f" {self._clients.accepted()} accepted, {len(self.recoveries.all)} kills, {len(waiting)} not over"
        )
