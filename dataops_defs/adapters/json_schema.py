"""JSON Schema by a compiled validator: batches of objects at a time, nothing fetched from outside."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jsonschema_rs

from dataops_defs.domain.schema_guard import check_bounds
from dataops_defs.domain.schema_words import admits_null
from dataops_defs.errors import Invalid

MAX_MESSAGE = 300
MAX_PATH = 200
DRAFT = "https://json-schema.org/draft/2020-12/schema"
# The schema becomes a part of another one; its references begin here.
HOME = "urn:dataops:object"
# Plain patterns take linear time; those that look around or back are given up after that many steps.
LINEAR = jsonschema_rs.RegexOptions(size_limit=1_000_000, dfa_size_limit=4_000_000)
BACKTRACKING = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1_000_000, dfa_size_limit=4_000_000)
WORDS = {
    "BacktrackLimitExceeded": "takes too many steps to be compared with the pattern",
    "AnyOf": "fits none of the choices (anyOf)",
    "OneOfNotValid": "fits none of the choices (oneOf)",
    "OneOfMultipleValid": "fits more than one of the choices (oneOf)",
}


@dataclass(frozen=True)
class Violation:
    """One thing wrong with one object of a batch.

    ``path`` leads to it (``address.city``, ``tags[2]``), and is ``object`` when it concerns the whole object; then
    ``property`` is None. ``missing`` is the property that the object has to have. ``word`` is the word of the type's
    schema whose rule it breaks: ``properties``, ``required``, ``allOf``.
    """

    index: int
    property: str | None
    path: str
    message: str
    missing: str | None = None
    word: str | None = None


def _refuse_fetching(uri: str) -> Any:
    raise ValueError(f"references outside the schema are not followed: {uri[:100]}")


class ObjectValidator:
    """Checks objects against the JSON Schema (2020-12) of their type; formats count.

    A property that is null is not there: where the schema lets a required property be null, it may be missing.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile the schema.

        Raises:
            Invalid: it is no valid JSON Schema, or refers to something outside itself.
        """
        _refuse_malformed(schema)
        rows = {"type": "array", "items": {**_without_nullable(schema), "$id": HOME}}
        with _refusals():
            try:
                self._validator, self._one_by_one = _compiled(rows, LINEAR), False
            except jsonschema_rs.ValidationError:
                self._validator, self._one_by_one = _compiled(rows, BACKTRACKING), True

    def violations(self, objects: Sequence[Mapping[str, Any]]) -> list[Violation]:
        """One violation for each object that has any, in order."""
        found: dict[int, Violation] = {}
        for each in self.all_violations(objects):
            found.setdefault(each.index, each)
        return [found[index] for index in sorted(found)]

    def all_violations(self, objects: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
        """Everything that is wrong with the objects of a batch, an object after the other."""
        batch = list(objects)
        if self._validator.is_valid(batch):
            return
        if not self._one_by_one:
            yield from map(_violation, self._validator.iter_errors(batch))
            return
        # A pattern that was given up is told once for each call, and only when nothing else is wrong.
        for index, each in enumerate(batch):
            if not self._validator.is_valid([each]):
                for found in map(_violation, self._validator.iter_errors([each])):
                    yield replace(found, index=index)


def _compiled(schema: dict[str, Any], patterns: Any) -> Any:
    return jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, pattern_options=patterns, retriever=_refuse_fetching
    )


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    index, *way = error.instance_path
    told = WORDS.get(type(error.kind).__name__, error.message)
    missing = getattr(error.kind, "property", None) if error.kind.name == "required" and not way else None
    # The way begins at the batch: items, then a word of the type's schema.
    word = str(error.evaluation_path[1]) if len(error.evaluation_path) > 1 else None
    return Violation(int(index), str(way[0]) if way else None, _path(way), told[:MAX_MESSAGE], missing, word)


def _path(way: Sequence[str | int]) -> str:
    """``address.city``, ``tags[2]``; ``object`` for the object itself."""
    path = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in way)
    return path[1 : MAX_PATH + 1] or "object"


def _without_nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, where only properties that cannot be null are required."""
    made = {word: value for word, value in schema.items() if word not in ("$schema", "$id")}
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, Mapping) and isinstance(required, list):
        made["required"] = [
            name
            for name in required
            if not (isinstance(properties.get(name), Mapping) and admits_null(properties[name], schema))
        ]
    return made


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that is a bomb or does not compile; Invalid names what is wrong."""
    _refuse_malformed(schema)
    check_bounds(schema)
    ObjectValidator(schema)


def _refuse_malformed(schema: Mapping[str, Any]) -> None:
    if str(schema.get("$schema", DRAFT)).rstrip("#") != DRAFT:
        # Checked first: the meta-schema that is named here would be fetched.
        raise Invalid.field("schema.$schema", f"must be {DRAFT}, or be left out")
    with _refusals():
        jsonschema_rs.meta.validate(dict(schema))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        said = str(error).splitlines()[0][:MAX_MESSAGE]
        raise Invalid.field("schema", f"is no valid JSON Schema: {said}") from None
