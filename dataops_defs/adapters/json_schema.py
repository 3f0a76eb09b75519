"""JSON Schema by a compiled validator: batches of objects at a time, nothing fetched from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from dataops_defs.errors import Invalid

MAX_MESSAGE = 300
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Violation:
    """The first thing wrong with one object of a batch; ``property`` is None when it concerns the whole object."""

    index: int
    property: str | None
    message: str


def _refuse_fetching(uri: str) -> Any:
    raise ValueError(f"references outside the schema are not followed: {uri[:100]}")


class ObjectValidator:
    """Checks objects against the JSON Schema (2020-12) of their type; formats count."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile the schema.

        Raises:
            Invalid: it is no valid JSON Schema, or refers to something outside itself.
        """
        if str(schema.get("$schema", DRAFT)).rstrip("#") != DRAFT:
            # Checked first: the meta-schema that is named here would be fetched.
            raise Invalid.field("schema.$schema", f"must be {DRAFT}, or be left out")
        rows = {"type": "array", "items": dict(schema)}
        try:
            jsonschema_rs.meta.validate(dict(schema))
            self._validator = jsonschema_rs.Draft202012Validator(
                rows, validate_formats=True, retriever=_refuse_fetching
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise Invalid.field(
                "schema", f"is no valid JSON Schema: {str(error).splitlines()[0][:MAX_MESSAGE]}"
            ) from None

    def violations(self, objects: Sequence[Mapping[str, Any]]) -> list[Violation]:
        """One violation for each object that has any, in order."""
        batch = list(objects)
        if self._validator.is_valid(batch):
            return []
        found: dict[int, Violation] = {}
        for error in self._validator.iter_errors(batch):
            index = int(error.instance_path[0])
            if index not in found:
                name = str(error.instance_path[1]) if len(error.instance_path) > 1 else None
                found[index] = Violation(index, name, error.message[:MAX_MESSAGE])
        return [found[index] for index in sorted(found)]


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that does not compile; Invalid names what is wrong."""
    ObjectValidator(schema)
