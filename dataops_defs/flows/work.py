"""A run at work: its steps, their progress, and each step done once, however many workers the run needs."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812
from tenacity import RetryCallState, retry, retry_if_exception, stop_after_attempt, wait_exponential

from dataops_defs.adapters.line import line_of
from dataops_defs.adapters.sources.base import SourceAdapter
from dataops_defs.adapters.warehouse.books import Entry, written
from dataops_defs.catalogue.models import RunStepRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.domain.source import Source
from dataops_defs.errors import DataOpsError, DependencyUnavailable, RunPaused, RunStopped, StaleWorker
from dataops_defs.flows.disk_space import disks, ensure_room
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.rehearsal import sentence_of, told

LOG = structlog.get_logger()
SECONDS_BETWEEN_NOTES = 1.0
TRIES = 4
# These say nothing against the step: it stays open for whoever continues the run.
UNFINISHED = (DependencyUnavailable, RunPaused, StaleWorker)
Result = TypeVar("Result")


@dataclass
class Step:
    """One piece of work under way; ``so_far`` is what it has committed, where it commits batch by batch."""

    work: "Work"
    id: str
    rows_total: int | None = None
    so_far: Ledger | None = None
    _rows_done: int = 0
    _batches: int = 0
    _noted: float = 0.0

    def entry(self, subject_kind: str, subject_id: str, target: str) -> Entry:
        """How this step's write is entered in the ledger."""
        return Entry(self.work.run_id, self.id, self.work.lease.epoch, subject_kind, subject_id, target)

    def expect(self, rows: int | None) -> None:
        """Say how many rows there will be, where that is known."""
        self.rows_total = rows

    def progress(self, rows_done: int) -> None:
        """To be called after each batch: note how far the step is (at most once a second), heed what is asked.

        Raises:
            RunStopped, RunPaused, StaleWorker: the run has to end here; see `Lease.check`.
        """
        self._batches += 1
        self._rows_done = rows_done
        if time.monotonic() - self._noted >= SECONDS_BETWEEN_NOTES:
            with suppress(DependencyUnavailable):
                self.note()
            self.work.lease.look()
        self.work.lease.check()

    def note(self) -> None:
        """Write down how far the step is."""
        self._noted = time.monotonic()
        with self.work.platform.catalogue(durable=False) as session:
            Runs(session).progress(self.id, self._rows_done, self.rows_total, self._batches, self.so_far)

    def committed(self, rows_done: int, so_far: Ledger) -> None:
        """To be called after each batch that was committed: what is asked takes effect before the next one.

        Raises:
            As `progress` does.
        """
        self.so_far = so_far
        self.work.lease.look()
        self.progress(rows_done)


