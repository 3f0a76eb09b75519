"""The table of exports: workbooks that were made, and until when they may be fetched."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Json, Row
from dataops_defs.domain.export import ExportKind


class ExportRow(Identified, Row):
    """An export. ``wanted`` is what was asked for; the file lies at ``place`` once its run has made it.

    ``rows_left_out`` is None where nobody counted to the end. A revoked export opens for nobody; ``removed_at`` says
    when its file went.
    """

    __tablename__ = "export"
    __table_args__ = (Index("ix_export_kept", "expires_at", postgresql_where=text("removed_at IS NULL")),)
    kind: Mapped[ExportKind]
    title: Mapped[str]
    file_name: Mapped[str]
    wanted: Mapped[Json] = mapped_column(JSON)  # as text: values stand in the order in which they were given
    requested_by: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), index=True)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    place: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    rows_exported: Mapped[int | None] = mapped_column(BigInteger)
    rows_left_out: Mapped[int | None] = mapped_column(BigInteger)
    sheets: Mapped[list[str]] = mapped_column(JSONB, default=list)
