"""Watched folders of document 000 and their files; snake_case, as printed."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from api_shim.schemas.base import Moment
from api_shim.schemas.datamarts import Snake
from api_shim.schemas.imports import MAX_COLUMNS, ColumnName, FilePath, HasHeader, checked_address
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import shown_state
from dataops_defs.domain.importing import FileState, ImportOptions, public_import_id, public_watch_id
from dataops_defs.domain.sql_types import MAX_TYPE_TEXT

MAX_PATTERNS = 50
INCOMING: dict[str, Any] = {
    "folder_path": "/mnt/network_share/incoming",
    "file_patterns": ["*.csv", "*.xlsx", "*.json"],
    "recursive": True,
    "auto_import": True,
    "import_config": {
        "target_connector": "conn_postgres_warehouse",
        "schema_inference": True,
        "notification_email": "data-team@company.com",
    },
}
WATCHING: dict[str, Any] = {
    "status": "success",
    "watch_id": "watch_abc123",
    "folder_path": "/mnt/network_share/incoming",
    "patterns": ["*.csv", "*.xlsx", "*.json"],
    "watching": True,
    "files_detected": 0,
}
FILES: dict[str, Any] = {
    "files": [
        {
            "file_path": "/mnt/network_share/incoming/customers_2024_06.csv",
            "size_bytes": 2456789,
            "detected_at": "2024-06-30T10:15:23Z",
            "status": "imported",
            "watch_id": "watch_abc123",
            "import_id": "import_xyz789",
        }
    ],
    "total_files": 1,
}
Pattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="Of one name: *, ?, [a-z]; upper and lower case differ, a dot at its beginning matches itself only",
    ),
]


class ImportConfig(BaseModel):
    """How a watch imports its files; the fields after `notification_email` are added ones."""

    model_config = ConfigDict(extra="forbid")
    target_connector: str | None = Field(
        default=None, max_length=200, description="A source that leads to the warehouse, by name or id"
    )
    schema_inference: StrictBool = Field(default=True, description="false: all is text, but for data_types")
    notification_email: str | None = Field(default=None, max_length=320)
    target_table: str | None = Field(
        default=None, max_length=130, description="Gathers all files; when left out, each has a table of its name"
    )
    target_schema: str | None = Field(default=None, max_length=63, description="Of tables named after their files")
    data_types: dict[ColumnName, Annotated[str, Field(max_length=MAX_TYPE_TEXT)]] = Field(
        default_factory=dict, max_length=MAX_COLUMNS
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = Field(default=None, min_length=1, max_length=50)
    has_header: HasHeader = None

    _address = field_validator("notification_email")(checked_address)

    def options(self) -> ImportOptions:
        """How the files are read."""
        return ImportOptions(
            self.schema_inference, self.data_types, self.delimiter, self.encoding, has_header=self.has_header
        )


class WatchRequest(BaseModel):
    """A folder to watch. Source: document 000, "Watch Folder"."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [INCOMING]})
    folder_path: FilePath
    file_patterns: list[Pattern] = Field(min_length=1, max_length=MAX_PATTERNS)
    recursive: StrictBool = False
    auto_import: StrictBool = True
    import_config: ImportConfig = Field(default_factory=ImportConfig)


class WatchMade(Snake):
    """A new watch. Its first look comes within seconds; then `GET /storage/watches` counts its files."""

    model_config = ConfigDict(json_schema_extra={"examples": [WATCHING]})
    status: str = "success"
    watch_id: str
    folder_path: str
    patterns: list[str]
    watching: bool = True
    files_detected: int = 0
    notifications: str | None = Field(default=None, description="Why no mail can be sent")


class WatchOut(Snake):
    """A watch as its last look left it."""

    watch_id: str
    folder_path: str
    patterns: list[str]
    recursive: bool
    auto_import: bool
    status: str = Field(
        description="watching; degraded while the folder cannot be looked into; stopped while its sensor is, in Dagster"
    )
    watching: bool
    files_detected: int
    files_by_status: dict[str, int]
    target_table: str | None = Field(default=None, description="Where all files are gathered")
    notification_email: str | None = None
    last_look_at: Moment | None = None
    degraded_since: Moment | None = None
    last_error: str | None = Field(default=None, description="Of the last look; or which names it had to leave out")
    created_at: Moment

    @classmethod
    def of(cls, row: WatchRow, counts: Mapping[str, int]) -> Self:
        """The form of a row."""
        return cls(
            watch_id=public_watch_id(row.id),
            folder_path=row.folder,
            patterns=[each["pattern"] for each in row.patterns],
            recursive=row.recursive,
            auto_import=row.auto_import,
            status=_status(row),
            watching=row.enabled,
            files_detected=sum(counts.values()),
            files_by_status=dict(counts),
            target_table=f"{row.target_schema}.{row.target_table}" if row.target_table else None,
            notification_email=row.notification_email,
            last_look_at=row.looked_at,
            degraded_since=row.degraded_since,
            last_error=row.last_error,
            created_at=row.created_at,
        )


def _status(row: WatchRow) -> str:
    if not row.enabled:
        return "stopped"
    return "degraded" if row.degraded_since else "watching"


class WatchList(Snake):
    """All watches, newest first."""

    watches: list[WatchOut]
    total: int


class WatchDeleted(Snake):
    """A watch that is gone; what it imported stays."""

    watch_id: str
    status: str = "deleted"
    imports_kept: int = Field(description="Completed ones: their tables stay")
    imports_failed: int = Field(description="Failed ones, which stay in the list of imports")


class FileOut(Snake):
    """A file of a watched folder; `import_id` is there once this version is imported."""

    file_path: str
    size_bytes: int
    detected_at: Moment
    status: str = Field(description="pending, detected, importing, imported, failed, skipped_duplicate or missing")
    watch_id: str
    import_id: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, row: WatchedFileRow) -> Self:
        """The form of a row."""
        imported = row.status is FileState.IMPORTED and row.import_id is not None
        return cls(
            file_path=row.path,
            size_bytes=row.size_bytes,
            detected_at=row.detected_at,
            status=shown_state(row.status),
            watch_id=public_watch_id(row.watch_id),
            import_id=public_import_id(row.import_id) if imported and row.import_id else None,
            error=row.error,
        )


class FileList(Snake):
    """Files of watched folders, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [FILES]})
    files: list[FileOut]
    total_files: int