@dataclass
class Work:
    """The record of one execution, while a worker is at it. ``report`` is told of every finished step.

    ``node`` is the node of a pipeline graph that is being worked at. Of a ``dry_run`` nothing is kept but its counts.
    """

    platform: Platform
    lease: Lease
    report: Callable[[Outcome], None] = lambda _outcome: None
    say: Callable[[str], None] = LOG.info
    node: str | None = None
    dry_run: bool = False
    _asked: Counter[str] = field(default_factory=Counter)

    @property
    def run_id(self) -> str:
        """Id of the run record."""
        return self.lease.run_id

    def do(self, kind: RunKind, subject_id: str, name: str, action: Callable[[Step], Outcome]) -> Outcome:
        """Do one step, or find that an earlier worker of the run has done it.

        The action is tried again where that can help. Its write must be entered under ``Step.entry`` with its
        outcome: that is how a worker knows what its predecessor, or a lost COMMIT, had finished.

        Raises:
            InsufficientStorage: a disk is full; PostgreSQL would stop next.
        """
        self.lease.look()
        self.lease.check()
        ensure_room(disks(self.platform.settings))
        row = self._open(kind, subject_id, name)
        if row.state is RunState.SUCCEEDED:
            self.say(f"'{name}' was finished by an earlier worker of this run")
            return Outcome.from_json(Ledger(**row.ledger), row.result)
        step = Step(self, row.id)
        try:
            outcome = self._once(step, action)
        except BaseException as error:
            self._failed(step, error)
            raise
        result = self._rehearsed(name, outcome) if self.dry_run else outcome.as_json()
        self._note(lambda runs: runs.end_step(step.id, RunState.SUCCEEDED, outcome.ledger, result))
        if not self.dry_run:
            self.report(outcome)
        return outcome

    def expect_steps(self, steps: int) -> None:
        """Say how many steps the run will have."""
        self._note(lambda runs: runs.expect_steps(self.run_id, steps))

    @contextmanager
    def warehouse(self, purpose: str, role: str = "warehouse") -> Iterator[Connection]:
        """One transaction on the warehouse, ended when the run has to end, by itself or by its next worker.

        That of a dry run is rolled back.
        """
        name = f"{purpose} {self.run_id}:{self.lease.epoch}"
        with (
            self.platform.warehouse(name, role) as connection,
            line_of(connection) as line,
            self.lease.interruptible(line),
        ):
            yield connection
            if self.dry_run:
                connection.rollback()

    def open(self, source: Source) -> SourceAdapter:
        """The adapter of a source; what it asks a server is ended when the run has to end."""
        return self.platform.open(source, self.lease.reading)

    def _open(self, kind: RunKind, subject_id: str, name: str) -> RunStepRow:
        # A worker that continues a graph begins at the node that is next: each counts for itself.
        stem = f"{kind}:{subject_id}" if self.node is None else f"{self.node}:{kind}:{subject_id}"
        self._asked[stem] += 1
        key = f"{stem}:{self._asked[stem]}"
        return self._note(
            lambda runs: runs.step(self.run_id, key, kind, subject_id, name, node_id=self.node, dry_run=self.dry_run)
        )

    def _rehearsed(self, name: str, outcome: Outcome) -> dict[str, Any]:
        self.say(f"'{name}' {sentence_of(outcome.ledger)}")
        with self.platform.catalogue() as session:
            return told(session, self.run_id, outcome)

    def _once(self, step: Step, action: Callable[[Step], Outcome]) -> Outcome:
        first = self.lease.epoch == 1

        def attempt() -> Outcome:
            nonlocal first
            found, first = None if first else self._written(step), False
            if found is not None:
                self.say("This step's write was committed before")
                return found
            try:
                return action(step)
            except Exception:
                self.lease.look()
                self.lease.check()  # a statement that was ended on order fails with an error of its own
                raise

        return with_retries(self.say, attempt)

    def _written(self, step: Step) -> Outcome | None:
        with self.platform.warehouse("dataops look") as connection:
            found = written(connection, step.id)
        return Outcome.from_json(*found) if found else None

    def _failed(self, step: Step, error: BaseException) -> None:
        # An interrupt is no end of the step: whoever ends the run, or continues it, says what it is.
        if isinstance(error, UNFINISHED) or not isinstance(error, Exception):
            with suppress(DependencyUnavailable):
                step.note()
            return
        state = RunState.CANCELLED if isinstance(error, RunStopped) else RunState.FAILED
        self._note(lambda runs: runs.end_step(step.id, state, step.so_far, {}, sentence(error)))

    def _note(self, write: Callable[[Runs], Result]) -> Result:
        def attempt() -> Result:
            with self.platform.catalogue() as session:
                return write(Runs(session))

        return with_retries(self.say, attempt)


def sentence(error: BaseException) -> str:
    """What a person may read of an error: our own errors as written, others by their kind only."""
    if isinstance(error, DataOpsError):
        return str(error)
    if isinstance(error, MemoryError):
        return "The run ran out of memory"
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "The run was terminated"
    return f"An unexpected error ({type(error).__name__}); the run's log in Dagster has the details"


def with_retries(say: Callable[[str], None], action: Callable[[], Result]) -> Result:
    """Do it again after 1, 2 and 4 seconds while the error says that this can help."""

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        say(f"{error}; trying again in {state.next_action.sleep if state.next_action else 0:.0f} s")

    wrapped = retry(
        retry=retry_if_exception(lambda error: isinstance(error, DataOpsError) and error.retryable),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=1, min=1, max=4),
        before_sleep=tell,
        reraise=True,
    )(action)
    return wrapped()
