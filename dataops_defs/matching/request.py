"""Columns and properties from what a request, a preview or a JSON Schema says of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataops_defs.domain.columns import Column
from dataops_defs.matching.fields import SourceField, TargetField

DEEPEST = 5
LONGEST = 200


def sources_of(columns: Sequence[Mapping[str, Any]]) -> list[SourceField]:
    """Columns from ``[{name, type, samples}]``; of two with one name the first counts."""
    found: dict[str, SourceField] = {}
    for each in columns:
        samples = tuple(str(value)[:LONGEST] for value in each.get("samples") or () if value is not None)
        found.setdefault(each["name"], SourceField(each["name"], each.get("type") or "", samples))
    return list(found.values())


def sources_of_rows(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[SourceField]:
    """Columns with the values of some rows as samples."""
    named = [{"name": each.name, "type": each.type, "samples": _different(rows, each.name)} for each in columns]
    return sources_of(named)


def _different(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    values = (row.get(name) for row in rows)
    return list(dict.fromkeys(str(value) for value in values if value is not None))


def targets_of(properties: Sequence[Mapping[str, Any]]) -> list[TargetField]:
    """Properties from ``[{name, type, description}]``; of two with one name the first counts."""
    found: dict[str, TargetField] = {}
    for each in properties:
        name = each["name"]
        found.setdefault(name, TargetField(name, each.get("type") or "", each.get("description") or ""))
    return list(found.values())


def targets_of_schema(schema: Mapping[str, Any]) -> list[TargetField]:
    """The properties of a JSON Schema; those of nested objects by dotted paths, ``address.city``."""
    return list(_below("", schema, 1))


def _below(path: str, schema: Mapping[str, Any], depth: int) -> Iterator[TargetField]:
    for name, each in schema.get("properties", {}).items():
        if not isinstance(each, Mapping):
            continue
        if depth < DEEPEST and isinstance(each.get("properties"), Mapping) and each["properties"]:
            yield from _below(f"{path}{name}.", each, depth + 1)
        else:
            yield _target(path + name, each)


def _target(name: str, schema: Mapping[str, Any]) -> TargetField:
    declared = schema.get("type", "")
    types = [str(each) for each in declared if each != "null"] if isinstance(declared, list) else [str(declared)]
    told = [str(schema[word]) for word in ("title", "description") if schema.get(word)]
    choices = schema.get("enum")
    return TargetField(
        name,
        " ".join(types),
        ". ".join(told),
        str(schema.get("format", "")),
        tuple(str(each) for each in choices if each is not None) if isinstance(choices, list) else (),
    )
