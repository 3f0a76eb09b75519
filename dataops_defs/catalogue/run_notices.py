"""Mail at the end of a run: who wants it, and what came of it. The caller owns the transaction.

A sender that dies between sending and noting leaves its claim, and when that ends the message is sent again, with the
same id.
"""

from datetime import timedelta

from sqlalchemy import Interval, cast, func, select, update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.trigger_rows import RunNoticeRow as Notice
from dataops_defs.domain.alerts import BACK_OFF, MOST_TRIES, DeliveryState

CLAIM = timedelta(seconds=90)
MAX_REASON = 500


class RunNotices:
    """All reads and writes of notices."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ask(self, run_id: str, address: str) -> None:
        """Have somebody told when a run has ended."""
        self._session.add(Notice(run_id=run_id, address=address))

    def claim(self) -> tuple[Notice, RunRow] | None:
        """A notice of an ended run that is due; nobody else sends it for 90 seconds. A try counts from here on."""
        due = (
            select(Notice, RunRow)
            .join(RunRow, RunRow.id == Notice.run_id)
            .where(Notice.state == DeliveryState.PENDING, Notice.due_at <= func.now(), RunRow.finished_at.is_not(None))
            .order_by(Notice.due_at)
            .limit(1)
            .with_for_update(of=Notice, skip_locked=True)
        )
        found = self._session.execute(due).first()
        if found is None:
            return None
        notice, run = found
        notice.tries += 1
        notice.due_at = func.now() + cast(CLAIM, Interval)
        self._session.flush()
        self._session.refresh(notice)
        return notice, run

    def sent(self, id: str) -> None:
        """It has arrived."""
        noted = {"state": DeliveryState.SENT, "sent_at": func.now(), "reason": None}
        self._session.execute(update(Notice).where(Notice.id == id).values(noted))

    def not_sent(self, id: str, tries: int, reason: str) -> DeliveryState:
        """A try was in vain: another follows, or none."""
        last = tries >= MOST_TRIES
        pause = timedelta(0) if last else BACK_OFF[tries - 1]
        state = DeliveryState.FAILED if last else DeliveryState.PENDING
        noted = {"state": state, "due_at": func.now() + cast(pause, Interval), "reason": reason[:MAX_REASON]}
        self._session.execute(update(Notice).where(Notice.id == id, Notice.tries == tries).values(noted))
        return state
