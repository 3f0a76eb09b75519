"""What triggers have taken: each tick, delivery and version of a file once. The caller owns the transaction."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.trigger_rows import TriggerFiringRow as Firing
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.domain.trigger import TriggerType

AT_ONCE = 5_000


class Firings:
    """All reads and writes of firings."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, trigger_id: str, occasion: str) -> str | None:
        """The id of a new firing; None where somebody has taken the occasion already, and committed that."""
        return self._session.scalar(
            insert(Firing)
            .values(id=new_id(), trigger_id=trigger_id, occasion=occasion, fired_at=now())
            .on_conflict_do_nothing()
            .returning(Firing.id)
        )

    def note_run(self, id: str, run_id: str) -> None:
        """Note which execution a firing has made."""
        self._session.execute(update(Firing).where(Firing.id == id).values(run_id=run_id))

    def run_of(self, trigger_id: str, occasion: str) -> str | None:
        """The execution that was made for an occasion, if one was."""
        return self._session.scalar(
            select(Firing.run_id).where(Firing.trigger_id == trigger_id, Firing.occasion == occasion)
        )

    def known(self, trigger_id: str, occasions: Collection[str]) -> set[str]:
        """Which of these occasions were taken."""
        found: set[str] = set()
        for part in _parts(occasions):
            query = select(Firing.occasion).where(Firing.trigger_id == trigger_id, Firing.occasion.in_(part))
            found |= set(self._session.scalars(query))
        return found

    def pass_over(self, trigger_id: str, occasions: Collection[str]) -> None:
        """Take occasions without a run: what was there before the trigger."""
        for part in _parts(occasions):
            rows = [{"id": new_id(), "trigger_id": trigger_id, "occasion": each, "fired_at": now()} for each in part]
            self._session.execute(insert(Firing).values(rows).on_conflict_do_nothing())

    def purge(self, before: datetime) -> int:
        """Forget ticks and deliveries from before that moment; versions of files are known for ever."""
        files = select(TriggerRow.id).where(TriggerRow.type == TriggerType.FILE)
        old = delete(Firing).where(Firing.fired_at < before, Firing.trigger_id.not_in(files))
        return len(self._session.execute(old.returning(Firing.id)).all())


def _parts(occasions: Collection[str]) -> Iterable[list[str]]:
    listed = list(occasions)
    return (listed[at : at + AT_ONCE] for at in range(0, len(listed), AT_ONCE))
