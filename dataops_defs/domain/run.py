"""One execution: its states and how each document words them."""

from enum import StrEnum

# The trigger of runs for what was found and not asked for, as a watch finds files: they go behind all others.
BY_SENSOR = "sensor"


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
WAITING = (_S.QUEUED, _S.STARTING)
AT_WORK = (_S.RUNNING, _S.PAUSING, _S.CANCELLING)

ALLOWED: dict[RunState, frozenset[RunState]] = {
    _S.QUEUED: frozenset({_S.STARTING, _S.RUNNING, _S.PAUSED, _S.CANCELLING, _S.CANCELLED, _S.FAILED, _S.TIMED_OUT}),
    _S.STARTING: frozenset({_S.QUEUED, _S.RUNNING, _S.PAUSED, _S.CANCELLING, _S.CANCELLED, _S.FAILED, _S.TIMED_OUT}),
    # Back to the queue goes a run whose worker died: another one continues it.
    _S.RUNNING: frozenset(
        {_S.QUEUED, _S.PAUSING, _S.PAUSED, _S.CANCELLING, _S.CANCELLED, _S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT}
    ),
    _S.PAUSING: frozenset({_S.PAUSED, _S.RUNNING, _S.CANCELLING, _S.CANCELLED, _S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT}),
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
    ARRIVALS = "arrivals"
    ETL = "etl"
    REPLAY = "replay"
    EXPORT = "export"
    DETECT = "detect"
    DROP = "drop"
    ASSETS = "assets"


JOB_OF: dict[RunKind, str] = {
    RunKind.EXTRACT: "extract_dataset",
    RunKind.SYNC: "sync_mapping",
    RunKind.PIPELINE: "execute_pipeline",
    RunKind.REFRESH: "refresh_datamart",
    RunKind.IMPORT: "import_file",
    RunKind.ARRIVALS: "import_arrivals",
    RunKind.ETL: "run_etl",
    RunKind.REPLAY: "replay_rejects",
    RunKind.EXPORT: "export_workbook",
    RunKind.DETECT: "detect_relationships",
    RunKind.DROP: "drop_data",
    RunKind.ASSETS: "__ASSET_JOB",
}
"""The Dagster job that does each kind of work; the last is Dagster's own, with a selection of assets."""

DRY_RUN = "dryRun"
"""The parameter of an execution that only tells what would be done."""
FULL = "full"
"""The parameter of an execution that has all rows read again."""
REHEARSED = frozenset({RunKind.EXTRACT, RunKind.SYNC, RunKind.PIPELINE})
"""Work that can be told beforehand."""

MAX_WORKERS = 5
"""How many workers may die at one run, and nothing gets done, before it counts as the run's own fault."""


def after_death(state: RunState, deaths: int, overdue: bool) -> RunState:
    """What becomes of a run whose worker is gone: what was asked of it, else another worker, but not for ever."""
    asked = {_S.CANCELLING: _S.CANCELLED, _S.PAUSING: _S.PAUSED}.get(state)
    if asked is not None:
        return asked
    if overdue:
        return _S.TIMED_OUT
    return _S.QUEUED if deaths < MAX_WORKERS else _S.FAILED


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
