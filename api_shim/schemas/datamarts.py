"""Datamarts of document 000; snake_case, as printed."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from api_shim.schemas.base import Moment
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType, RefreshStrategy

SchemaName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Schema of the warehouse")]
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
}
MEGABYTE = 1024 * 1024


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
    def of(cls, row: DatamartRow) -> "DatamartCreated":
        """The form of a new row."""
        return cls(
            datamart_id=f"dm_{row.id.replace('-', '')}",
            name=row.name,
            type=str(row.type),
            schema_name=row.schema,
            created_at=row.created_at,
        )


class RefreshRequest(BaseModel):
    """How to refresh; readers are never blocked, so ``concurrent`` changes nothing they notice."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        json_schema_extra={"examples": [{"schema": "analytics", "concurrent": True}]},
    )
    schema_name: SchemaName | None = Field(default=None, alias="schema")
    concurrent: StrictBool = False


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


class Refreshing(Snake):
    """A refresh that goes on."""

    datamart_name: str
    refresh_id: str
    status: str = "running"
    status_url: str


class DatamartOut(Snake):
    """A datamart in the list; ``schedule`` only for one that has one."""

    name: str
    type: str
    schema_name: str = Field(alias="schema")
    rows_count: int
    size_mb: float
    last_refresh: Moment | None
    refresh_strategy: str
    schedule: str | None = None
    datamart_id: str
    description: str | None = None

    @classmethod
    def of(cls, row: DatamartRow, cron: str | None) -> "DatamartOut":
        """The form of a row and its cron line."""
        return cls(
            name=row.name,
            type=str(row.type),
            schema_name=row.schema,
            rows_count=row.rows_count,
            size_mb=megabytes(row.size_bytes),
            last_refresh=row.last_refreshed_at,
            refresh_strategy=str(row.refresh_strategy),
            schedule=cron,
            datamart_id=f"dm_{row.id.replace('-', '')}",
            description=row.description,
        )


class DatamartList(Snake):
    """All datamarts."""

    datamarts: list[DatamartOut]
    total: int


class DatamartPreview(Snake):
    """The first rows of a datamart."""

    datamart_name: str
    schema_name: str = Field(alias="schema")
    columns: list[str]
    data: list[dict[str, Any]]
    rows_returned: int
    total_rows: int
