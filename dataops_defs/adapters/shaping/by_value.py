"""Properties value by value: assembled from their parts, fitted, and checked. What columns cannot prove ends here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

from dataops_defs.adapters.json_schema import ObjectValidator
from dataops_defs.adapters.shaping.picking import read_nested
from dataops_defs.domain.fitting import BIGINT, NUMBER, cannot_store, fit
from dataops_defs.domain.mapping import PropertyMapping, nested_schema, root_of
from dataops_defs.domain.object_type import ObjectType, column_type, fitted_to


@dataclass(frozen=True)
class Part:
    """What one entry of a mapping makes: a property, or a value inside of one."""

    name: str
    mapping: PropertyMapping
    column_type: str
    fitted_to: str

    @property
    def way(self) -> list[str]:
        """The names that lead to it below the property."""
        return self.name.split(".")[1:]


@dataclass(frozen=True)
class Root:
    """A property with the parts it is made of."""

    name: str
    column_type: str
    parts: Sequence[Part]

    @property
    def plain(self) -> bool:
        """Whether it is mapped as a whole."""
        return self.parts[0].name == self.name

    def made(self, values: Mapping[str, Sequence[Any]]) -> tuple[Sequence[Any], Sequence[Any]]:
        """Its values as they are stored, and as the schema sees them, of the values of its parts."""
        made = [_fitted(part, values[part.name]) for part in self.parts]
        if self.plain:
            return made[0]
        exact = [
            [_exact(value) for value in stored] if part.column_type in ("numeric", "bigint") else stored
            for part, (stored, _) in zip(self.parts, made, strict=True)
        ]
        return self._assembled(exact), self._assembled([seen for _, seen in made])

    def _assembled(self, columns: Sequence[Sequence[Any]]) -> list[dict[str, Any] | None]:
        ways = [part.way for part in self.parts]
        found: list[dict[str, Any] | None] = []
        for row in zip(*columns, strict=True):
            whole: dict[str, Any] = {}
            for way, value in zip(ways, row, strict=True):
                if value is not None:
                    inner = whole
                    for name in way[:-1]:
                        inner = inner.setdefault(name, {})
                    inner[way[-1]] = value
            found.append(whole or None)
        return found

    def array(self, stored: Sequence[Any]) -> pa.Array:
        """Values as PostgreSQL takes them: text, or typed."""
        if self.column_type == "bigint":
            return pa.array(stored, pa.int64())
        if self.column_type == "boolean":
            return pa.array(stored, pa.bool_())
        if self.column_type == "jsonb":
            return pa.array([None if each is None else _json(each) for each in stored], pa.string())
        if self.column_type == "numeric":
            return pa.array([None if each is None else str(each) for each in stored], pa.string())
        return pa.array(stored, pa.string())

    def unstorable(self, seen: Sequence[Any]) -> list[tuple[int, str]]:
        """The places of values that PostgreSQL could not hold, and why; those values are right by their schema."""
        if self.column_type in ("numeric", "boolean"):
            return []
        if self.column_type in ("text", "jsonb"):
            nul = "holds a NUL character, which PostgreSQL cannot keep"
            return [(row, nul) for row, value in enumerate(seen) if value is not None and _holds_nul(value)]
        return [
            (row, reason)
            for row, value in enumerate(seen)
            if value is not None and (reason := cannot_store(value, self.column_type))
        ]


def _fitted(part: Part, given: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    default = part.mapping.default
    values = given if default is None else [default if value is None else value for value in given]
    if part.fitted_to == "nested":
        nested = [_nested(value) for value in values]
        return nested, nested
    # Text that stands for an exact number is stored as it is; the number is what the schema sees.
    stored = values if part.column_type == "numeric" else fit(values, part.fitted_to)
    return stored, fit(stored, part.fitted_to)


def _nested(value: Any) -> Any:
    """The list or object that a JSON text describes; everything else is left as it is."""
    if not (isinstance(value, str) and value.lstrip()[:1] in ("[", "{")):
        return value
    try:
        return read_nested(value)
    except ValueError:
        return value


def _exact(value: Any) -> Any:
    """A number that is given as text, or is a long one, with all its digits inside of JSON."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return orjson.Fragment(str(Decimal(value.strip())))
    return orjson.Fragment(str(value)) if type(value) is int and not -BIGINT <= value < BIGINT else value


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a whole number of more than 64 bits
        return json.dumps(value, ensure_ascii=False)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    return isinstance(value, dict | list) and "\\u0000" in _json(value)


def roots_of(kind: ObjectType, mappings: Mapping[str, PropertyMapping]) -> list[Root]:
    """The properties that a mapping writes, in its order."""
    parts: dict[str, list[Part]] = {}
    for name, each in mappings.items():
        schema = nested_schema(kind, name) or {}
        part = Part(name, each, column_type(schema, kind.schema), fitted_to(schema, kind.schema))
        parts.setdefault(root_of(name), []).append(part)
    return [Root(name, column_type(kind.properties[name], kind.schema), found) for name, found in parts.items()]


def objects_of(seen: Mapping[str, Sequence[Any]], rows: int) -> list[dict[str, Any]]:
    """Objects without their empty properties: null means absent."""
    names = list(seen)
    if not names:
        return [{} for _ in range(rows)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*seen.values(), strict=True)
    ]


def validator_of(kind: ObjectType, name: str, schema: Mapping[str, Any]) -> ObjectValidator:
    """The rules of one property, or of a value inside of one, under a name of its own."""
    more = {word: kind.schema[word] for word in ("$defs", "definitions") if word in kind.schema}
    others = kind.properties if _refers_elsewhere(schema) else {}
    return ObjectValidator({"type": "object", "properties": {**others, name: schema}, **more})


def _refers_elsewhere(schema: Any) -> bool:
    """Whether a schema refers to another property's (``#/properties/…``)."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith(("#/$defs/", "#/definitions/")):
            return True
        return any(map(_refers_elsewhere, schema.values()))
    return isinstance(schema, list) and any(map(_refers_elsewhere, schema))
