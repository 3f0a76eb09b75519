"""Object types of document 004. Source: DECISIONS 22."""

from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from api_shim.schemas.base import App, DefinitionOut, Description, Name, Owner, Reply, Request
from dataops_defs.catalogue.models import ObjectTypeRow

AIRCRAFT: dict[str, Any] = {
    "name": "aircraft",
    "description": "An aircraft by its tail number",
    "schema": {
        "type": "object",
        "required": ["tailNumber"],
        "properties": {
            "tailNumber": {"type": "string"},
            "manufacturer": {"type": "string"},
            "model": {"type": "string"},
            "yearBuilt": {"type": "integer"},
            "status": {"type": "string", "enum": ["active", "inactive"]},
            "lastInspection": {"type": "string", "format": "date-time"},
        },
    },
    "keyField": "tailNumber",
    "store": "postgres",
    "app": "default",
}
SCHEMA = "JSON Schema (2020-12) with one entry in properties for each property"


class ObjectTypeCreate(Request):
    """A new object type."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name
    description: Description | None = None
    json_schema: dict[str, JsonValue] = Field(alias="schema", description=SCHEMA)
    key_field: str = Field(max_length=60, description="The property that tells objects apart")
    store: str = Field(default="postgres", max_length=100)
    app: App = "default"
    owner: Owner | None = None


class ObjectTypeChange(Request):
    """A changed object type; properties may be added, their types stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "An aircraft of the fleet"}]})
    name: Name | None = None
    description: Description | None = None
    json_schema: dict[str, JsonValue] | None = Field(default=None, alias="schema", description=SCHEMA)
    key_field: str | None = Field(default=None, max_length=60)
    owner: Owner | None = None


class OntologyProperties(Reply):
    """The names document 004's code reads the schema and its table by."""

    json_schema: dict[str, Any] = Field(alias="schema")
    data_source: str


class ObjectTypeOut(DefinitionOut):
    """An object type."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    json_schema: dict[str, Any] = Field(alias="schema")
    key_field: str
    store: str
    properties: OntologyProperties

    @classmethod
    def of(cls, row: ObjectTypeRow) -> "ObjectTypeOut":
        """The form of an object type row."""
        properties = OntologyProperties(json_schema=row.schema, data_source=f"objects.{row.slug}")
        return cls.from_row(row, "key_field", "store", json_schema=row.schema, properties=properties)
