"""The audit: one line for each change and each launch, and for each refused one. Lines are never changed or deleted.

The application's own role cannot do either: a trigger of the table refuses.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import AuditRow, RunRow
from dataops_defs.domain.run import RunKind

LONGEST, MOST_VALUES = 4000, 40
# What launches by itself: no token may have such a name.
SCHEDULE, SENSOR, DAGSTER, ANONYMOUS = "schedule", "sensor", "dagster", "anonymous"
WEBHOOK = "webhook"
LAUNCHES = {
    RunKind.EXTRACT: "dataset.extract",
    RunKind.SYNC: "mapping.sync",
    RunKind.REPLAY: "mapping.replay_rejects",
    RunKind.PIPELINE: "pipeline.execute",
    RunKind.REFRESH: "datamart.refresh",
    RunKind.ETL: "etl.run",
    RunKind.IMPORT: "file.import",
    RunKind.ARRIVALS: "watch.import",
    RunKind.EXPORT: "export.create",
    RunKind.DETECT: "relationships.detect",
    RunKind.ASSETS: "assets.materialize",
}


@dataclass(frozen=True)
class Actor:
    """Who asks: the token's name, and the request's id; or ``schedule:<name>``, ``sensor:<name>``, ``dagster``."""

    name: str
    request_id: str | None = None

    @classmethod
    def of_dagster_run(cls, tags: Mapping[str, str]) -> "Actor":
        """Who started a Dagster run that no request asked for: a schedule, a sensor, or somebody in Dagster's UI."""
        for kind in (SCHEDULE, SENSOR):
            if name := tags.get(f"dagster/{kind}_name"):
                return cls(f"{kind}:{name}")
        return cls(DAGSTER)


@dataclass(frozen=True)
class AuditFilter:
    """Which lines are wanted; what is None does not count."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for a query; ``until`` itself is left out."""
        names = ("actor", "action", "subject", "outcome")
        made = [getattr(AuditRow, name) == getattr(self, name) for name in names if getattr(self, name) is not None]
        if self.since is not None:
            made.append(AuditRow.at >= self.since)
        if self.until is not None:
            made.append(AuditRow.at < self.until)
        return made


def is_reserved(name: str) -> bool:
    """Whether a token of that name could be taken for something that is none."""
    return name.strip().lower().partition(":")[0].strip() in (SCHEDULE, SENSOR, WEBHOOK, DAGSTER, ANONYMOUS)


def audit(
    session: Session,
    actor: Actor,
    action: str,
    subject: str | None = None,
    outcome: str = "done",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one line in the caller's transaction. ``detail`` never holds a secret; what is long is cut."""
    session.add(
        AuditRow(
            actor=actor.name,
            action=action,
            subject=subject,
            request_id=actor.request_id,
            outcome=outcome,
            detail={name: told(value) for name, value in (detail or {}).items()},
        )
    )


def told(value: Any, longest: int = LONGEST) -> Any:
    """A value as JSON; of one with more characters the beginning, of an object that of each of its values."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if len(text) <= longest:
        return json.loads(text)
    if isinstance(value, Mapping) and len(value) <= MOST_VALUES:
        return {name: told(each, longest // len(value)) for name, each in value.items()}
    return f"{(value if isinstance(value, str) else text)[:longest]}…"


def audit_launch(session: Session, tags: Mapping[str, str], run: RunRow) -> None:
    """The line of an execution that began in Dagster, and not by a request."""
    detail = {"executionId": run.id, **run.parameters}
    audit(session, Actor.of_dagster_run(tags), LAUNCHES.get(run.kind, f"{run.kind}.run"), run.subject_id, detail=detail)


def audit_lines(session: Session, wanted: AuditFilter, *, limit: int, offset: int = 0) -> Sequence[AuditRow]:
    """The newest lines first."""
    query = select(AuditRow).where(*wanted.conditions()).order_by(AuditRow.id.desc()).limit(limit).offset(offset)
    return session.scalars(query).all()


def count_audit_lines(session: Session, wanted: AuditFilter) -> int:
    """Number of lines."""
    return session.scalar(select(func.count()).select_from(AuditRow).where(*wanted.conditions())) or 0
