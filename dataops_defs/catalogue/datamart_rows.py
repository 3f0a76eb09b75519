"""The table of versions of versioned datamarts."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, JsonList, Row
from dataops_defs.domain.datamart import VersionStatus


class DatamartVersionRow(Identified, Row):
    """A version: a result that was kept in a ``table`` of its own, beside the datamart, and does not change any more.

    ``version`` is the name as given, ``slug`` what the table is named by. It ends at ``expires_at`` unless it is the
    current one; ``retention_days`` None keeps it. ``error`` says why it could not be built.
    """

    __tablename__ = "datamart_version"
    __table_args__ = (Index("uq_datamart_version", "datamart_id", "slug", unique=True),)
    datamart_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("datamart.id", ondelete="CASCADE"), index=True
    )
    version: Mapped[str]
    slug: Mapped[str]
    table: Mapped[str]
    query: Mapped[str]
    upstream: Mapped[JsonList] = mapped_column(default=list)
    columns: Mapped[JsonList | None]
    status: Mapped[VersionStatus] = mapped_column(default=VersionStatus.BUILDING)
    retention_days: Mapped[int | None]
    expires_at: Mapped[datetime | None]
    built_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    rows_count: Mapped[int] = mapped_column(BigInteger, default=0)
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    error: Mapped[str | None]
