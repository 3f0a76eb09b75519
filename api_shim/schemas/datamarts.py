"""Datamarts of document 000; snake_case, as printed."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from api_shim.schemas.base import Moment
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.models import DatamartRow, ScheduleRow
from dataops_defs.domain.datamart import DatamartType, RefreshMethod, RefreshStrategy
from dataops_defs.domain.schedule import Schedule

SCHEMA_NAME = "A schema of the warehouse: small letters a to z, digits and _, at most 63, and no digit first"
SchemaName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$", description=SCHEMA_NAME)]
CUSTOMER_360: dict[str, Any] = {
    "name": "customer_360_datamart",
    "query": "SELECT c.customer_id, c.name, c.email, COUNT(o.order_id) as total_orders, SUM(o.amount) as total_spent "
    "FROM customers c LEFT JOIN orders o ON c.customer_id = o.customer_id GROUP BY c.customer_id, c.name, c.email",
    "type": "materialized_view",
    "refresh_strategy": "on_demand",
    "schema": "analytics",
    "description": "Customer 360 view with order aggregations",
    "metadata": {"owner": "data-team", "update_frequency": "daily"},
}
REFRESHED: dict[str, Any] = {
    "datamart_name": "customer_360_datamart",
    "refresh_id": "refresh_xyz789",
    "status": "completed",
    "rows_refreshed": 125430,
    "size_mb": 45.2,
    "refresh_duration_seconds": 23.5,
    "refreshed_at": "2024-06-30T11:05:00Z",
    "method": "concurrently",
    "method_reason": "Only rows that differ were written, by a unique index made on customer_id, name, email",
}
SCHEDULED: dict[str, Any] = {
    "datamart_name": "customer_360_datamart",
    "schedule_id": "sched_abc123",
    "cron_expression": "0 2 * * *",
    "next_run": "2024-07-01T02:00:00Z",
    "status": "scheduled",
}
MEGABYTE = 1024 * 1024


def public_id(prefix: str, id: str) -> str:
    """An id as document 000 prints it: ``dm_…``, ``sched_…``."""
    return f"{prefix}_{id.replace('-', '')}"


def megabytes(size: int) -> float:
    """Bytes in megabytes of 1,048,576, to two digits."""
    return round(size / MEGABYTE, 2)


class Snake(BaseModel):
    """Answers of document 000."""

    model_config = ConfigDict(populate_by_name=True)


class DatamartCreate(BaseModel):
    """A new datamart. Source: document 000, "Create Datamart"."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra={"examples": [CUSTOMER_360]})
    name: str = Field(
        max_length=200, pattern=r"^[\w-]+$", description="Letters of any script, digits, _ and -; names the table"
    )
    query: str = Field(min_length=1, max_length=100_000)
    type: DatamartType
    refresh_strategy: RefreshStrategy = RefreshStrategy.ON_DEMAND
    schema_name: SchemaName = Field(default="analytics", alias="schema")
    description: str | None = Field(default=None, max_length=4000)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class DatamartCreated(Snake):
    """The answer to a creation; a refresh fills the datamart."""

    datamart_id: str
    name: str
    type: str
    schema_name: str = Field(alias="schema")
    status: str = "created"
    rows_count: int = 0
    size_mb: float = 0
    created_at: Moment
    refresh_required: bool = True

    @classmethod
    def of(cls, row: DatamartRow) -> Self:
        """The form of a new row."""
        return cls(
            datamart_id=public_id("dm", row.id),
            name=row.name,
            type=str(row.type),
            schema_name=row.schema,
            created_at=row.created_at,
        )


class DatamartDefined(DatamartCreated):
    """The same, and what there is to know before the first refresh."""

    note: str | None = None


class RefreshRequest(BaseModel):
    """How to refresh; left out, ``concurrent`` is as the datamart was scheduled, else false.

    With it only the rows that differ are written, where the datamart has a unique key. Readers wait for moments at most
    either way, but for a materialized view without a key that others are built on: ``method`` says so.
    """

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"schema": "analytics", "concurrent": True}]},
    )
    schema_name: SchemaName | None = Field(default=None, alias="schema")
    concurrent: StrictBool | None = None


class Refreshed(Snake):
    """A finished refresh."""

    model_config = ConfigDict(json_schema_extra={"examples": [REFRESHED]})
    datamart_name: str
    refresh_id: str
    status: str
    rows_refreshed: int
    size_mb: float
    refresh_duration_seconds: float
    refreshed_at: Moment
    method: RefreshMethod
    method_reason: str


class Refreshing(Snake):
    """A refresh that goes on."""

    datamart_name: str
    refresh_id: str
    status: str = "running"
    status_url: str


