"""Datasets of document 004."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool

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
from api_shim.schemas.executions import PERCENT, RejectedOut, WorkIn, percent_of
from api_shim.schemas.extractions import ExtractionIn
from api_shim.schemas.schema_drift import ColumnOut, DriftOut, WaitingOut, waiting_told
from dataops_defs.catalogue.models import DatasetRow, RunStepRow, ScheduleRow
from dataops_defs.domain.dataset import DEFAULT_BUCKET
from dataops_defs.domain.run import DATAOPS_WORDS

Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="As S3 allows")]
Prefix = Annotated[
    str, Field(max_length=200, pattern=r"^$|^[A-Za-z0-9_=-][A-Za-z0-9_.= -]*(/[A-Za-z0-9_=-][A-Za-z0-9_.= -]*)*/?$")
]
Status = Literal["draft", "active", "paused"]
Policy = Annotated[
    Literal["evolve", "freeze", "quarantine"],
    Field(
        description="When the columns differ from those before: evolve goes on, freeze fails before anything is"
        " written, quarantine keeps the new copy aside; POST …/schema/accept accepts"
    ),
]
RowLimit = Annotated[int, Field(ge=1, le=1000, description="Rows at most")]
NOTES = "What to know of how it was read, such as an encoding that was guessed, or cells that hold errors"
COUNTS = ("read", "inserted", "updated", "unchanged", "deleted", "rejected")
INVENTORY: dict[str, Any] = {
    "name": "Aircraft Inventory",
    "sourceId": "0192f3a1-0000-7000-8000-000000000001",
    "extraction": {"type": "sql", "query": "SELECT * FROM aircraft WHERE active = true"},
    "schedule": {"enabled": True, "cron": "0 2 * * *", "timezone": "America/New_York"},
    "storage": {"bucket": "captify-datasets", "prefix": "pmbook/aircraft"},
}


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
    schema_policy: Policy = "evolve"
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
    schema_policy: Policy | None = None
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


class PreviewOut(Reply):
    """The first rows."""

    columns: list[ColumnOut]
    rows: list[dict[str, Any]]
    truncated: bool = Field(description="Whether there are more rows than shown")
    notes: list[str] = Field(default=[], description=NOTES)


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
    schema_policy: str = "evolve"
    drift: DriftOut | None = Field(default=None, description="Of the last extraction, where columns have changed")
    waiting: WaitingOut | None = Field(default=None, description="A schema that waits to be accepted")
    mark: str | None = Field(default=None, description="How far the source was read, where that is incremental")
    last_extracted_at: Moment | None = None
    records: int | None = Field(default=None, description="Rows of the newest raw copy")
    columns: list[ColumnOut] | None = None

    @classmethod
    def of(cls, row: DatasetRow, schedule: ScheduleRow | None, moment: datetime) -> "DatasetOut":
        """The form of a dataset row and its schedule."""
        made = cls.scheduled(
            row,
            schedule,
            moment,
            *("source_id", "extraction", "storage", "last_extracted_at", "mark"),
            records=row.row_count,
            columns=[ColumnOut(**each) for each in row.columns] if row.columns else None,
            schema_policy=str(row.schema_policy),
            drift=DriftOut.told(row.drift),
            waiting=WaitingOut.of(row.waiting),
        )
        if row.waiting is not None and made.problem is None:
            made.status, made.problem = "error", waiting_told(row.waiting)
        return made


class ExtractIn(WorkIn):
    """What is asked of an extraction; the body may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"full": True, "dryRun": False}]})
    full: StrictBool = Field(default=False, description="Read all rows, also of an incremental dataset")


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
                    "read": 1234,
                    "inserted": 1234,
                    "updated": 0,
                    "unchanged": 0,
                    "deleted": 0,
                    "incremental": False,
                    "quarantined": False,
                }
            ]
        }
    )
    success: bool
    dry_run: bool | None = Field(default=None, description="True where it was only told, and nothing kept")
    records: int
    s3_path: str | None = Field(default=None, alias="s3Path", description="Of a dry run there is none")
    execution_id: str
    rejected: int = Field(description="Rows that could not be taken; they are kept with their reasons")
    read: int = Field(description="Rows that the source gave")
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    incremental: bool = Field(description="Whether only what is new was asked for")
    quarantined: bool = Field(description="Whether the copy waits to be accepted; the one before stays current")
    drift: DriftOut | None = None
    notes: list[str] | None = Field(default=None, description=NOTES)
    rejects: list[RejectedOut] | None = Field(default=None, description="Of a dry run a few, 20 at most")

    @classmethod
    def of(cls, step: RunStepRow) -> "ExtractOut":
        """The form of the step that did it; ``records`` are the rows of the copy."""
        told = step.result.get("details", {})
        return cls(
            success=True,
            dry_run=step.dry_run or None,
            records=step.result.get("totalRows") or 0,
            s3Path=None if step.dry_run else step.result.get("uri", ""),
            rejects=step.result.get("rejects") if step.dry_run else None,
            execution_id=step.run_id,
            **{name: step.ledger.get(name, 0) for name in COUNTS},
            incremental=bool(told.get("incremental")),
            quarantined=bool(told.get("quarantined")),
            notes=told.get("notes") or None,
            drift=DriftOut.told(told.get("drift")),
        )


class HistoryOut(Reply):
    """One extraction of a dataset, whatever run it was part of."""

    execution_id: str
    dry_run: bool = False
    status: str
    state: str
    started_at: Moment
    completed_at: Moment | None = None
    duration_ms: int | None = None
    rows_done: int
    rows_total: int | None = None
    percent: float | None = PERCENT
    records: int | None = Field(default=None, description="Rows of the raw copy")
    read: int | None = None
    inserted: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    deleted: int | None = None
    rejected: int | None = None
    bytes: int | None = Field(default=None, description="Of the raw copy; 0 where nothing had changed and it stayed")
    s3_path: str | None = Field(default=None, alias="s3Path")
    columns: list[ColumnOut] | None = Field(default=None, alias="schema")
    incremental: bool | None = None
    mark: str | None = None
    quarantined: bool | None = None
    drift: DriftOut | None = None
    notes: list[str] | None = Field(default=None, description=NOTES)
    error: str | None = None

    @classmethod
    def of(cls, row: RunStepRow) -> "HistoryOut":
        """The form of a step row."""
        done, told = row.result, row.result.get("details", {})
        took = row.finished_at - row.created_at if row.finished_at else None
        return cls(
            execution_id=row.run_id,
            dry_run=row.dry_run,
            status=DATAOPS_WORDS[row.state],
            state=str(row.state),
            started_at=row.created_at,
            completed_at=row.finished_at,
            duration_ms=round(took.total_seconds() * 1000) if took is not None else None,
            rows_done=row.rows_done,
            rows_total=row.rows_total,
            percent=percent_of(row),
            records=done.get("totalRows"),
            **{name: row.ledger.get(name) for name in COUNTS},
            bytes=done.get("bytes"),
            s3Path=None if row.dry_run else done.get("uri"),
            schema=[ColumnOut(**each) for each in done.get("columns", [])] or None,
            **{name: told.get(name) for name in ("incremental", "mark", "quarantined")},
            notes=told.get("notes") or None,
            drift=DriftOut.told(told.get("drift")),
            error=row.error,
        )
