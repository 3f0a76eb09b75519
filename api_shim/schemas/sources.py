"""Sources of document 004."""

from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from api_shim.schemas.base import App, DefinitionOut, Description, Moment, Name, Owner, Reply, Request
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.domain.source import CONNECTIONS, SourceType

AIRCRAFT: dict[str, Any] = {
    "name": "Aircraft Master DB",
    "type": "postgres",
    "connection": {
        "host": "db.example.com",
        "port": 5432,
        "database": "aircraft",
        "username": "reader",
        "password": "secret",
    },
}
SETTINGS = "; ".join(f"{kind}: {', '.join(each.names())}" for kind, each in CONNECTIONS.items())
CONNECTION = f"{SETTINGS}. A secret setting may be secret:NAME"


class SourceCreate(Request):
    """A new source."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name
    type: str = Field(max_length=50, description=", ".join(SourceType))
    connection: dict[str, JsonValue] = Field(description=CONNECTION)
    app: App = "default"
    description: Description | None = None
    owner: Owner | None = None


class SourceTest(Request):
    """An unsaved source to be tested; the fields that are only kept may be sent too."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name | None = None
    type: str = Field(max_length=50)
    connection: dict[str, JsonValue] = Field(description=CONNECTION)
    app: App | None = None
    description: Description | None = None
    owner: Owner | None = None


class SourceChange(Request):
    """A changed source. ``connection`` is merged: what is left out stays (passwords too), null clears."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Aircraft Master", "connection": {"database": "aircraft_v2"}}]}
    )
    name: Name | None = None
    connection: dict[str, JsonValue] | None = Field(default=None, description=CONNECTION)
    description: Description | None = None
    owner: Owner | None = None


class SourceOut(DefinitionOut):
    """A source; its secrets never leave."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f3a1-0000-7000-8000-000000000001",
                    "name": "Aircraft Master DB",
                    "type": "postgres",
                    "connection": {
                        "host": "db.example.com",
                        "port": 5432,
                        "database": "aircraft",
                        "username": "reader",
                    },
                    "secretFields": ["password"],
                    "secretReferences": {"password": "AIRCRAFT_DB"},
                    "restricted": False,
                    "status": "active",
                    "app": "default",
                    "createdAt": "2025-11-02T10:00:00.000Z",
                    "updatedAt": "2025-11-02T10:00:00.000Z",
                }
            ]
        }
    )
    type: str
    connection: dict[str, Any]
    secret_fields: list[str] = Field(description="Settings that are stored sealed and not shown")
    secret_references: dict[str, str] = Field(description="Those among them that are secrets by name")
    restricted: bool = Field(description="Its grants say who may see and use it")
    status: str = Field(description="active, inactive or error, by the last test")
    last_tested: Moment | None = None
    last_error: str | None = None

    @classmethod
    def of(cls, row: SourceRow) -> "SourceOut":
        """The form of a source row."""
        return cls.from_row(
            row,
            *("type", "connection", "status", "last_error", "restricted"),
            secret_fields=[name for name in row.secret_fields.split(",") if name],
            secret_references={field: each["secret"] for field, each in row.secret_references.items()},
            last_tested=row.last_tested_at,
        )


class TestResult(Reply):
    """How a test went. Source: DECISIONS 22."""

    __test__ = False
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": True,
                    "message": "PostgreSQL 17.2 answered",
                    "latencyMs": 12.4,
                    "testedAt": "2025-11-02T10:00:00.000Z",
                }
            ]
        }
    )
    success: bool
    message: str
    latency_ms: float
    tested_at: Moment