class ScheduleRequest(BaseModel):
    """When to refresh. ``concurrent`` is taken by every refresh that does not say otherwise."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"schedule": "0 2 * * *", "schema": "analytics", "concurrent": True}]},
    )
    schedule: str = Field(min_length=1, max_length=100, description="Cron line of five fields, in UTC")
    schema_name: SchemaName | None = Field(default=None, alias="schema")
    concurrent: StrictBool = False


class DatamartScheduled(Snake):
    """A datamart that refreshes by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [SCHEDULED]})
    datamart_name: str
    schedule_id: str
    cron_expression: str
    next_run: Moment
    status: str = "scheduled"
    concurrent: bool

    @classmethod
    def of(cls, row: DatamartRow, schedule: ScheduleRow) -> "DatamartScheduled":
        """The form of a datamart and its schedule."""
        return cls(
            datamart_name=row.name,
            schedule_id=public_id("sched", schedule.id),
            cron_expression=schedule.cron,
            next_run=Schedule(schedule.cron, schedule.timezone).next_after(now()),
            concurrent=row.refresh_concurrently,
        )


class ColumnStatistics(Snake):
    """What PostgreSQL's sample tells of a column."""

    null_fraction: float
    distinct_values: int


class DatamartOut(Snake):
    """A datamart in the list; ``schedule`` and what belongs to it only for one that has one."""

    name: str
    type: str
    schema_name: str = Field(alias="schema")
    rows_count: int
    size_mb: float
    last_refresh: Moment | None
    refresh_strategy: str
    schedule: str | None = None
    schedule_status: str | None = Field(default=None, description="active, or paused, in Dagster or here")
    next_run: Moment | None = None
    datamart_id: str
    description: str | None = None
    status: str = Field(
        description="created, ready, failed: its last refresh did, or missing: what it was filled with was dropped"
    )
    last_error: str | None = None
    current_version: str | None = None
    statistics: dict[str, ColumnStatistics] | None = Field(default=None, description="By column; sampled")

    @classmethod
    def of(
        cls,
        row: DatamartRow,
        schedule: ScheduleRow | None,
        version: str | None,
        statistics: dict[str, ColumnStatistics] | None,
        lost: str | None,
    ) -> "DatamartOut":
        """The form of a row and what belongs to it; ``lost`` says why its rows are not there any more."""
        filled, failed = row.last_refreshed_at is not None, row.last_error or row.problem
        made = cls(
            name=row.name,
            type=str(row.type),
            schema_name=row.schema,
            rows_count=0 if lost else row.rows_count,
            size_mb=0 if lost else megabytes(row.size_bytes),
            last_refresh=row.last_refreshed_at,
            refresh_strategy=str(row.refresh_strategy),
            datamart_id=public_id("dm", row.id),
            description=row.description,
            status="failed" if failed else "missing" if lost else "ready" if filled else "created",
            last_error=failed or lost,
            current_version=version,
            statistics=statistics,
        )
        if schedule is not None:
            made.schedule, made.schedule_status = schedule.cron, "active" if schedule.enabled else "paused"
            if schedule.enabled:
                made.next_run = Schedule(schedule.cron, schedule.timezone).next_after(now())
        return made


class DatamartList(Snake):
    """All datamarts."""

    datamarts: list[DatamartOut]
    total: int


class DatamartDetail(DatamartOut):
    """One datamart in full."""

    created_at: Moment
    query: str
    columns: list[dict[str, Any]] = Field(description="Of its last refresh; before it, those that it will have")
    reads: list[str] = Field(description="Tables and views that its query reads")
    last_method: RefreshMethod | None = Field(description="How its last refresh put the rows in place")
    concurrent: bool = Field(description="How it is refreshed where a request does not say")
    versions_count: int
    metadata: dict[str, Any]


class DatamartPreview(Snake):
    """The first rows of a datamart; of one that was never filled the columns that it will have, and no rows."""

    datamart_name: str
    schema_name: str = Field(alias="schema")
    columns: list[str]
    column_types: dict[str, str]
    data: list[dict[str, Any]]
    rows_returned: int
    total_rows: int


class DatamartDeleted(Snake):
    """What was deleted; tables and views stay in the warehouse (``kept``) unless they are ``dropping``."""

    datamart_name: str
    status: str = "deleted"
    deleted: list[str] = Field(description="Names of all datamarts that were deleted")
    dropping: list[str] = Field(description="Tables and views that an execution of its own drops")
    kept: list[str] = Field(default=[], description="Tables and views that stay in the warehouse")
    note: str | None = Field(default=None, description="How to drop what is kept")
    status_url: str | None = Field(default=None, description="Where that execution is looked at")
