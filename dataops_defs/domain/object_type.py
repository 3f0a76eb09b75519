"""An object type of the ontology: a JSON Schema with a key, kept as one typed table of the warehouse or of DynamoDB."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataops_defs.domain.columns import SYSTEM_COLUMN_NAMES
from dataops_defs.domain.schema_words import property_type, resolved
from dataops_defs.errors import FieldProblem, Invalid

PROPERTY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
KEY_TYPES = ("string", "integer")
MAX_PROPERTIES = 500
MAX_INDEXED = 16
INDEXED_TYPES = ("string", "integer", "number", "boolean")
POSTGRES = "postgres"
SCHEMA = "objects"
"""The schema of the warehouse that holds the types' tables."""
DYNAMODB = "dynamodb:"
# Source: Amazon DynamoDB Developer Guide, "Naming rules and data types".
DYNAMODB_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


def dynamodb_table(store: str) -> str | None:
    """The DynamoDB table that a store names; None for the warehouse."""
    return store.removeprefix(DYNAMODB) if store.startswith(DYNAMODB) else None


@dataclass(frozen=True)
class ObjectType:
    """A type of objects. ``schema`` is JSON Schema with one ``properties`` entry for each property.

    A property may carry ``x-references`` (the name of another object type): its values should be keys there,
    and a check counts those that are not; and ``x-index: true``: objects are found and sorted fast by it.
    ``version`` counts the schemas that the type has had.
    """

    id: str
    name: str
    slug: str
    app: str
    schema: Mapping[str, Any]
    key_field: str
    store: str = POSTGRES
    description: str | None = None
    version: int = 1

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """Property name -> its JSON Schema."""
        found: Mapping[str, Mapping[str, Any]] = self.schema["properties"]
        return found

    @property
    def references(self) -> Mapping[str, str]:
        """Property name -> slug of the object type that its values should be keys of."""
        return {name: each["x-references"] for name, each in self.properties.items() if "x-references" in each}

    @property
    def dynamodb_table(self) -> str | None:
        """Name of the DynamoDB table that holds the objects; None when they are in the warehouse."""
        return dynamodb_table(self.store)

    @property
    def address(self) -> str:
        """Where the objects live: ``objects.<slug>`` in the warehouse, or ``dynamodb:<table>``."""
        return f"{SCHEMA}.{self.slug}" if self.dynamodb_table is None else self.store


SQL_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "numeric",
    "boolean": "boolean",
    "object": "jsonb",
    "array": "jsonb",
}
SQL_FORMATS = {"date": "date", "date-time": "timestamp with time zone"}


def column_type(schema: Mapping[str, Any], root: Mapping[str, Any] = {}) -> str:
    """PostgreSQL type of a property's column; what JSON Schema leaves open is kept as jsonb.

    Args:
        root: the whole schema, for references to its definitions.
    """
    plain = resolved(schema, root)
    kind = property_type(plain)
    if kind == "string":
        return SQL_FORMATS.get(str(plain.get("format")), "text")
    return SQL_TYPES.get(kind, "jsonb")


def fitted_to(schema: Mapping[str, Any], root: Mapping[str, Any] = {}) -> str:
    """What values of a property are fitted to: its column's type, or ``time`` and ``nested``, which no type tells."""
    plain = resolved(schema, root)
    kind = property_type(plain)
    if kind in ("array", "object"):
        return "nested"
    return "time" if kind == "string" and plain.get("format") == "time" else column_type(plain, root)


def check_object_type(schema: Mapping[str, Any], key_field: str, store: str) -> None:
    """Refuse a schema that cannot become a table with a key.

    Raises:
        Invalid: no properties, ill-formed names, a key field that is missing or no text or whole number, a store
            that is not served.
    """
    problems = list(_schema_problems(schema))
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        problems += _key_problems(schema, properties, key_field)
        if not problems:
            problems += _mark_problems(schema, properties, store)
    if store != POSTGRES and not (store.startswith(DYNAMODB) and DYNAMODB_TABLE.fullmatch(store, len(DYNAMODB))):
        problems.append(FieldProblem("store", f"'{store[:60]}' is not served; use 'postgres' or 'dynamodb:<table>'"))
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
    problems = [
        FieldProblem(f"schema.properties.{name[:60]}", reason)
        for name, each in properties.items()
        if (reason := _property_problem(name, each))
    ]
    return [*problems, *_required_problems(schema.get("required"), properties)]


