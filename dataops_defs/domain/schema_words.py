"""Reading JSON Schema: what a property is in the end, references followed and null set aside."""

from collections.abc import Mapping
from typing import Any

TYPES = ("string", "integer", "number", "boolean", "object", "array")
MAX_STEPS = 50


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with its references followed (words beside a ``$ref`` are added), and without the choice of null.

    ``{"anyOf": [{"type": "string"}, {"type": "null"}]}``, as generators write what is optional, is a string.
    """
    for _ in range(MAX_STEPS):
        if isinstance(schema.get("$ref"), str):
            target = pointed_at(root, schema["$ref"])
            schema = {**target, **{word: value for word, value in schema.items() if word != "$ref"}}
        elif (only := _only_choice(schema)) is not None:
            schema = {**only, **{word: value for word, value in schema.items() if word not in ("anyOf", "oneOf")}}
        else:
            return schema
    return {}


def pointed_at(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """What a reference inside the schema (``#/$defs/address``) stands for; empty when there is nothing.

    Source: RFC 6901, sections 4 and 6.
    """
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) and reference.startswith("#") else {}


def property_type(schema: Mapping[str, Any]) -> str:
    """The JSON type of a resolved schema, ``null`` set aside; ``any`` when there are several or none is named."""
    declared = schema.get("type")
    kinds = [kind for kind in (declared if isinstance(declared, list) else [declared]) if kind != "null"]
    return str(kinds[0]) if len(kinds) == 1 and kinds[0] in TYPES else "any"


def admits_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether null is one of the values that a schema names."""
    for _ in range(MAX_STEPS):
        if not isinstance(schema.get("$ref"), str):
            break
        schema = pointed_at(root, schema["$ref"])
    declared = schema.get("type")
    if declared == "null" or (isinstance(declared, list) and "null" in declared):
        return True
    return any(isinstance(each, Mapping) and each.get("type") == "null" for each in _choices(schema))


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    found = schema.get("anyOf", schema.get("oneOf"))
    return found if isinstance(found, list) else []


def _only_choice(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = _choices(schema)
    others = [each for each in choices if isinstance(each, Mapping) and each.get("type") != "null"]
    return others[0] if len(others) == 1 and len(choices) == 2 else None
