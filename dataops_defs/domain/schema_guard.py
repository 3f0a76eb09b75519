"""What a JSON Schema may not do: lead outside, lead back to itself, or cost more than a person would write by hand.

Checked when a type is defined. Without a way back every schema unfolds to a finite one, whose size bounds the work of
checking one value. Source: SAFETY design; JSON Schema 2020-12, core (sections 8 to 11) and validation (section 7.3).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dataops_defs.domain.schema_words import pointed_at
from dataops_defs.errors import Invalid

MAX_DEPTH = 32
MAX_UNFOLDED = 20_000
MAX_PATTERN = 1_000
FORMATS = frozenset(
    [
        "date",
        "date-time",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "iri",
        "iri-reference",
        "uuid",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
        "regex",
    ]
)
# Notes for other programs, which say nothing about JSON values; generators of schemas write them.
HINTS = frozenset(["int32", "int64", "float", "double", "password", "byte", "binary"])
NOT_FOLLOWED = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef")
DEFINITIONS = ("#/$defs/", "#/definitions/")
ONE = [
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
]
SEVERAL = ["allOf", "anyOf", "oneOf", "prefixItems"]
NAMED = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"]


def check_bounds(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that is a bomb, or that leads anywhere but into its own definitions.

    Args:
        schema: one that the meta-schema of JSON Schema accepts.
    Raises:
        Invalid: with the place inside the schema.
    """
    _Walk(schema).size(schema, "schema", 0)


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas directly inside one, and the way to each."""
    for word in ONE:
        if isinstance(schema.get(word), Mapping):
            yield word, schema[word]
    for word in SEVERAL:
        for place, each in enumerate(schema.get(word) or ()):
            yield f"{word}[{place}]", each
    for word in NAMED:
        for name, each in (schema.get(word) or {}).items():
            yield f"{word}.{name[:60]}", each


class _Walk:
    """One walk through a schema; ``_open`` are the references it is inside of, ``_sizes`` those it has come out of."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._open: list[str] = []
        self._sizes: dict[str, int] = {}

    def size(self, schema: Any, place: str, depth: int) -> int:
        """How many schemas it unfolds to."""
        if depth > MAX_DEPTH:
            raise Invalid.field(_short(place), f"is nested more than {MAX_DEPTH} deep")
        if not isinstance(schema, Mapping):
            return 1
        _check_words(schema, place, inside=depth > 0)
        size = 1 + sum(self.size(each, f"{place}.{way}", depth + 1) for way, each in subschemas(schema))
        if "$ref" in schema:
            size += self._referred(str(schema["$ref"]), f"{place}.$ref", depth)
        if size > MAX_UNFOLDED:
            raise Invalid.field(_short(place), f"unfolds to more than {MAX_UNFOLDED:,} schemas")
        return size

    def _referred(self, reference: str, place: str, depth: int) -> int:
        if not reference.startswith(DEFINITIONS) or not pointed_at(self._root, reference):
            said = f"'{reference[:60]}' is not followed: a reference must lead to this schema's $defs (#/$defs/name)"
            raise Invalid.field(_short(place), said)
        if reference in self._open:
            raise Invalid.field(_short(place), f"'{reference[:60]}' leads back to itself")
        if reference not in self._sizes:
            self._open.append(reference)
            self._sizes[reference] = self.size(pointed_at(self._root, reference), place, depth + 1)
            self._open.pop()
        return self._sizes[reference]


def _check_words(schema: Mapping[str, Any], place: str, *, inside: bool) -> None:
    for word in NOT_FOLLOWED + (("$id", "$schema") if inside else ()):
        if word in schema:
            raise Invalid.field(_short(f"{place}.{word}"), "is not followed: use $ref and $defs")
    wanted = schema.get("format")
    if wanted is not None and wanted not in FORMATS | HINTS:
        raise Invalid.field(_short(f"{place}.format"), f"'{str(wanted)[:60]}' is none of: {', '.join(sorted(FORMATS))}")
    patterns = [schema.get("pattern", ""), *(schema.get("patternProperties") or {})]
    if any(len(each) > MAX_PATTERN for each in patterns):
        raise Invalid.field(_short(f"{place}.pattern"), f"is longer than {MAX_PATTERN:,} characters")


def _short(place: str) -> str:
    return place if len(place) <= 200 else f"{place[:100]}…{place[-95:]}"
