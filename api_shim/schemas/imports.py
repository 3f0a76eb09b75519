"""Imports of files of document 000; snake_case, as printed."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from api_shim.schemas.base import Moment
from api_shim.schemas.datamarts import Snake
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.domain.importing import (
    ImportOptions,
    LoadMode,
    TargetFormat,
    public_import_id,
    public_watch_id,
)
from dataops_defs.domain.mail import wrong_address
from dataops_defs.domain.rejects import RejectState
from dataops_defs.domain.sql_types import MAX_TYPE_TEXT

MAX_COLUMNS = 1600
PREFIX = "/api/v1/mvp/storage"
CUSTOMERS: dict[str, Any] = {
    "file_path": "/mnt/network_share/incoming/customers_2024_06.csv",
    "target_format": "postgres",
    "target_table": "raw.customers",
    "infer_schema": True,
    "data_types": {"customer_id": "VARCHAR(50)", "created_at": "TIMESTAMP"},
}
IMPORTED: dict[str, Any] = {
    "import_id": "import_xyz789",
    "status": "completed",
    "file_path": "/mnt/network_share/incoming/customers_2024_06.csv",
    "rows_imported": 15430,
    "target_table": "raw.customers",
    "inferred_schema": {
        "customer_id": "VARCHAR(50)",
        "name": "TEXT",
        "email": "TEXT",
        "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP",
    },
    "import_duration_seconds": 12.5,
    "rows_rejected": 0,
    "target_format": "postgres",
    "explanations": {"customer_id": "VARCHAR(50): as data_types says"},
    "unchanged": False,
    "uri": "warehouse:raw.customers",
    "content_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
FilePath = Annotated[
    str, Field(min_length=1, max_length=4096, description="Below a mount, or a folder that files may be read from")
]
ColumnName = Annotated[str, Field(min_length=1, max_length=1000)]
Sheet = Annotated[str | None, Field(min_length=1, max_length=200, description="Of a workbook; else the first")]
HasHeader = Annotated[
    StrictBool | None,
    Field(description="Of CSV files and workbooks: whether the first row names the columns; told by its values else"),
]
Mode = Annotated[
    LoadMode, Field(description="replace: the table is the newest version of this file; append: it gathers files")
]


def checked_address(value: str | None) -> str | None:
    """A mail address, or None."""
    if value is not None and (problem := wrong_address(value)):
        raise ValueError(problem)
    return value


class ImportRequest(BaseModel):
    """A file to import. Source: document 000, "Auto-Import File"; the fields after `data_types` are added ones."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CUSTOMERS]})
    file_path: FilePath
    target_format: TargetFormat = TargetFormat.POSTGRES
    target_table: str | None = Field(
        default=None, max_length=130, description="schema.table; raw.<file name> when left out"
    )
    infer_schema: StrictBool = Field(default=True, description="false: all is text, but for data_types")
    data_types: dict[ColumnName, Annotated[str, Field(max_length=MAX_TYPE_TEXT)]] = Field(
        default_factory=dict, max_length=MAX_COLUMNS, description="SQL types of the columns that it names"
    )
    mode: Mode = LoadMode.REPLACE
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = Field(default=None, min_length=1, max_length=50)
    has_header: HasHeader = None
    sheet: Sheet = None
    notification_email: str | None = Field(default=None, max_length=320)

    _address = field_validator("notification_email")(checked_address)

    def options(self) -> ImportOptions:
        """How the file is read."""
        told = (self.delimiter, self.encoding, self.sheet, self.has_header)
        return ImportOptions(self.infer_schema, self.data_types, *told)


