"""The tables of alerts: who is told of what, and each message that is to be sent, or was."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Json, Named, Row, now
from dataops_defs.domain.alerts import AlertEvent, AlertStatus, DeliveryState


class AlertRow(Named, Row):
    """An alert; ``secrets`` is sealed (see ``sealing``), ``channel`` is what of it may be shown.

    ``last_message_at`` is when a message was last sent for the first time: a throttled one waits from then on.
    """

    __tablename__ = "alert"
    events: Mapped[list[str]] = mapped_column(JSONB)
    filter: Mapped[Json] = mapped_column(default=dict)
    thresholds: Mapped[Json] = mapped_column(default=dict)
    channel: Mapped[Json]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    throttle_seconds: Mapped[int] = mapped_column(default=0)
    status: Mapped[AlertStatus] = mapped_column(default=AlertStatus.ACTIVE)
    last_message_at: Mapped[datetime | None]


class AlertDeliveryRow(Identified, Row):
    """One event that an alert asks for: written in the transaction in which it happens, sent by whoever claims it.

    ``occasion`` tells events of a kind apart, so that none is noted twice. ``tries`` counts those begun; while
    ``claimed_until`` lies ahead, one is under way. An event that is told with an earlier one is ``grouped_into`` that
    one, whose ``events_count`` says of how many events its message tells.
    """

    __tablename__ = "alert_delivery"
    __table_args__ = (
        Index("uq_alert_delivery_occasion", "alert_id", "event", "occasion", unique=True),
        Index("ix_alert_delivery_page", "alert_id", "id"),
        Index("ix_alert_delivery_due", "due_at", postgresql_where=text("state = 'pending'")),
        Index("ix_alert_delivery_created_at", "created_at"),
    )
    alert_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("alert.id", ondelete="CASCADE"))
    event: Mapped[AlertEvent]
    occasion: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    subject_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    detail: Mapped[Json] = mapped_column(default=dict)
    occurred_at: Mapped[datetime] = mapped_column(default=now)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.PENDING)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)
    claimed_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    answer_code: Mapped[int | None]
    reason: Mapped[str | None]
    grouped_into: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), index=True)
    events_count: Mapped[int] = mapped_column(default=1)
