"""The audit: one line for each change, and for each refused one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
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
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit).offset(offset)
    if actor is not None:
        query = query.where(AuditRow.actor == actor)
    if action is not None:
        query = query.where(AuditRow.action == action)
    return session.scalars(query).all()
