"""Whether one JSON Schema accepts all that another one does: told by its words, and denied where it cannot be told."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from dataops_defs.domain.schema_guard import HINTS
from dataops_defs.domain.schema_words import TYPES, pointed_at

Schema = Mapping[str, Any] | bool
ANYTHING: Mapping[str, Any] = {}
# Words that say nothing about which values are accepted.
NOTES = frozenset(
    [
        "title",
        "description",
        "examples",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$defs",
        "definitions",
        "$id",
        "$schema",
        "contentMediaType",
        "contentEncoding",
        "contentSchema",
    ]
)
FLOORS = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"]
CEILINGS = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"]
# Each group means something together only.
GROUPS = (
    ("if", "then", "else"),
    ("contains", "minContains", "maxContains"),
    ("prefixItems",),
    ("oneOf",),
    ("not",),
    ("pattern",),
    ("format",),
    ("multipleOf",),
    ("propertyNames",),
    ("patternProperties",),
    ("dependentSchemas",),
    ("dependentRequired",),
    ("unevaluatedItems",),
    ("unevaluatedProperties",),
)


def plain(schema: Any, root: Mapping[str, Any]) -> Any:
    """A schema in a form that can be compared: notes left out, references and constants unfolded."""
    if not isinstance(schema, Mapping):
        return {} if schema is True else schema
    made = {word: _plain_word(word, value, root) for word, value in schema.items() if _counts(word, value)}
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if "$ref" not in made:
        return made
    target = plain(pointed_at(root, made.pop("$ref")), root)
    return {"allOf": [target, made]} if made else target


def _counts(word: str, value: Any) -> bool:
    hint = word == "format" and value in HINTS
    empty = word in ("additionalProperties", "items", "unevaluatedItems", "unevaluatedProperties") and value is True
    return not (word in NOTES or word.startswith("x-") or hint or empty)


def _plain_word(word: str, value: Any, root: Mapping[str, Any]) -> Any:
    if word in ("properties", "patternProperties", "dependentSchemas"):
        return {name: plain(each, root) for name, each in value.items()}
    if word in ("allOf", "anyOf", "oneOf", "prefixItems"):
        return [plain(each, root) for each in value]
    if word in ("enum", "const", "required", "dependentRequired", "type", "$ref") or not isinstance(value, dict | bool):
        return value
    return plain(value, root) if isinstance(value, dict) else value


def accepts_all_of(new: Schema, old: Schema) -> bool:
    """Whether each value that ``old`` accepts is surely accepted by ``new``; both are in their plain form."""
    if new == ANYTHING or old is False or _same(new, old):
        return True
    if not isinstance(new, Mapping) or not isinstance(old, Mapping):
        return False
    if any(word.startswith("unevaluated") for word in {*new, *old}):
        return False
    return all(rule(new, old) for rule in RULES)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _types(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return "type" not in new or _kinds(old) <= _kinds(new)


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    declared = schema.get("type", [*TYPES, "null"])
    kinds = set(declared if isinstance(declared, list) else [declared])
    return kinds | {"integer"} if "number" in kinds else kinds


def _values(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if "enum" not in new:
        return True
    known = [json.dumps(each, sort_keys=True) for each in new["enum"]]
    return "enum" in old and all(json.dumps(each, sort_keys=True) in known for each in old["enum"])


def _bounds(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    lower = all(word in old and old[word] >= new[word] for word in FLOORS if word in new)
    return lower and all(word in old and old[word] <= new[word] for word in CEILINGS if word in new)


def _unique(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return not new.get("uniqueItems") or bool(old.get("uniqueItems"))


def _required(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return set(new.get("required", ())) <= set(old.get("required", ()))


def _groups(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    def kept(group: tuple[str, ...]) -> bool:
        return group[0] not in new or all(_same(new.get(word), old.get(word)) for word in group)

    return all(kept(group) for group in GROUPS)


def _choices(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    anyhow = "anyOf" not in new or (
        "anyOf" in old and all(any(_same(each, other) for other in new["anyOf"]) for each in old["anyOf"])
    )
    return anyhow and all(any(_same(each, other) for other in old.get("allOf", ())) for each in new.get("allOf", ()))


def _items(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if "items" not in new:
        return True
    same_beginning = _same(new.get("prefixItems"), old.get("prefixItems"))
    return same_beginning and accepts_all_of(new["items"], old.get("items", ANYTHING))


def _properties(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    named, before = new.get("properties", {}), old.get("properties", {})
    others = old.get("additionalProperties", ANYTHING)
    patterns = "patternProperties" in new or "patternProperties" in old
    if "additionalProperties" in new:
        if patterns or not set(before) <= set(named):
            return False
        if not accepts_all_of(new["additionalProperties"], others):
            return False
    if patterns and set(named) != set(before):
        return False
    return all(accepts_all_of(each, before.get(name, others)) for name, each in named.items())


RULES: tuple[Callable[[Mapping[str, Any], Mapping[str, Any]], bool], ...] = (
    _types,
    _values,
    _bounds,
    _unique,
    _required,
    _groups,
    _choices,
    _items,
    _properties,
)
