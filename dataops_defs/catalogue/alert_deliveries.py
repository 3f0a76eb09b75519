"""The messages of alerts: claimed one at a time, sent by the claimer, and what came of it. The caller owns the
transaction; all times are the database's.

Messages of one alert go out in the order of their events; one that has to be tried again does not hold up those
after it. A sender that dies between sending and noting leaves its claim, and when that ends the message is sent
again, with the same id: at least once, and never twice knowingly.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Interval, and_, cast, delete, func, or_, select, true, update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.alert_rows import AlertDeliveryRow, AlertRow
from dataops_defs.domain.alerts import BACK_OFF, MOST_TRIES, AlertStatus, DeliveryState

# Longer than anybody takes to send one.
CLAIM = timedelta(seconds=90)
MAX_REASON = 500
DIED = "The sender ended before it could say how the last try went"
Delivery = AlertDeliveryRow
WAITS = Delivery.state == DeliveryState.PENDING
UNCLAIMED = or_(Delivery.claimed_until.is_(None), Delivery.claimed_until <= func.now())


class Deliveries:
    """All reads and writes of messages, once their events are noted."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def due(self, limit: int) -> Sequence[str]:
        """Ids of active alerts that have something to send, the longest waiting first."""
        query = (
            select(Delivery.alert_id)
            .join(AlertRow, AlertRow.id == Delivery.alert_id)
            .where(AlertRow.status == AlertStatus.ACTIVE, WAITS, Delivery.due_at <= func.now(), UNCLAIMED)
            .group_by(Delivery.alert_id)
            .order_by(func.min(Delivery.due_at), Delivery.alert_id)
            .limit(limit)
        )
        return self._session.scalars(query).all()

    def claim(self, alert_id: str) -> tuple[AlertRow, AlertDeliveryRow] | None:
        """The alert's oldest message that is due; nobody else sends for the alert until it is noted what came of it.

        None when there is none, or somebody else is at it. A try counts from here on. The first one takes all events
        into its message that happened meanwhile, where the alert is throttled.
        """
        # Those who note an event share this lock; two senders do not.
        query = select(AlertRow).where(AlertRow.id == alert_id, AlertRow.status == AlertStatus.ACTIVE)
        alert = self._session.scalar(query.with_for_update(key_share=True, skip_locked=True))
        if alert is None or self._is_being_sent(alert_id):
            return None
        while (found := self._oldest(alert_id)) is not None and found.tries >= MOST_TRIES:
            found.state, found.reason, found.claimed_until = DeliveryState.FAILED, DIED, None
            self._session.flush()
        if found is None or (not found.tries and self._is_throttled(alert)):
            return None
        if not found.tries:
            self._begin(alert, found)
        found.tries += 1
        found.claimed_until = func.now() + cast(CLAIM, Interval)
        self._session.flush()
        self._session.refresh(found)
        return alert, found

    def told_by(self, id: str, limit: int) -> Sequence[AlertDeliveryRow]:
        """The newest events that a message tells beside its own, oldest first."""
        query = select(Delivery).where(Delivery.grouped_into == id).order_by(Delivery.id.desc()).limit(limit)
        return self._session.scalars(query).all()[::-1]

    def sent(self, id: str, code: int | None, remark: str | None = None) -> None:
        """A message has arrived. The channel works: what waits for another try has its turn now."""
        arrived = self._session.execute(
            update(Delivery)
            .where(Delivery.id == id, WAITS)
            .values(
                state=DeliveryState.SENT,
                sent_at=func.now(),
                claimed_until=None,
                answer_code=code,
                reason=_short(remark),
            )
            .returning(Delivery.alert_id)
        ).first()
        if arrived is not None:
            others = and_(
                Delivery.alert_id == arrived.alert_id, WAITS, Delivery.tries > 0, Delivery.due_at > func.now()
            )
            self._session.execute(update(Delivery).where(others).values(due_at=func.now()))

    def not_sent(self, id: str, tries: int, code: int | None, reason: str) -> DeliveryState | None:
        """A try was in vain: another follows, or none. None when somebody else has tried since."""
        last = tries >= MOST_TRIES
        pause = timedelta(0) if last else BACK_OFF[tries - 1]
        state = DeliveryState.FAILED if last else DeliveryState.PENDING
        noted = self._session.execute(
            update(Delivery)
            .where(Delivery.id == id, WAITS, Delivery.tries == tries)
            .values(
                state=state,
                due_at=func.now() + cast(pause, Interval),
                claimed_until=None,
                answer_code=code,
                reason=_short(reason),
            )
            .returning(Delivery.id)
        )
        return state if noted.first() else None

    def page(self, alert_id: str, *, limit: int, offset: int = 0) -> tuple[Sequence[AlertDeliveryRow], int]:
        """An alert's messages, newest first, and their number."""
        mine = Delivery.alert_id == alert_id
        total = self._session.scalar(select(func.count()).select_from(Delivery).where(mine)) or 0
        query = select(Delivery).where(mine).order_by(Delivery.id.desc()).limit(limit).offset(offset)
        return self._session.scalars(query).all(), total

    def last_of(self, alert_ids: Sequence[str]) -> dict[str, AlertDeliveryRow]:
        """The newest message of each alert that has one, by the alert's id."""
        newest = (
            select(Delivery.id)
            .where(Delivery.alert_id == AlertRow.id, Delivery.state != DeliveryState.GROUPED)
            .order_by(Delivery.id.desc())
            .limit(1)
            .lateral("newest")
        )
        ids = select(newest.c.id).select_from(AlertRow).join(newest, true()).where(AlertRow.id.in_(alert_ids))
        return {row.alert_id: row for row in self._session.scalars(select(Delivery).where(Delivery.id.in_(ids)))}

    def purge(self, before: datetime) -> int:
        """Forget what happened before that moment; returns how many events."""
        gone = self._session.execute(delete(Delivery).where(Delivery.created_at < before).returning(Delivery.id))
        return len(gone.all())

    def _oldest(self, alert_id: str) -> AlertDeliveryRow | None:
        query = select(Delivery).where(Delivery.alert_id == alert_id, WAITS, Delivery.due_at <= func.now())
        return self._session.scalar(query.order_by(Delivery.id).limit(1))

    def _is_being_sent(self, alert_id: str) -> bool:
        at_work = select(Delivery.id).where(Delivery.alert_id == alert_id, WAITS, Delivery.claimed_until > func.now())
        return self._session.scalar(at_work.limit(1)) is not None

    def _is_throttled(self, alert: AlertRow) -> bool:
        """Whether the last message is too recent for another one; what waits is due when it no longer is."""
        if not alert.throttle_seconds or alert.last_message_at is None:
            return False
        free_at = alert.last_message_at + timedelta(seconds=alert.throttle_seconds)
        held = and_(_untried(alert.id), Delivery.due_at < free_at, func.now() < free_at)
        postponed = update(Delivery).where(held).values(due_at=free_at).returning(Delivery.id)
        return self._session.execute(postponed).first() is not None

    def _begin(self, alert: AlertRow, found: AlertDeliveryRow) -> None:
        alert.last_message_at = func.now()
        if alert.throttle_seconds:
            others = and_(_untried(alert.id), Delivery.id != found.id)
            grouped = {"state": DeliveryState.GROUPED, "grouped_into": found.id}
            joined = self._session.execute(update(Delivery).where(others).values(grouped).returning(Delivery.id))
            found.events_count = 1 + len(joined.all())


def _untried(alert_id: str) -> ColumnElement[bool]:
    return and_(Delivery.alert_id == alert_id, WAITS, Delivery.tries == 0)


def _short(reason: str | None) -> str | None:
    return reason[:MAX_REASON] if reason else None