def _required_problems(required: object, properties: Mapping[str, Any]) -> list[FieldProblem]:
    """No row could become an object that must have what its type does not know."""
    names = required if isinstance(required, list) else []
    unknown = [name for name in names if isinstance(name, str) and name not in properties]
    return [FieldProblem("schema.required", f"'{name[:60]}' is not one of the schema's properties") for name in unknown]


def _property_problem(name: str, schema: object) -> str | None:
    if not PROPERTY_NAME.fullmatch(name):
        return "must be letters, digits and _, beginning with a letter, at most 60"
    if name.lower() in SYSTEM_COLUMN_NAMES:
        return "is a name that PostgreSQL keeps for itself; use another"
    if not isinstance(schema, Mapping):
        return "must be a JSON Schema object"
    return None


def _key_problems(schema: Mapping[str, Any], properties: Mapping[str, Any], key_field: str) -> list[FieldProblem]:
    if key_field not in properties:
        return [FieldProblem("keyField", f"'{key_field[:60]}' is not one of the schema's properties")]
    key = properties[key_field]
    if isinstance(key, Mapping) and property_type(resolved(key, schema)) not in KEY_TYPES:
        return [FieldProblem("keyField", f"'{key_field}' must be of type string or integer")]
    return []


def _mark_problems(schema: Mapping[str, Any], properties: Mapping[str, Any], store: str) -> list[FieldProblem]:
    """What is wrong with ``x-index`` and ``x-references``."""
    problems = []
    marked = [name for name, each in properties.items() if each.get("x-index") is not None]
    for name in marked:
        field_name = f"schema.properties.{name}.x-index"
        if not isinstance(properties[name]["x-index"], bool):
            problems.append(FieldProblem(field_name, "must be true or false"))
        elif property_type(resolved(properties[name], schema)) not in INDEXED_TYPES:
            problems.append(FieldProblem(field_name, "is for texts, numbers, truth values and times only"))
        elif store != POSTGRES and properties[name]["x-index"]:
            problems.append(FieldProblem(field_name, "is served in PostgreSQL only"))
    if len(marked) > MAX_INDEXED:
        problems.append(FieldProblem("schema.properties", f"at most {MAX_INDEXED} may be marked x-index"))
    return [*problems, *_reference_problems(properties, store)]


def _reference_problems(properties: Mapping[str, Any], store: str) -> Iterator[FieldProblem]:
    """What is wrong with ``x-references``; the type that it names may be made later."""
    for name, each in properties.items():
        if "x-references" not in each:
            continue
        field_name = f"schema.properties.{name}.x-references"
        if store != POSTGRES:
            yield FieldProblem(field_name, "is checked in PostgreSQL only")
        elif not isinstance(each["x-references"], str) or not each["x-references"]:
            yield FieldProblem(field_name, "must be the name of an object type")


@dataclass(frozen=True)
class ObjectTable:
    """The table of an object type: its columns in the order of the schema, the key, and what is indexed beside it."""

    schema: str
    table: str
    key: str
    columns: Mapping[str, str] = field(default_factory=dict)
    indexed: Sequence[str] = ()


def table_of(kind: ObjectType) -> ObjectTable:
    """Where the objects of a type live: ``objects.<slug>``, a column for each property.

    Objects in DynamoDB are staged in columns of the same types.
    """
    columns = {name: column_type(each, kind.schema) for name, each in kind.properties.items()}
    indexed = [name for name, each in kind.properties.items() if each.get("x-index") is True and name != kind.key_field]
    return ObjectTable(SCHEMA, kind.slug, kind.key_field, columns, indexed)
