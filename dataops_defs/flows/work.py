"""A run at work: its record, its steps, its progress, and the question whether it shall stop."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from tenacity import RetryCallState, retry, retry_if_exception, stop_after_attempt, wait_exponential

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import AssetPath
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.errors import DataOpsError, RunStopped
from dataops_defs.flows.platform import Platform

LOG = structlog.get_logger()
SECONDS_BETWEEN_NOTES = 1.0
Result = TypeVar("Result")


@dataclass(frozen=True)
class Check:
    """A check of the data that was written; a failed one warns, it does not undo."""

    name: str
    passed: bool
    description: str
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What one step did, for the record and for Dagster's pages.

    ``assets`` are the asset keys it wrote, the first being the step's own; ``lineage`` names for each output
    column the (asset key, column) pairs it comes from.
    """

    ledger: Ledger
    assets: Sequence[AssetPath]
    uri: str
    columns: Sequence[Column] = ()
    preview: Sequence[dict[str, Any]] = ()
    checks: Sequence[Check] = ()
    rejected: Sequence[RejectedRow] = ()
    lineage: dict[str, list[tuple[AssetPath, str]]] = field(default_factory=dict)
    bytes: int | None = None
    total_rows: int | None = None

    def as_json(self) -> dict[str, Any]:
        """What the run record keeps."""
        return {
            "uri": self.uri,
            "bytes": self.bytes,
            "totalRows": self.total_rows,
            "checks": [{"name": each.name, "passed": each.passed, **each.counts} for each in self.checks],
        }


@dataclass
class Step:
    """One piece of work under way."""

    work: "Work"
    id: str
    outcome: Outcome | None = None
    _noted: float = 0.0

    def progress(self, rows_done: int) -> None:
        """Note how far the step is (at most once a second), and stop when somebody asked for it.

        Raises:
            RunStopped: the run is to be cancelled.
        """
        if time.monotonic() - self._noted < SECONDS_BETWEEN_NOTES:
            return
        self._noted = time.monotonic()
        with self.work.platform.catalogue() as session:
            runs = Runs(session)
            runs.progress(self.id, rows_done)
            stop = runs.cancel_requested(self.work.run_id)
        if stop:
            raise RunStopped("The run was cancelled; nothing of this step was published")


@dataclass
class Work:
    """The record of one execution, while it runs. ``report`` is told of every finished step."""

    platform: Platform
    run_id: str
    report: Callable[[Outcome], None] = lambda _outcome: None
    say: Callable[[str], None] = LOG.info

    @contextmanager
    def step(self, kind: RunKind, subject_id: str, name: str) -> Iterator[Step]:
        """Record one piece of work: opened before, closed with its outcome or its error."""
        with self.platform.catalogue() as session:
            runs = Runs(session)
            if runs.cancel_requested(self.run_id):
                raise RunStopped("The run was cancelled before this step began")
            step = Step(self, runs.add_step(self.run_id, kind, subject_id, name).id)
        try:
            yield step
        except BaseException as error:
            state = RunState.CANCELLED if isinstance(error, RunStopped) else RunState.FAILED
            self._end(step, state, None, {}, sentence(error))
            raise
        if step.outcome is None:
            raise AssertionError("a step must end with an outcome")
        self._end(step, RunState.SUCCEEDED, step.outcome.ledger, step.outcome.as_json())
        self.report(step.outcome)

    def _end(
        self,
        step: Step,
        state: RunState,
        ledger: Ledger | None,
        result: dict[str, Any],
        error: str | None = None,
    ) -> None:
        with self.platform.catalogue() as session:
            Runs(session).end_step(step.id, state, ledger, result, error)


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
        stop=stop_after_attempt(4),
        wait=wait_exponential(multiplier=1, min=1, max=4),
        before_sleep=tell,
        reraise=True,
    )(action)
    return wrapped()
