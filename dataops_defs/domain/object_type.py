"""An object type of the ontology: a JSON Schema with a key, kept as one typed table of the warehouse."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataops_defs.errors import FieldProblem, Invalid

PROPERTY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
KEY_TYPES = ("string", "integer")
MAX_PROPERTIES = 500
RESERVED = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


@dataclass(frozen=True)
class ObjectType:
    """A type of objects. ``schema`` is JSON Schema with one ``properties`` entry for each property.

    A property may carry ``x-references`` (the name of another object type): its values should be keys there,
    and a check counts those that are not.
    """

    id: str
    name: str
    slug: str
    app: str
    schema: Mapping[str, Any]
    key_field: str
    store: str = "postgres"
    description: str | None = None

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """Property name -> its JSON Schema."""
        found: Mapping[str, Mapping[str, Any]] = self.schema["properties"]
        return found

    @property
    def references(self) -> Mapping[str, str]:
        """Property name -> slug of the object type that its values should be keys of."""
        return {name: each["x-references"] for name, each in self.properties.items() if "x-references" in each}


SQL_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "object": "jsonb",
    "array": "jsonb",
}
SQL_FORMATS = {"date": "date", "date-time": "timestamp with time zone"}


def property_type(schema: Mapping[str, Any]) -> str:
    """The JSON type of a property, ``null`` set aside; ``any`` when there are several or none is named."""
    declared = schema.get("type")
    kinds = [kind for kind in (declared if isinstance(declared, list) else [declared]) if kind != "null"]
    return str(kinds[0]) if len(kinds) == 1 and kinds[0] in SQL_TYPES else "any"


def column_type(schema: Mapping[str, Any]) -> str:
    """PostgreSQL type of a property's column; what JSON Schema leaves open is kept as jsonb."""
    kind = property_type(schema)
    if kind == "string":
        return SQL_FORMATS.get(str(schema.get("format")), "text")
    return SQL_TYPES.get(kind, "jsonb")


def check_object_type(schema: Mapping[str, Any], key_field: str, store: str) -> None:
    """Refuse a schema that cannot become a table with a key.

    Raises:
        Invalid: no properties, ill-formed names, a key field that is missing or no text or whole number, a store
            that is not served.
    """
    problems = list(_schema_problems(schema))
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        if key_field not in properties:
            problems.append(FieldProblem("keyField", f"'{key_field[:60]}' is not one of the schema's properties"))
        elif property_type(properties[key_field]) not in KEY_TYPES:
            problems.append(FieldProblem("keyField", f"'{key_field}' must be of type string or integer"))
    if store != "postgres":
        problems.append(FieldProblem("store", f"'{store[:60]}' is not served yet; use 'postgres'"))
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)


def _schema_problems(schema: Mapping[str, Any]) -> list[FieldProblem]:
    if schema.get("type", "object") != "object":
        return [FieldProblem("schema.type", "must be 'object'")]
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return [FieldProblem("schema.properties", "must name at least one property")]
    if len(properties) > MAX_PROPERTIES:
        return [FieldProblem("schema.properties", f"must not be more than {MAX_PROPERTIES}")]
    return [
        FieldProblem(f"schema.properties.{name[:60]}", reason)
        for name, each in properties.items()
        if (reason := _property_problem(name, each))
    ]


def _property_problem(name: str, schema: object) -> str | None:
    if not PROPERTY_NAME.fullmatch(name):
        return "must be letters, digits and _, beginning with a letter, at most 60"
    if name.lower() in RESERVED:
        return "is a name that PostgreSQL keeps for itself; use another"
    if not isinstance(schema, Mapping):
        return "must be a JSON Schema object"
    return None


def check_change(old: ObjectType, schema: Mapping[str, Any], key_field: str) -> None:
    """Refuse a change that objects already written could not follow: another key, another column type.

    Raises:
        Invalid: with the property and both types.
    """
    if key_field != old.key_field:
        raise Invalid.field("keyField", f"cannot change from '{old.key_field}': objects are matched by it")
    for name, each in old.properties.items():
        new = schema["properties"].get(name)
        if new is not None and column_type(new) != column_type(each):
            raise Invalid.field(
                f"schema.properties.{name}",
                f"cannot change from {column_type(each)} to {column_type(new)}; add another property instead",
            )


@dataclass(frozen=True)
class ObjectTable:
    """The table of an object type: its columns in the order of the schema, and the key."""

    schema: str
    table: str
    key: str
    columns: Mapping[str, str] = field(default_factory=dict)


def table_of(kind: ObjectType) -> ObjectTable:
    """Where the objects of a type live: ``objects.<slug>``, a column for each property."""
    columns = {name: column_type(each) for name, each in kind.properties.items()}
    return ObjectTable("objects", kind.slug, kind.key_field, columns)
