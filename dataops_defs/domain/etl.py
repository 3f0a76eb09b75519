"""ETL pipelines: their states, what may be asked in each of them, where they write, what their query is read as.

Source: document 003, "Pipeline States"; DECISIONS 3, 7, 18 and 28.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

from dataops_defs.domain.datamart import is_draft_name
from dataops_defs.domain.run import RunState
from dataops_defs.errors import TargetNotAllowed

INDEX_PREFIX = "es:"
DEFAULT_TARGETS = ("analytics.film_dim", "analytics.film_rating_agg", "es:film_dim", "es:film_rating_agg")
DEFAULT_CURSOR = "updated_at"
DEFAULT_BATCH_SIZE = 1000
DEFAULT_LAG_SECONDS = 300


class EtlState(StrEnum):
    """Where a pipeline stands, in the document's words."""

    IDLE = "IDLE"
    RUN_REQUESTED = "RUN_REQUESTED"
    RUNNING = "RUNNING"
    PAUSE_REQUESTED = "PAUSE_REQUESTED"
    PAUSED = "PAUSED"
    FAILED = "FAILED"


class EtlEvent(StrEnum):
    """What people ask (the first four), and what becomes of a run."""

    RUN = "run"
    PAUSE = "pause"
    CHANGE = "change"
    DELETE = "delete"
    BEGAN = "began"
    STOPPED = "stopped"
    DIED = "died"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Refused(StrEnum):
    """Why something cannot be in a state."""

    RUNNING = "Cannot update a running pipeline"
    NOT_DELETED = "Cannot delete a pipeline that runs: pause it first"
    IMPOSSIBLE = "This does not happen in that state"


_S, _E, _NO = EtlState, EtlEvent, Refused.IMPOSSIBLE

MOVES: Mapping[EtlState, Mapping[EtlEvent, EtlState | Refused]] = {
    _S.IDLE: {
        _E.RUN: _S.RUN_REQUESTED,
        _E.PAUSE: _S.IDLE,  # nothing runs that could pause
        _E.CHANGE: _S.IDLE,
        _E.DELETE: _S.IDLE,
        _E.BEGAN: _NO,
        _E.STOPPED: _NO,
        _E.DIED: _NO,
        _E.SUCCEEDED: _NO,
        _E.FAILED: _NO,
    },
    _S.RUN_REQUESTED: {
        _E.RUN: _S.RUN_REQUESTED,
        _E.PAUSE: _S.PAUSED,  # at once: nobody is at work
        _E.CHANGE: _S.RUN_REQUESTED,  # a run takes its configuration when it begins
        _E.DELETE: Refused.NOT_DELETED,
        _E.BEGAN: _S.RUNNING,
        _E.STOPPED: _NO,
        _E.DIED: _S.RUN_REQUESTED,  # before it began: it is launched again
        _E.SUCCEEDED: _NO,
        _E.FAILED: _S.FAILED,  # cancelled, or it could not be launched
    },
    _S.RUNNING: {
        _E.RUN: _S.RUNNING,
        _E.PAUSE: _S.PAUSE_REQUESTED,
        _E.CHANGE: Refused.RUNNING,
        _E.DELETE: Refused.NOT_DELETED,
        _E.BEGAN: _NO,
        _E.STOPPED: _NO,
        _E.DIED: _S.RUN_REQUESTED,  # another worker continues
        _E.SUCCEEDED: _S.IDLE,
        _E.FAILED: _S.FAILED,
    },
    _S.PAUSE_REQUESTED: {
        _E.RUN: _S.RUNNING,  # the pause is taken back
        _E.PAUSE: _S.PAUSE_REQUESTED,
        _E.CHANGE: Refused.RUNNING,
        _E.DELETE: Refused.NOT_DELETED,
        _E.BEGAN: _NO,
        _E.STOPPED: _S.PAUSED,
        _E.DIED: _S.PAUSED,
        _E.SUCCEEDED: _S.IDLE,  # its last batch was the last of all
        _E.FAILED: _S.FAILED,
    },
    _S.PAUSED: {
        _E.RUN: _S.RUN_REQUESTED,
        _E.PAUSE: _S.PAUSED,
        _E.CHANGE: _S.PAUSED,  # counts from the next run on: the paused one goes on as it began
        _E.DELETE: _S.PAUSED,  # its run is cancelled
        _E.BEGAN: _NO,
        _E.STOPPED: _NO,
        _E.DIED: _NO,
        _E.SUCCEEDED: _NO,
        _E.FAILED: _S.FAILED,  # cancelled
    },
    _S.FAILED: {
        _E.RUN: _S.RUN_REQUESTED,
        _E.PAUSE: _S.FAILED,
        _E.CHANGE: _S.FAILED,
        _E.DELETE: _S.FAILED,
        _E.BEGAN: _NO,
        _E.STOPPED: _NO,
        _E.DIED: _NO,
        _E.SUCCEEDED: _NO,
        _E.FAILED: _NO,
    },
}

