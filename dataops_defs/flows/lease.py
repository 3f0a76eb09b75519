"""A worker's lease: kept alive by a heartbeat, it hears what is asked of the run and fences off earlier workers.

Used by whoever does a run's work::

    with Lease(platform, held).kept() as lease:
        for batch in batches:
            lease.check()
            ...

Source: SAFETY design, section 2.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from dataops_defs.adapters.line import Line
from dataops_defs.adapters.warehouse.fence import take_fence
from dataops_defs.catalogue.leases import Held, Leases
from dataops_defs.errors import DataOpsError, DependencyUnavailable, RunPaused, RunStopped, RunTimedOut, StaleWorker
from dataops_defs.flows.platform import Platform

SECONDS_BETWEEN_BEATS = 1.0
# A batch usually ends within that time; a statement that goes on for longer is cancelled.
SECONDS_TO_END_A_BATCH = 2.0
CANCELLED = "The run was cancelled; what it had committed stays"
OVERDUE = "The run took longer than its time limit; what it had committed stays"


class Lease:
    """The right to do one run's work, as long as nobody takes it away."""

    def __init__(self, platform: Platform, held: Held) -> None:
        self._platform, self._held = platform, held
        self._deadline = None if held.seconds_left is None else time.monotonic() + held.seconds_left
        self._order: DataOpsError | None = None
        self._ordered_at = 0.0
        self._at_work: set[Line] = set()
        self._read_from: set[Line] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def run_id(self) -> str:
        """The run whose work it is."""
        return self._held.run_id

    @property
    def epoch(self) -> int:
        """The how-manieth worker of the run this is, from 1."""
        return self._held.epoch

    @property
    def seconds_left(self) -> float:
        """Until the run's time is over; infinite for a run without a limit."""
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    @contextmanager
    def kept(self) -> Iterator["Lease"]:
        """Renew it every second until the work is over.

        A worker that continues a run first ends what its predecessor may still have open in the warehouse.
        """
        if self.epoch > 1:
            with self._platform.warehouse("dataops takeover") as connection:
                take_fence(connection, self.run_id, self.epoch)
        heart = threading.Thread(target=self._beat, name=f"lease of {self.run_id}", daemon=True)
        heart.start()
        try:
            yield self
        finally:
            self._over.set()
            heart.join(timeout=SECONDS_BETWEEN_BEATS)

    def check(self) -> None:
        """To be called between batches.

        Raises:
            RunStopped: the run was cancelled. RunTimedOut: its time is over. RunPaused: it shall pause.
            StaleWorker: another worker has taken over.
        """
        if self._order is not None:
            raise self._order

    def look(self) -> None:
        """Renew now, and hear what is asked of the run; `check` tells."""
        try:
            with self._platform.catalogue(durable=False) as session:
                orders = Leases(session).renew(self._held)
        except DependencyUnavailable:
            # Nobody can take over either while the database is away.
            return
        order: DataOpsError | None = None
        if orders is None:
            order = StaleWorker("Another worker continues this run")
        elif orders.cancel:
            order = RunStopped(CANCELLED)
        elif self.seconds_left <= 0:
            order = RunTimedOut(OVERDUE)
        elif orders.pause:
            order = RunPaused("The run was paused; it goes on from what it has committed")
        if order is not None and type(order) is not type(self._order):
            self._ordered_at = time.monotonic()
        self._order = order

    def interruptible(self, line: Line) -> AbstractContextManager[None]:
        """Let what waits for a server be ended when the run has to end."""
        return self._known(self._at_work, line)

    def reading(self, line: Line) -> AbstractContextManager[None]:
        """The same for a source, which is left for a pause too: what it has given by then is read again anyway."""
        return self._known(self._read_from, line)

    @contextmanager
    def _known(self, lines: set[Line], line: Line) -> Iterator[None]:
        with self._lock:
            lines.add(line)
        try:
            yield
        finally:
            with self._lock:
                lines.discard(line)

    def release(self, reason: str | None = None) -> None:
        """Give the work back unfinished, and say why; another worker continues it at once."""
        with self._platform.catalogue() as session:
            Leases(session).release(self._held, reason)

    def _beat(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_BEATS):
            self.look()
            if self._order is not None and time.monotonic() - self._ordered_at >= SECONDS_TO_END_A_BATCH:
                self._end_statements(pausing=isinstance(self._order, RunPaused))

    def _end_statements(self, *, pausing: bool) -> None:
        with self._lock:
            for line in self._read_from if pausing else self._at_work | self._read_from:
                line.cut()