class ImportOut(Snake):
    """An import as it stands. The columns' types are those that the target has; `explanations` say why."""

    model_config = ConfigDict(json_schema_extra={"examples": [IMPORTED]})
    import_id: str
    status: str = Field(description="completed; or pending, importing, failed, skipped_duplicate")
    file_path: str
    rows_imported: int
    target_table: str
    inferred_schema: dict[str, str]
    import_duration_seconds: float
    rows_rejected: int = Field(description="Rows that could not be taken, and wait to be mended")
    target_format: str
    explanations: dict[str, str]
    unchanged: bool = Field(description="The target held this very content already: nothing was written")
    uri: str | None = None
    content_hash: str | None = Field(default=None, description="SHA-256 of what was read")
    file_size_bytes: int | None = None
    suspect: str | None = Field(default=None, description="Why the file may be cut off")
    note: str | None = Field(default=None, description="How the file was read, where that was a guess: its encoding")
    error: str | None = None
    watch_id: str | None = None
    notification_error: str | None = Field(default=None, description="Why the mail could not be sent")
    created_at: Moment
    finished_at: Moment | None = None

    @classmethod
    def of(cls, row: ImportRow) -> Self:
        """The form of a row."""
        seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else 0.0
        return cls(
            import_id=public_import_id(row.id),
            status=str(row.state),
            file_path=row.path,
            rows_imported=row.rows_imported or 0,
            target_table=row.target.shown,
            inferred_schema=row.inferred_schema or {},
            import_duration_seconds=round(seconds, 3),
            rows_rejected=row.rows_rejected or 0,
            target_format=str(row.target_format),
            explanations=row.explanations or {},
            unchanged=row.unchanged,
            uri=row.uri,
            content_hash=row.content_hash,
            file_size_bytes=row.size_bytes,
            suspect=row.suspect,
            note=row.note,
            error=row.error,
            watch_id=public_watch_id(row.watch_id) if row.watch_id else None,
            notification_error=row.notification_error,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )


class ImportListed(Snake):
    """An import in a list; `GET /storage/imports/{import_id}` has its columns too."""

    import_id: str
    status: str = Field(description="pending, importing, completed, failed or skipped_duplicate")
    file_path: str
    target_table: str
    target_format: str
    rows_imported: int | None = None
    rows_rejected: int | None = Field(default=None, description="Rows that wait to be mended")
    unchanged: bool
    error: str | None = None
    watch_id: str | None = None
    created_at: Moment
    finished_at: Moment | None = None

    @classmethod
    def of(cls, row: ImportRow) -> Self:
        """The form of a row."""
        return cls(
            import_id=public_import_id(row.id),
            status=str(row.state),
            file_path=row.path,
            target_table=row.target.shown,
            target_format=str(row.target_format),
            rows_imported=row.rows_imported,
            rows_rejected=row.rows_rejected,
            unchanged=row.unchanged,
            error=row.error,
            watch_id=public_watch_id(row.watch_id) if row.watch_id else None,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )


class ImportList(Snake):
    """Imports, newest first."""

    imports: list[ImportListed]
    total: int = Field(description="In all pages")


class ImportPending(Snake):
    """An import that goes on."""

    import_id: str
    status: str = "running"
    file_path: str
    target_table: str
    status_url: str

    @classmethod
    def of(cls, row: ImportRow) -> Self:
        """The form of a row."""
        id = public_import_id(row.id)
        return cls(import_id=id, file_path=row.path, target_table=row.target.shown, status_url=f"{PREFIX}/imports/{id}")


class ImportRejects(Snake):
    """Rows of a file that an import could not take."""

    import_id: str
    rejects: list["ImportReject"]
    total: int


class ImportReject(Snake):
    """One of them: where it stood (counted from 1 without the header), why, and what it held."""

    id: int
    row_number: int
    column: str | None
    reason: str
    raw: dict[str, Any]
    corrected: dict[str, Any] | None = None
    state: RejectState
    rejected_at: Moment
    settled_at: Moment | None = None


class ImportReplay(Snake):
    """A finished replay; rows that fail again do not make it fail, they stay open with their new reason."""

    import_id: str
    status: str = "completed"
    rows_tried: int
    rows_repaired: int
    rows_failed: int
    rows_open: int = Field(description="Rejects of the import that are still open")
    execution_id: str


class ImportReplaying(Snake):
    """A replay that goes on."""

    import_id: str
    status: str = "running"
    status_url: str
