"""The nodes of a pipeline graph as it was when its execution began, and what became of each."""

from datetime import datetime

from sqlalchemy import ForeignKey, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Row
from dataops_defs.domain.pipeline import NodeType
from dataops_defs.domain.pipeline_run import NodeState


class RunNodeRow(Row):
    """One node of one execution; ``position`` counts from 1 in the order of work, ``after`` are the nodes before it."""

    __tablename__ = "run_node"
    run_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    type: Mapped[NodeType]
    subject_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    after: Mapped[list[str]] = mapped_column(JSONB)
    state: Mapped[NodeState] = mapped_column(default=NodeState.WAITING)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    error_code: Mapped[str | None]
