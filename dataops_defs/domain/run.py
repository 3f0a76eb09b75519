"""One execution: its states and how each document words them."""

from enum import StrEnum


class RunState(StrEnum):
    """Where an execution stands. Source: DECISIONS 3."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def ended(self) -> bool:
        """True once nothing more will happen under this record."""
        return self in ENDED


ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT})

_S = RunState
ALLOWED: dict[RunState, frozenset[RunState]] = {
    _S.QUEUED: frozenset({_S.STARTING, _S.RUNNING, _S.CANCELLING, _S.CANCELLED, _S.FAILED, _S.TIMED_OUT}),
    _S.STARTING: frozenset({_S.RUNNING, _S.CANCELLING, _S.CANCELLED, _S.FAILED, _S.TIMED_OUT}),
    _S.RUNNING: frozenset({_S.PAUSING, _S.CANCELLING, _S.CANCELLED, _S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT}),
    _S.PAUSING: frozenset({_S.PAUSED, _S.CANCELLING, _S.CANCELLED, _S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT}),
    _S.PAUSED: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT}),
} | {state: frozenset() for state in ENDED}


def may_become(now: RunState, then: RunState) -> bool:
    """Whether the state machine has this step."""
    return then in ALLOWED[now]


class RunKind(StrEnum):
    """What an execution does."""

    EXTRACT = "extract"
    SYNC = "sync"
    PIPELINE = "pipeline"
    REFRESH = "refresh"
    IMPORT = "import"
    ASSETS = "assets"


DATAOPS_WORDS: dict[RunState, str] = {
    _S.QUEUED: "running",
    _S.STARTING: "running",
    _S.RUNNING: "running",
    _S.PAUSING: "running",
    _S.PAUSED: "paused",
    _S.SUCCEEDED: "completed",
    _S.FAILED: "failed",
    _S.CANCELLING: "running",
    _S.CANCELLED: "cancelled",
    _S.TIMED_OUT: "failed",
}
"""Document 004 prints ``completed`` and ``failed``; the others are what a user would expect."""
