"""The tables of triggers: what fires which pipeline, what has fired, who is told by mail how a run ended."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Json, Named, Row, new_id, now
from dataops_defs.domain.alerts import DeliveryState
from dataops_defs.domain.trigger import TriggerType


class TriggerRow(Named, Row):
    """A trigger of a pipeline: of an ETL pipeline or of a pipeline graph, as it was named (``by_name``) or by its id.

    When a cron trigger fires is its row in the one schedule table, whose subject it is. ``secret`` is sealed (see
    ``sealing``). ``pending`` says that Dagster has not been told of a file trigger's pause or resumption yet;
    otherwise Dagster's own state is the truth, and ``paused_at`` follows it.
    """

    __tablename__ = "trigger"
    __table_args__ = (CheckConstraint("num_nonnulls(etl_pipeline_id, graph_id) = 1", name="one_pipeline"),)
    type: Mapped[TriggerType]
    etl_pipeline_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("etl_pipeline.id"), index=True)
    graph_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("pipeline.id"), index=True)
    by_name: Mapped[bool] = mapped_column(default=False)
    timezone: Mapped[str] = mapped_column(default="UTC")
    parameters: Mapped[Json] = mapped_column(default=dict)
    file: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    paused_at: Mapped[datetime | None]
    pending: Mapped[bool] = mapped_column(default=False)
    skipped_at: Mapped[datetime | None]
    skip_reason: Mapped[str | None]


class TriggerFiringRow(Row):
    """One tick, one delivery, one version of a file that a trigger has taken; without a run it was passed over."""

    __tablename__ = "trigger_firing"
    __table_args__ = (Index("uq_trigger_firing_occasion", "trigger_id", "occasion", unique=True),)
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    trigger_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("trigger.id", ondelete="CASCADE"))
    occasion: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    fired_at: Mapped[datetime] = mapped_column(default=now, index=True)


class RunNoticeRow(Identified, Row):
    """Somebody who is told by mail how a run ended."""

    __tablename__ = "run_notice"
    __table_args__ = (Index("ix_run_notice_due", "due_at", postgresql_where=text("state = 'pending'")),)
    run_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("run.id", ondelete="CASCADE"), unique=True)
    address: Mapped[str]
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.PENDING)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
    reason: Mapped[str | None]
