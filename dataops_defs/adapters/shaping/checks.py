"""A property's JSON Schema as checks of whole columns; what fails is left to the validator, which has the words for it.

Source: JSON Schema Validation 2020-12, section 6.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, where_not
from dataops_defs.adapters.shaping.patterns import is_plain
from dataops_defs.domain.fitting import BIGINT
from dataops_defs.domain.schema_words import property_type

Check = Callable[[pa.Array], pa.Array]
"""Of a property's values those that are right."""
ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "type", "$defs"}
)
_EXACT = 2**53
_JSON_TYPES = {
    "text": "string",
    "bigint": "integer",
    "numeric": "number",
    "boolean": "boolean",
    "date": "string",
    "timestamp with time zone": "string",
}
_FORMATS = {"date": "date", "timestamp with time zone": "date-time"}
_PYTHON = {"string": str, "integer": int, "number": float, "boolean": bool}


class ColumnChecks:
    """All that the schema of one property asks for."""

    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks

    @classmethod
    def of(cls, schema: Mapping[str, Any], column_type: str) -> "ColumnChecks | None":
        """The checks; None where some of it can only be checked value by value.

        Args:
            schema: with its references resolved.
        """
        kind = _JSON_TYPES.get(column_type)
        if kind is None or property_type(schema) != kind:
            return None
        checks = []
        for word, wanted in schema.items():
            if word in ANNOTATIONS or word.startswith("x-") or (word, wanted) == ("format", _FORMATS.get(column_type)):
                continue
            check = _check(word, wanted, kind)
            if check is None:
                return None
            checks.append(check)
        return cls(checks)

    def wrong(self, seen: pa.Array) -> Mask:
        """The rows whose values are not right; null is absent, which is right here."""
        return any_of(*(where_not(check(seen)) for check in self._checks))


def _check(word: str, wanted: Any, kind: str) -> Check | None:
    if word in ("enum", "const"):
        return _one_of(wanted if word == "enum" else [wanted], kind)
    make = (_TEXT_WORDS if kind == "string" else _NUMBER_WORDS if kind in ("integer", "number") else {}).get(word)
    return make(wanted, kind) if make else None


def _one_of(wanted: Any, kind: str) -> Check | None:
    if not isinstance(wanted, list) or kind == "number":
        return None
    given: list[Any] = [each for each in wanted if type(each) is _PYTHON[kind]]
    if kind == "integer" and (any(isinstance(each, float) for each in wanted) or not all(map(_is_bigint, given))):
        return None
    values = pa.array(given, {"string": pa.string(), "integer": pa.int64(), "boolean": pa.bool_()}[kind])
    return lambda seen: pc.or_(pc.is_in(seen, values), pc.is_null(seen))


def _is_bigint(value: int) -> bool:
    return -BIGINT <= value < BIGINT


def _length(compare: Callable[[pa.Array, int], pa.Array]) -> Callable[[Any, str], Check]:
    return lambda wanted, _kind: lambda seen: compare(pc.utf8_length(seen), int(wanted))


def _pattern(wanted: Any, _kind: str) -> Check | None:
    if not isinstance(wanted, str) or not is_plain(wanted):
        return None
    return lambda seen: pc.match_substring_regex(seen, wanted)


def _bound(
    compare: Callable[[pa.Array, Any], pa.Array], whole: Callable[[float], int] | None
) -> Callable[[Any, str], Check | None]:
    def make(wanted: Any, kind: str) -> Check | None:
        if isinstance(wanted, bool) or not isinstance(wanted, int | float) or abs(wanted) > _EXACT:
            return None
        if kind == "number":
            return lambda seen: compare(seen, float(wanted))
        if not float(wanted).is_integer() and whole is None:
            return None
        limit = int(wanted) if whole is None else whole(wanted)
        return lambda seen: compare(seen, pa.scalar(limit, pa.int64()))

    return make


_TEXT_WORDS: dict[str, Callable[[Any, str], Check | None]] = {
    "minLength": _length(pc.greater_equal),
    "maxLength": _length(pc.less_equal),
    "pattern": _pattern,
}
_NUMBER_WORDS: dict[str, Callable[[Any, str], Check | None]] = {
    "minimum": _bound(pc.greater_equal, math.ceil),
    "maximum": _bound(pc.less_equal, math.floor),
    "exclusiveMinimum": _bound(pc.greater, None),
    "exclusiveMaximum": _bound(pc.less, None),
}
