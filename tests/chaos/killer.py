"""Kills processes at random moments, each kind in turn, in an order that the seed decides."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import psutil

from tests.chaos.place import Place
from tests.chaos.recovery import Recoveries
from tests.chaos.targets import WORKER, Target

# A supervisor gives up on what dies five times within a minute; a server that is killed that often is no server.
MOST_A_MINUTE = 4
WORKERS_A_ROUND = 4
WAIT_FOR_A_WORKER = 4.0
INTO_THE_WORK = 1.5


@dataclass
class Killer(threading.Thread):
    """Kills until it is stopped, or has killed ``limit`` times.

    Args:
        pause: mean seconds between two kills.
    """

    place: Place
    targets: dict[str, Target]
    recoveries: Recoveries
    chance: Random
    pause: float
    limit: int | None = None
    _recent: dict[str, deque[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Kill, wait, kill."""
        for kind in self._order():
            if self._stopped.wait(self.pause * self.chance.uniform(0.5, 1.5)) or self._enough():
                return
            self._kill_one(self.targets[kind])

    def stop(self) -> None:
        """No more kills from now on."""
        self._stopped.set()
        self.join()

    def _enough(self) -> bool:
        return self.limit is not None and len(self.recoveries.all) >= self.limit

    def _order(self) -> Iterator[str]:
        """Rounds in which each kind comes once and workers often, each round shuffled anew."""
        while True:
            kinds = [each for name in self.targets for each in [name] * (WORKERS_A_ROUND if name == WORKER else 1)]
            self.chance.shuffle(kinds)
            yield from kinds

    def _kill_one(self, target: Target) -> None:
        recent = self._recent.setdefault(target.name, deque(maxlen=MOST_A_MINUTE))
        if target.name != WORKER and len(recent) == MOST_A_MINUTE and time.monotonic() - recent[0] < 60:
            return
        pids = self._workers(target) if target.name == WORKER else target.pids(self.place)
        if not pids:
            return
        pid = self.chance.choice(sorted(pids))
        recovery = self.recoveries.expect(target, pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            recent.append(time.monotonic())
            self.recoveries.begin(recovery)

    def _workers(self, target: Target) -> Sequence[int]:
        """Those that live some moments after one was seen, so that any part of the work is hit."""
        deadline = time.monotonic() + WAIT_FOR_A_WORKER
        while not (pids := target.pids(self.place)):
            if time.monotonic() > deadline or self._stopped.wait(0.1):
                return []
        self._stopped.wait(self.chance.uniform(0, INTO_THE_WORK))
        return [pid for pid in target.pids(self.place) or pids if psutil.pid_exists(pid)]
