"""JSON values and text as Arrow's types again: the way back from `json_values`, and what people type by hand.

A value that is not of its column's type is named and left empty; none of them is guessed.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from datetime import time, timedelta
from typing import Any

import orjson
import pyarrow as pa

from dataops_defs.domain.fitting import to_date, to_date_time

_INTEGER = re.compile(r"\+?(-?\d+)(\.0+)?")
_NUMBER = re.compile(r"\+?(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_NO_NUMBERS = frozenset({"nan", "inf", "-inf", "infinity", "-infinity"})
_BOOLEANS = frozenset({"true", "false"})
_LONGEST_SHOWN = 60
# What Arrow reads from text itself, once it is known to be of the right form.
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_PARSED = (*_NUMBERS, pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp)


class IllValue(ValueError):
    """A value that is not of its column's type; the text says of which kind it should be."""


def typed_column(values: Sequence[Any], kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """Values of a column in its type, and by place why some are not of it; those are null.

    Args:
        values: JSON values as `json_values` makes them, or text.
    """
    bad: dict[int, str] = {}
    cleaned: list[Any] = []
    clean = _cleaner(kind)
    for place, value in enumerate(values):
        try:
            cleaned.append(None if value is None else clean(value))
        except (ValueError, TypeError):
            cleaned.append(None)
            bad[place] = _reason(value, kind, well_formed=False)
    try:
        return _cast(cleaned, kind), bad
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _one_by_one(values, cleaned, kind, bad), bad


def _one_by_one(values: Sequence[Any], cleaned: list[Any], kind: pa.DataType, bad: dict[int, str]) -> pa.Array:
    """After a cast that failed: find the values that made it fail."""
    for place, value in enumerate(cleaned):
        try:
            _cast([value], kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            cleaned[place] = None
            bad[place] = _reason(values[place], kind, well_formed=True)
    return _cast(cleaned, kind)


def _cast(cleaned: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(cleaned, pa.string()).cast(kind) if _by_text(kind) else pa.array(cleaned, kind)


def _by_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in _PARSED)


def _reason(value: Any, kind: pa.DataType, *, well_formed: bool) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}…"
    if well_formed and any(test(kind) for test in _NUMBERS):
        return f"'{shown}' does not fit the column's type {kind}"
    return f"'{shown}' is no {next((words for test, _, words in _KINDS if test(kind)), f'value of type {kind}')}"


def _cleaner(kind: pa.DataType) -> Callable[[Any], Any]:
    for test, clean, _ in _KINDS:
        if test(kind):
            return clean
    return lambda value: _nested(value, kind)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    raise IllValue


def _integer(value: Any) -> str:
    found = None if isinstance(value, bool) else _INTEGER.fullmatch(_text(value).strip())
    if found is None:
        raise IllValue
    return found[1]


def _number(value: Any) -> str:
    found = None if isinstance(value, bool) else _NUMBER.fullmatch(_text(value).strip())
    if found is None:
        raise IllValue
    return found[1]


def _float(value: Any) -> str:
    if isinstance(value, str) and value.strip().lower() in _NO_NUMBERS:
        return value.strip()
    return _number(value)


def _boolean(value: Any) -> str:
    text = _text(value).strip().lower()
    if text not in _BOOLEANS:
        raise IllValue
    return text


def _given_text(value: Any) -> str:
    if not isinstance(value, str):
        raise IllValue
    return value.strip()


def _date(value: Any) -> Any:
    return to_date(_given_text(value))


def _instant(value: Any) -> Any:
    return to_date_time(_given_text(value))


def _time(value: Any) -> time:
    return time.fromisoformat(_given_text(value))


def _duration(value: Any) -> timedelta:
    return timedelta(seconds=float(_number(value)))


def _bytes(value: Any) -> bytes:
    return base64.b64decode(_given_text(value), validate=True)


def _nested(value: Any, kind: pa.DataType) -> Any:
    """Lists, structs and maps, given as JSON or as its text; what they hold is typed as columns are."""
    if isinstance(value, str):
        value = orjson.loads(value)
    if pa.types.is_struct(kind) and isinstance(value, dict):
        if unknown := set(value) - {each.name for each in kind}:
            raise IllValue(f"unknown field {sorted(unknown)[0]}")
        return {each.name: _inner(value.get(each.name), each.type) for each in kind}
    if pa.types.is_map(kind) and isinstance(value, list):
        return [(_inner(name, kind.key_type), _inner(each, kind.item_type)) for name, each in value]
    if _is_list(kind) and isinstance(value, list):
        return [_inner(each, kind.value_type) for each in value]
    raise IllValue


def _inner(value: Any, kind: pa.DataType) -> Any:
    array, bad = typed_column([value], kind)
    if bad:
        raise IllValue(bad[0])
    return array[0].as_py()


def _is_list(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _is_bytes(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary))


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any], str], ...] = (
    (_is_text, _text, "text"),
    (pa.types.is_integer, _integer, "whole number"),
    (pa.types.is_floating, _float, "number"),
    (pa.types.is_decimal, _number, "number"),
    (pa.types.is_boolean, _boolean, "true or false"),
    (pa.types.is_date, _date, "date (YYYY-MM-DD)"),
    (_is_instant, _instant, "time (ISO 8601)"),
    (pa.types.is_timestamp, _given_text, "time (ISO 8601, without a zone)"),
    (pa.types.is_time, _time, "time of day (HH:MM:SS)"),
    (pa.types.is_duration, _duration, "number of seconds"),
    (_is_bytes, _bytes, "base64 text"),
)