STATE_OF_RUN: Mapping[RunState, EtlState] = {
    RunState.QUEUED: _S.RUN_REQUESTED,
    RunState.STARTING: _S.RUN_REQUESTED,
    RunState.RUNNING: _S.RUNNING,
    RunState.CANCELLING: _S.RUNNING,
    RunState.PAUSING: _S.PAUSE_REQUESTED,
    RunState.PAUSED: _S.PAUSED,
    RunState.SUCCEEDED: _S.IDLE,
    RunState.FAILED: _S.FAILED,
    RunState.CANCELLED: _S.FAILED,
    RunState.TIMED_OUT: _S.FAILED,
}
"""A pipeline stands where its newest run does; one that never ran is idle."""


def run_status(state: RunState) -> str:
    """The document's word for a run: of a paused pipeline it goes on (DECISIONS 3)."""
    if not state.ended:
        return "RUNNING"
    return "SUCCESS" if state is RunState.SUCCEEDED else "FAILED"


class EtlMode(StrEnum):
    """``full`` reloads the target as a whole, ``incremental`` brings over what is new or changed."""

    FULL = "full"
    INCREMENTAL = "incremental"


@dataclass(frozen=True)
class EtlTarget:
    """A table of the warehouse, or an index of Elasticsearch (then ``schema`` is None)."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{INDEX_PREFIX}{self.name}" if self.schema is None else f"{self.schema}.{self.name}"

    @classmethod
    def of(cls, text: str) -> Self:
        """``analytics.film_dim`` or ``es:film_dim``."""
        if text.startswith(INDEX_PREFIX):
            return cls(None, text.removeprefix(INDEX_PREFIX))
        schema, _, name = text.partition(".")
        return cls(schema, name)


def allowed_target(text: str, allowed: Collection[str]) -> EtlTarget:
    """The target of that name.

    Raises:
        TargetNotAllowed: it is not on the list (document 003, "Target Restrictions"), or datamarts are built under it.
    """
    if text not in allowed:
        raise TargetNotAllowed(f"target_table '{text[:100]}' is not allowed")
    target = EtlTarget.of(text)
    if is_draft_name(target.name):
        raise TargetNotAllowed(f"target_table '{text}' is not allowed: datamarts are built under such names")
    return target


@dataclass(frozen=True)
class EtlConfig:
    """What a run works by; taken when it begins, so that later changes do not reach it.

    Args:
        source_id: a source of the catalogue; None for the warehouse.
        key_columns: empty where the target's primary key, else ``id`` or the first column decides.
    """

    name: str
    mode: EtlMode
    target_table: str
    batch_size: int
    source_query: str
    source_id: str | None = None
    cursor_column: str = DEFAULT_CURSOR
    key_columns: Sequence[str] = ()
    lag_seconds: int = DEFAULT_LAG_SECONDS

    @property
    def target(self) -> EtlTarget:
        """Where it writes."""
        return EtlTarget.of(self.target_table)

    @property
    def fingerprint(self) -> str:
        """Equal for configurations between which a load can go on: only name, batch size and lag may differ."""
        told = self.as_json()
        for free in ("name", "batch_size", "lag_seconds"):
            del told[free]
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def as_json(self) -> dict[str, Any]:
        """The form kept in a run's record."""
        return {**asdict(self), "mode": str(self.mode), "key_columns": list(self.key_columns)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """A configuration from that form."""
        return cls(**{**value, "mode": EtlMode(value["mode"]), "key_columns": tuple(value["key_columns"])})


@dataclass(frozen=True)
class SqlColumn:
    """A column of a query's result, or of a table; ``type`` as PostgreSQL names it (``character varying(20)``)."""

    name: str
    type: str


def keys_of(given: Sequence[str], primary_key: Sequence[str], columns: Sequence[SqlColumn]) -> tuple[str, ...]:
    """The key of a target's rows: as given, else its primary key, else ``id``, else the first column (DECISIONS 7)."""
    names = [each.name for each in columns]
    if given:
        return tuple(given)
    if primary_key and set(primary_key) <= set(names):
        return tuple(primary_key)
    return ("id",) if "id" in names else (names[0],)
