"""The tables of imports: one row for each import of one version of a file, and one for each table they have made."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Json, Row
from dataops_defs.domain.importing import ImportOptions, ImportState, ImportTarget, LoadMode, TargetFormat

UNTOLD = text("notification_email IS NOT NULL AND notified_at IS NULL AND notification_error IS NULL")


class ImportRow(Identified, Row):
    """An import, asked for or found by a watch (which may be gone); rows it could not take are rejects of its id.

    ``fingerprint`` is the version of the file that a watch found. ``owner`` is whose rows the target holds: those of a
    file, or of a watch that gathers them. ``unchanged``: the target held this content already. ``suspect`` says why
    the file may be cut off, ``note`` what people should know of how it was read. ``notified_at`` is when the mail
    went, ``notification_error`` why it did not.
    """

    __tablename__ = "file_import"
    __table_args__ = (
        Index("ix_file_import_target", "target_schema", "target_table"),
        Index("ix_file_import_run_id", "run_id"),
        Index("ix_file_import_open", "state", postgresql_where=text("finished_at IS NULL")),
        Index("ix_file_import_untold", "watch_id", postgresql_where=UNTOLD),
    )
    app: Mapped[str] = mapped_column(default="default")
    path: Mapped[str]
    fingerprint: Mapped[str | None]
    watch_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), index=True)
    target_format: Mapped[TargetFormat]
    target_schema: Mapped[str]
    target_table: Mapped[str]
    mode: Mapped[LoadMode]
    owner: Mapped[str]
    options: Mapped[Json] = mapped_column(JSON)
    requested_by: Mapped[str]
    notification_email: Mapped[str | None]
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    state: Mapped[ImportState] = mapped_column(default=ImportState.PENDING)
    error: Mapped[str | None]
    content_hash: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    rows_imported: Mapped[int | None] = mapped_column(BigInteger)
    rows_rejected: Mapped[int | None] = mapped_column(BigInteger)
    inferred_schema: Mapped[Json | None] = mapped_column(JSON)
    explanations: Mapped[Json | None] = mapped_column(JSON)
    uri: Mapped[str | None]
    unchanged: Mapped[bool] = mapped_column(default=False)
    suspect: Mapped[str | None]
    note: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    notified_at: Mapped[datetime | None]
    notification_error: Mapped[str | None]

    @property
    def target(self) -> ImportTarget:
        """Where the rows go."""
        return ImportTarget(self.target_format, self.target_schema, self.target_table)

    @property
    def reading(self) -> ImportOptions:
        """How the file is read."""
        return ImportOptions.from_json(self.options)


class ImportTargetRow(Identified, Row):
    """A table that imports have made, for Dagster's pages; ``name`` is the target in a word."""

    __tablename__ = "import_target"
    name: Mapped[str] = mapped_column(unique=True)
    app: Mapped[str] = mapped_column(default="default")
    format: Mapped[TargetFormat]
    schema: Mapped[str]
    table: Mapped[str]
    watch_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    last_import_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
