"""Mappings of document 004."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, JsonValue

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
from api_shim.schemas.datasets import RowLimit, Status
from api_shim.schemas.executions import RejectedOut
from dataops_defs.catalogue.models import MappingRow, ScheduleRow

AIRCRAFT: dict[str, Any] = {
    "name": "Aircraft Inventory → Aircraft",
    "datasetId": "0192f3a1-0000-7000-8000-000000000002",
    "objectType": "aircraft",
    "mappings": {
        "tailNumber": {"sourceColumn": "tail_number"},
        "manufacturer": {"sourceColumn": "mfr"},
        "model": {"sourceColumn": "model_name"},
        "yearBuilt": {"sourceColumn": "build_year", "transform": "parseInt"},
        "status": {"sourceColumn": "active", "transform": 'value ? "active" : "inactive"'},
        "lastInspection": {
            "sourceColumn": "last_inspection_date",
            "transform": "new Date(value).toISOString()",
        },
    },
    "sync": {"mode": "upsert", "keyField": "tailNumber", "onConflict": "overwrite"},
}


EXPLODE = (
    "The column or dotted path of a list: each of its elements becomes a row of its own, in which paths below it read"
    " from the element (`items.sku`; `items.#` is its place, counted from 1)"
)


class PropertyIn(Request):
    """Where a property's value comes from; a name like `address.city` writes into a nested property."""

    source_column: str = Field(
        min_length=1,
        max_length=500,
        description="A column, or a dotted path into its values: `address.city`, `tags[0]`, `payload.user.id`",
    )
    transform: str | None = Field(
        default=None, max_length=10_000, description="JavaScript over value and row, or a function's name"
    )
    default_value: JsonValue = Field(default=None, description="Stands in when the result is null")


class SyncIn(Request):
    """How rows meet objects; in a change every field may be left out."""

    mode: str | None = Field(default=None, max_length=20, description="upsert, replace or append")
    key_field: str | None = Field(default=None, max_length=60, description="The object type's key")
    on_conflict: str | None = Field(default=None, max_length=20, description="skip, overwrite or merge")


class MappingCreate(Request):
    """A new mapping; ``name`` and ``sync`` may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name | None = Field(default=None, description="'<dataset> → <type>' when left out")
    dataset_id: Id
    object_type: Name
    mappings: dict[str, PropertyIn]
    explode: str | None = Field(default=None, min_length=1, max_length=500, description=EXPLODE)
    sync: SyncIn | None = Field(default=None, description="An upsert on the type's key when left out")
    schedule: ScheduleIn | None = None
    status: Status = "active"
    app: App = "default"
    description: Description | None = None
    owner: Owner | None = None


class MappingChange(Request):
    """A changed mapping. ``mappings`` are replaced as a whole, ``sync`` and ``schedule`` merged; null clears."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sync": {"mode": "replace"}}, {"status": "paused"}]})
    name: Name | None = None
    mappings: dict[str, PropertyIn] | None = None
    explode: str | None = Field(default=None, min_length=1, max_length=500, description=EXPLODE)
    sync: SyncIn | None = None
    schedule: ScheduleIn | None = None
    status: Status | None = None
    description: Description | None = None
    owner: Owner | None = None


class MappingPreview(MappingCreate):
    """An unsaved mapping, tried on the first rows of its dataset's source."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{key: AIRCRAFT[key] for key in ("datasetId", "objectType", "mappings")}]}
    )
    limit: RowLimit = 5


class MappingPreviewOut(Reply):
    """What the mapping makes of the first rows."""

    columns: list[str]
    rows: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


class MappingOut(ScheduledOut):
    """A mapping and the counts of its last sync."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                AIRCRAFT
                | {
                    "id": "0192f3a1-0000-7000-8000-000000000004",
                    "slug": "aircraft_inventory_aircraft",
                    "status": "active",
                    "app": "default",
                    "createdAt": "2025-11-02T10:00:00.000Z",
                    "updatedAt": "2025-11-02T10:00:00.000Z",
                }
            ]
        }
    )
    dataset_id: str
    object_type: str
    object_type_id: str
    mappings: dict[str, dict[str, Any]]
    explode: str | None = None
    sync: dict[str, Any]
    last_synced_at: Moment | None = None
    records_processed: int | None = None
    records_succeeded: int | None = None
    records_failed: int | None = None

    @classmethod
    def of(cls, row: MappingRow, object_type: str, schedule: ScheduleRow | None, moment: datetime) -> "MappingOut":
        """The form of a mapping row, the name of its object type, and its schedule."""
        same = ("dataset_id", "object_type_id", "mappings", "explode", "sync", "last_synced_at")
        counts = ("records_processed", "records_succeeded", "records_failed")
        return cls.scheduled(row, schedule, moment, *same, *counts, object_type=object_type)


class SyncOut(Reply):
    """A finished sync; rejected rows do not make it fail."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "processed": 1234,
                    "succeeded": 1230,
                    "failed": 4,
                    "executionId": "0192f3a1-0000-7000-8000-000000000005",
                    "inserted": 1200,
                    "updated": 20,
                    "unchanged": 10,
                    "filtered": 0,
                    "deleted": 0,
                }
            ]
        }
    )
    success: bool
    processed: int
    succeeded: int
    failed: int
    execution_id: str
    inserted: int
    updated: int
    unchanged: int
    filtered: int
    deleted: int
    dry_run: bool | None = Field(default=None, description="True where it was only told, and nothing kept")
    rejects: list[RejectedOut] | None = Field(default=None, description="Of a dry run a few, 20 at most")
