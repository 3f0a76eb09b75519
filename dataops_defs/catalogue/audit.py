"""The audit: one line for each change, and for each refused one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import AuditRow


@dataclass(frozen=True)
class Actor:
    """Who asks: the token's name, and the request's id."""

    name: str
    request_id: str | None = None


def audit(
    session: Session,
    actor: Actor,
    action: str,
    subject: str | None = None,
    outcome: str = "done",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one line in the caller's transaction. ``detail`` never holds a secret."""
    session.add(
        AuditRow(
            actor=actor.name,
            action=action,
            subject=subject,
            request_id=actor.request_id,
            outcome=outcome,
            detail=dict(detail or {}),
        )
    )


def audit_lines(
    session: Session, *, limit: int, offset: int = 0, actor: str | None = None, action: str | None = None
) -> Sequence[AuditRow]:
    """The newest lines first."""
    conditions = _conditions(actor, action)
    query = select(AuditRow).where(*conditions).order_by(AuditRow.id.desc()).limit(limit).offset(offset)
    return session.scalars(query).all()


def count_audit_lines(session: Session, *, actor: str | None = None, action: str | None = None) -> int:
    """Number of lines."""
    query = select(func.count()).select_from(AuditRow).where(*_conditions(actor, action))
    return session.scalar(query) or 0


def _conditions(actor: str | None, action: str | None) -> list[ColumnElement[bool]]:
    wanted = ((AuditRow.actor, actor), (AuditRow.action, action))
    return [column == value for column, value in wanted if value is not None]
