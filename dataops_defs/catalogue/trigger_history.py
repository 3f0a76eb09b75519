"""What became of the runs of triggers: counts over all of them by an index alone, and the newest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.domain.run import ENDED, RunState


@dataclass(frozen=True)
class Counts:
    """How many runs a trigger has had, how many of them ended, and how many well."""

    runs: int = 0
    ended: int = 0
    succeeded: int = 0
    last: datetime | None = None

    @property
    def success_rate(self) -> float:
        """The fraction of the ended runs that succeeded; 0 before the first has ended."""
        return round(self.succeeded / self.ended, 4) if self.ended else 0.0


def counts_of(session: Session, trigger_ids: Sequence[str]) -> dict[str, Counts]:
    """The counts of several triggers, by their ids; in two queries."""
    ended = func.count().filter(RunRow.state.in_(ENDED))
    succeeded = func.count().filter(RunRow.state == RunState.SUCCEEDED)
    counted = (
        select(RunRow.trigger_id, func.count(), ended, succeeded)
        .where(RunRow.trigger_id.in_(trigger_ids))
        .group_by(RunRow.trigger_id)
    )
    newest = _newest_of(trigger_ids, session)
    found = {id: Counts(runs, over, well, newest.get(id or "")) for id, runs, over, well in session.execute(counted)}
    return {id: found.get(id, Counts()) for id in trigger_ids}


def history_of(session: Session, trigger_id: str, limit: int) -> Sequence[RunRow]:
    """The runs of a trigger, newest first."""
    query = select(RunRow).where(RunRow.trigger_id == trigger_id).order_by(RunRow.id.desc()).limit(limit)
    return session.scalars(query).all()


def executed_at(run: RunRow) -> datetime:
    """When a run began, or was asked for while it waits."""
    return run.started_at or run.created_at


def _newest_of(trigger_ids: Sequence[str], session: Session) -> dict[str, datetime]:
    newest = (
        select(func.coalesce(RunRow.started_at, RunRow.created_at).label("at"))
        .where(RunRow.trigger_id == TriggerRow.id)
        .order_by(RunRow.id.desc())
        .limit(1)
        .lateral("newest")
    )
    query = select(TriggerRow.id, newest.c.at).join(newest, true()).where(TriggerRow.id.in_(trigger_ids))
    return {row.id: row.at for row in session.execute(query)}
