"""Alerts: which events there are, which of them an alert asks for, and when a message is tried again."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.errors import Invalid


class AlertEvent(StrEnum):
    """What can be told. Most happen when an execution ends; ``freshness`` when something has not happened."""

    RUN_SUCCEEDED = "run_succeeded"
    RUN_FAILED = "run_failed"
    RUN_TIMED_OUT = "run_timed_out"
    RUN_CANCELLED = "run_cancelled"
    RUN_RECOVERED = "run_recovered"
    ROWS_REJECTED = "rows_rejected"
    SCHEMA_DRIFT = "schema_drift"
    FRESHNESS = "freshness"


class AlertStatus(StrEnum):
    """A paused alert takes note of nothing; what it had noted before waits."""

    ACTIVE = "active"
    PAUSED = "paused"


class DeliveryState(StrEnum):
    """``grouped``: told in the message of an earlier event."""

    PENDING = "pending"
    SENT = "sent"
    GROUPED = "grouped"
    FAILED = "failed"


OF_STATE = {
    RunState.SUCCEEDED: AlertEvent.RUN_SUCCEEDED,
    RunState.FAILED: AlertEvent.RUN_FAILED,
    RunState.TIMED_OUT: AlertEvent.RUN_TIMED_OUT,
    RunState.CANCELLED: AlertEvent.RUN_CANCELLED,
}
BACK_OFF = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=6),
)
"""The pause after each try of a message; the one after the last is its end."""
MOST_TRIES = len(BACK_OFF) + 1


@dataclass(frozen=True)
class Part:
    """What became of one definition in an execution, or of all of it; ``share`` is that of rejected rows, 0 to 1."""

    subject_id: str | None
    app: str | None
    state: RunState
    rejected: int = 0
    share: float = 0.0
    drift: Sequence[Any] = ()


@dataclass(frozen=True)
class Ended:
    """An execution at its end; of one that works at several definitions, ``subject_id`` is None.

    ``kinds`` are its own and those of the work in it; ``drift`` is what made it fail, where changed columns did.
    """

    kinds: frozenset[RunKind]
    subject_id: str | None
    app: str | None
    state: RunState
    parts: Sequence[Part] = ()
    drift: Sequence[Any] = ()

    @property
    def whole(self) -> Part:
        """All of it: rejected rows add up, of shares the largest counts."""
        return Part(
            self.subject_id,
            self.app,
            self.state,
            sum(each.rejected for each in self.parts),
            max((each.share for each in self.parts), default=0.0),
            [*self.drift, *(change for each in self.parts for change in each.drift)],
        )

    @property
    def apps(self) -> frozenset[str]:
        """The apps it works for."""
        if self.subject_id is not None:
            return frozenset() if self.app is None else frozenset({self.app})
        return frozenset(each.app for each in self.parts if each.app is not None)


@dataclass(frozen=True)
class Happened:
    """An event, about what, and what else is told of it."""

    event: AlertEvent
    part: Part
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """What an alert asks for; a filter that is None takes everything."""

    events: frozenset[AlertEvent]
    app: str | None = None
    kind: RunKind | None = None
    subject_id: str | None = None
    rejected_rows: int | None = None
    rejected_share: float | None = None
    stale_minutes: int | None = None

    @classmethod
    def of(cls, events: Iterable[str], filter: Mapping[str, Any], thresholds: Mapping[str, Any]) -> "Rule":
        """The rule in the form that is kept; an event of a later version is not known here, and left out."""
        known = set(AlertEvent)
        kind = filter.get("kind")
        return cls(
            frozenset(AlertEvent(each) for each in events if each in known),
            filter.get("app"),
            RunKind(kind) if kind else None,
            filter.get("subject_id"),
            thresholds.get("rejected_rows"),
            thresholds.get("rejected_share"),
            thresholds.get("stale_minutes"),
        )

    def check(self) -> None:
        """Refuse a rule that could never be met, or whose thresholds belong to no event of it.

        Raises:
            Invalid: naming the field.
        """
        if AlertEvent.FRESHNESS in self.events and self.stale_minutes is None:
            raise Invalid.field("thresholds.staleMinutes", "is required for the event freshness")
        if AlertEvent.FRESHNESS not in self.events and self.stale_minutes is not None:
            raise Invalid.field("thresholds.staleMinutes", "belongs to the event freshness, which is not asked for")
        given = [name for name in ("rejected_rows", "rejected_share") if getattr(self, name) is not None]
        if given and AlertEvent.ROWS_REJECTED not in self.events:
            name = {"rejected_rows": "rejectedRows", "rejected_share": "rejectedShare"}[given[0]]
            raise Invalid.field(f"thresholds.{name}", "belongs to the event rows_rejected, which is not asked for")

    def concerns(self, ended: Ended) -> Part | None:
        """What of an execution the rule is about: all of it, one definition's part, or nothing."""
        if self.kind is not None and self.kind not in ended.kinds:
            return None
        if self.subject_id is None:
            return ended.whole if self.app is None or self.app in ended.apps else None
        if self.subject_id == ended.subject_id:
            found: Part | None = ended.whole
        else:
            found = next((each for each in reversed(ended.parts) if each.subject_id == self.subject_id), None)
        return found if found is None or self.app in (None, found.app) else None

    def met_by(self, ended: Ended, failed_before: Callable[[Part], bool]) -> list[Happened]:
        """The events that an execution's end makes.

        Args:
            failed_before: whether the last time before, it had not succeeded; asked only where that counts.
        """
        part = self.concerns(ended)
        if part is None or not part.state.ended:
            return []
        made = [Happened(OF_STATE[part.state], part, {})]
        if self._recovered(part, failed_before):
            made.append(Happened(AlertEvent.RUN_RECOVERED, part, {}))
        if self._rejected_too_many(part):
            counted = {"rejected": part.rejected, "share": round(part.share, 6)}
            made.append(Happened(AlertEvent.ROWS_REJECTED, part, counted))
        if part.drift:
            made.append(Happened(AlertEvent.SCHEMA_DRIFT, part, {"drift": list(part.drift)[:MOST_CHANGES]}))
        return [each for each in made if each.event in self.events]

    def _recovered(self, part: Part, failed_before: Callable[[Part], bool]) -> bool:
        wanted = AlertEvent.RUN_RECOVERED in self.events and part.state is RunState.SUCCEEDED
        return wanted and failed_before(part)

    def _rejected_too_many(self, part: Part) -> bool:
        return part.rejected >= max(1, self.rejected_rows or 0) and part.share >= (self.rejected_share or 0.0)


MOST_CHANGES = 50
"""Of changed columns that one message tells."""


def printed(moment: datetime) -> str:
    """A moment as messages tell it: ISO 8601 in UTC, with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wants_app(rules: Collection[Rule]) -> bool:
    """Whether it counts to which apps things belong."""
    return any(rule.app is not None for rule in rules)
