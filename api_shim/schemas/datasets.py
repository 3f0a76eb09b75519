"""Datasets of document 004."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StrictInt

from api_shim.schemas.base import (
    App,
    Description,
    Id,
    Moment,
    Name,
    Owner,
    Reply,
    Request,
    ScheduledOut,
    ScheduleIn,
)
from dataops_defs.catalogue.models import DatasetRow, ScheduleRow
from dataops_defs.domain.dataset import DEFAULT_BUCKET

Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="As S3 allows")]
Prefix = Annotated[
    str, Field(max_length=200, pattern=r"^$|^[A-Za-z0-9_=-][A-Za-z0-9_.= -]*(/[A-Za-z0-9_=-][A-Za-z0-9_.= -]*)*/?$")
]
Status = Literal["draft", "active", "paused"]
RowLimit = Annotated[int, Field(ge=1, le=1000, description="Rows at most")]
INVENTORY: dict[str, Any] = {
    "name": "Aircraft Inventory",
    "sourceId": "0192f3a1-0000-7000-8000-000000000001",
    "extraction": {"type": "sql", "query": "SELECT * FROM aircraft WHERE active = true"},
    "schedule": {"enabled": True, "cron": "0 2 * * *", "timezone": "America/New_York"},
    "storage": {"bucket": "captify-datasets", "prefix": "pmbook/aircraft"},
}


class PagingIn(Request):
    """How a REST API gives its records in pieces."""

    type: str = Field(default="none", max_length=20, description="none, page, offset, cursor or link")
    param: str | None = Field(default=None, max_length=200, description="Takes the page, the offset or the cursor")
    size_param: str | None = Field(default=None, max_length=200, description="Takes how many records are wanted")
    size: StrictInt | None = Field(default=None, description="Records a page")
    first: StrictInt | None = Field(default=None, description="The first page (1) or offset (0)")
    cursor_path: str | None = Field(default=None, max_length=500, description="Where an answer holds the next cursor")


class ExtractionIn(Request):
    """What to read: ``sql`` (query), ``file`` (path, sheet), ``s3`` (path, format, sheet) or ``api`` (the rest)."""

    type: str = Field(max_length=50, description="sql, file, s3 or api, as the source's type is")
    query: str | None = Field(default=None, max_length=100_000)
    path: str | None = Field(default=None, max_length=1000, description="Below the source's; * and ** are wildcards")
    format: str | None = Field(default=None, max_length=20, description="csv, json, jsonl, parquet or excel")
    sheet: str | None = Field(default=None, max_length=200)
    endpoint: str | None = Field(default=None, max_length=1000, description="Below the source's endpoint")
    method: str | None = Field(default=None, max_length=10, description="GET or POST")
    body: JsonValue = None
    records_path: str | None = Field(default=None, max_length=500, description="Where an answer holds its records")
    paging: PagingIn | None = None


class StorageIn(Request):
    """Where raw copies are kept; in a change every field may be left out."""

    bucket: Bucket = DEFAULT_BUCKET
    prefix: Prefix = Field(default="", description="Folder in the bucket; the app when left out")


class DatasetCreate(Request):
    """A new dataset."""

    model_config = ConfigDict(json_schema_extra={"examples": [INVENTORY]})
    name: Name
    source_id: Id
    extraction: ExtractionIn | None = Field(default=None, description="May be left out for a file source")
    schedule: ScheduleIn | None = None
    storage: StorageIn | None = None
    status: Status = "active"
    app: App = "default"
    description: Description | None = None
    owner: Owner | None = None


class DatasetChange(Request):
    """A changed dataset. ``schedule`` and ``storage`` are merged; null clears."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"schedule": {"enabled": False}}, {"status": "paused"}, {"schedule": None}]}
    )
    name: Name | None = None
    source_id: Id | None = None
    extraction: ExtractionIn | None = None
    schedule: ScheduleIn | None = None
    storage: StorageIn | None = None
    status: Status | None = None
    description: Description | None = None
    owner: Owner | None = None


class DatasetPreview(Request):
    """An unsaved dataset to look into."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{key: INVENTORY[key] for key in ("sourceId", "extraction")} | {"limit": 5}]}
    )
    source_id: Id
    extraction: ExtractionIn | None = None
    limit: RowLimit = 5


class ColumnOut(Reply):
    """One column, its type in Arrow's words."""

    name: str
    type: str
    nullable: bool = True


class PreviewOut(Reply):
    """The first rows."""

    columns: list[ColumnOut]
    rows: list[dict[str, Any]]
    truncated: bool = Field(description="Whether there are more rows than shown")


class DatasetOut(ScheduledOut):
    """A dataset and what its last extraction found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                INVENTORY
                | {
                    "id": "0192f3a1-0000-7000-8000-000000000002",
                    "slug": "aircraft_inventory",
                    "status": "active",
                    "app": "default",
                    "createdAt": "2025-11-02T10:00:00.000Z",
                    "updatedAt": "2025-11-02T10:00:00.000Z",
                }
            ]
        }
    )
    source_id: str
    extraction: dict[str, Any]
    storage: dict[str, Any]
    last_extracted_at: Moment | None = None
    records: int | None = Field(default=None, description="Rows of the newest raw copy")
    columns: list[ColumnOut] | None = None

    @classmethod
    def of(cls, row: DatasetRow, schedule: ScheduleRow | None, moment: datetime) -> "DatasetOut":
        """The form of a dataset row and its schedule."""
        columns = [ColumnOut(**each) for each in row.columns] if row.columns else None
        same = ("source_id", "extraction", "storage", "last_extracted_at")
        return cls.scheduled(row, schedule, moment, *same, records=row.row_count, columns=columns)


class ExtractOut(Reply):
    """A finished extraction."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "records": 1234,
                    "s3Path": "s3://captify-datasets/pmbook/aircraft/0192f3a1-…/2025-11-02T10:00:00.000000Z.parquet",
                    "executionId": "0192f3a1-0000-7000-8000-000000000003",
                    "rejected": 0,
                }
            ]
        }
    )
    success: bool
    records: int
    s3_path: str = Field(alias="s3Path")
    execution_id: str
    rejected: int = Field(description="Rows that could not be read; they are kept with their reasons")
