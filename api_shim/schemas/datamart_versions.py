"""Versioned datamarts of document 000; the request is printed, the answers are ours."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from api_shim.schemas.base import Moment
from api_shim.schemas.datamarts import DatamartCreated, SchemaName, Snake, megabytes, public_id
from dataops_defs.catalogue.datamart_rows import DatamartVersionRow
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import VersionStatus

SEGMENTS: dict[str, Any] = {
    "name": "customer_segments_v2",
    "query": "SELECT * FROM ml_model_predictions WHERE model_version = 'v2'",
    "schema": "analytics",
    "version": "v2",
    "retention_days": 90,
}
VersionName = Field(min_length=1, max_length=40, pattern=r"^[\w.-]+$", description="Letters, digits, _, . and -")


class VersionedCreate(BaseModel):
    """A new version, and the datamart that shows it. Source: document 000, "Create Versioned Datamart"."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, json_schema_extra={"examples": [SEGMENTS]})
    name: str = Field(
        max_length=200, pattern=r"^[\w-]+$", description="Letters of any script, digits, _ and -; names the view"
    )
    query: str = Field(min_length=1, max_length=100_000)
    schema_name: SchemaName = Field(default="analytics", alias="schema")
    version: str = VersionName
    retention_days: StrictInt | None = Field(default=None, ge=1, le=36_500, description="Kept for ever when left out")
    description: str | None = Field(default=None, max_length=4000)


class VersionedCreated(DatamartCreated):
    """A version that is there: its rows do not change any more."""

    version: str
    retention_days: int | None
    expires_at: Moment | None = Field(description="It ends then, unless it is the current one")
    view: str = Field(description="Shows the current version")
    table: str = Field(description="Holds this version")
    current: bool

    @classmethod
    def of_version(cls, row: DatamartRow, version: DatamartVersionRow) -> "VersionedCreated":
        """The form of a version and its datamart."""
        return cls(
            datamart_id=public_id("dm", row.id),
            name=row.name,
            type=str(row.type),
            schema_name=row.schema,
            rows_count=version.rows_count,
            size_mb=megabytes(version.size_bytes),
            created_at=version.created_at,
            refresh_required=False,
            version=version.version,
            retention_days=version.retention_days,
            expires_at=version.expires_at,
            view=f"{row.schema}.{row.slug}",
            table=f"{row.schema}.{version.table}",
            current=row.current_version_id == version.id,
        )


class VersionPending(Snake):
    """A version that is being built or shown."""

    name: str
    version: str
    status: str = "running"
    status_url: str


class VersionOut(Snake):
    """A version in the list."""

    version: str
    status: VersionStatus
    current: bool
    table: str
    rows_count: int
    size_mb: float
    created_at: Moment
    retention_days: int | None
    expires_at: Moment | None
    error: str | None = None

    @classmethod
    def of(cls, row: DatamartRow, version: DatamartVersionRow) -> "VersionOut":
        """The form of a version."""
        return cls(
            version=version.version,
            status=version.status,
            current=row.current_version_id == version.id,
            table=f"{row.schema}.{version.table}",
            rows_count=version.rows_count,
            size_mb=megabytes(version.size_bytes),
            created_at=version.created_at,
            retention_days=version.retention_days,
            expires_at=version.expires_at,
            error=version.error,
        )


class VersionList(Snake):
    """All versions of a datamart, newest first."""

    datamart_name: str
    schema_name: str = Field(alias="schema")
    current_version: str | None
    versions: list[VersionOut]
    total: int


class RollbackRequest(BaseModel):
    """Which version to go back to; left out, the one made before the current one."""

    model_config = ConfigDict(
        extra="forbid", populate_by_name=True, json_schema_extra={"examples": [{"version": "v1"}]}
    )
    version: str | None = Field(default=None, min_length=1, max_length=40)
    schema_name: SchemaName | None = Field(default=None, alias="schema")


class RolledBack(Snake):
    """The version that is shown now."""

    datamart_name: str
    schema_name: str = Field(alias="schema")
    version: str
    previous_version: str | None
    status: str = "completed"
    rows_count: int
    rolled_back_at: Moment
