"""The tables of watched folders and of the files that were found in them."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Json, JsonList, Named, Row, now
from dataops_defs.domain.importing import FileState


class WatchRow(Named, Row):
    """A watched folder. Each file goes to a table of its name, or all are gathered in ``target_table``.

    ``options`` is how files are read. With ``auto_import`` off, files are only detected. ``degraded_since`` and
    ``last_error`` tell that the folder cannot be looked into.
    """

    __tablename__ = "watch"
    folder: Mapped[str]
    patterns: Mapped[JsonList]
    recursive: Mapped[bool] = mapped_column(default=False)
    target_schema: Mapped[str] = mapped_column(default="raw")
    target_table: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    auto_import: Mapped[bool] = mapped_column(default=True)
    options: Mapped[Json] = mapped_column(JSON, default=dict)
    notification_email: Mapped[str | None]
    looked_at: Mapped[datetime | None]
    degraded_since: Mapped[datetime | None]
    last_error: Mapped[str | None]


class WatchedFileRow(Identified, Row):
    """A file of a watched folder, as the last look found it; ``fingerprint`` tells its versions apart.

    ``import_id`` is the import of this version, once it is asked for; earlier versions have imports of their own.
    """

    __tablename__ = "watched_file"
    __table_args__ = (
        Index("uq_watched_file_path", "watch_id", "path", unique=True),
        Index("ix_watched_file_waiting", "watch_id", "status", "id"),
    )
    watch_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("watch.id", ondelete="CASCADE"), index=True)
    path: Mapped[str]
    fingerprint: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[FileState] = mapped_column(default=FileState.SETTLING)
    import_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), index=True)
    detected_at: Mapped[datetime] = mapped_column(default=now)
    error: Mapped[str | None]
