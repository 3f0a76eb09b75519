"""Arrow values as JSON holds them: nothing loses digits, times are ISO 8601 in UTC, nothing is cut."""

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

MAX_SAFE_INTEGER = 2**53 - 1
_LONGEST_SAFE = len(str(-MAX_SAFE_INTEGER))


def json_value(value: Any) -> Any:
    """One value: decimals and integers beyond 2^53 as text, times as ISO text, bytes as base64, NaN as null."""
    show = _FORMS.get(type(value))
    return show(value) if show else value


def kept_value(value: Any) -> Any:
    """As `json_value`, for a value that is to be read back: NaN and the infinities are kept as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return json_value(value)


def exact_number(text: str) -> float | int | str:
    """A number as JSON wrote it: itself where a double (or a whole number up to 2^53) keeps it, else its text."""
    if text.lstrip("-").isdigit():
        # Python refuses to read whole numbers of more than 4,300 digits; PostgreSQL has them.
        small = len(text) <= _LONGEST_SAFE and abs(int(text)) <= MAX_SAFE_INTEGER
        return int(text) if small else text
    return float(text) if Decimal(repr(float(text))) == Decimal(text) else text


def exact_object(text: str) -> dict[str, Any]:
    """An object from its JSON text, its numbers as `exact_number` gives them."""
    made: dict[str, Any] = json.loads(text, parse_float=exact_number, parse_int=exact_number)
    return made


def json_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a small batch."""
    return [{name: json_value(value) for name, value in row.items()} for row in python_rows(batch)]


def json_column(column: pa.Array) -> list[Any]:
    """One column; whole columns of plain types are not looked at value by value."""
    kind, values = column.type, python_values(column)
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_integer(kind) and kind.bit_width <= 32:
        return values
    if pa.types.is_float32(kind):
        # By way of its shortest text: a real 0.1 is 0.1, not the double next to it.
        values = column.cast(pa.string()).cast(pa.float64()).to_pylist()
    return [json_value(value) for value in values]


def python_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a small batch, their values as `python_values` gives them."""
    columns = [python_values(each) for each in batch.columns]
    return [dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def python_values(column: pa.Array) -> list[Any]:
    """The values of a column; days and moments that Python has no form for (outside the years 1 to 9999) are text."""
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        return [_python_value(each) for each in column]


def _python_value(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (OverflowError, ValueError):
        if isinstance(value, pa.StructScalar):
            return {name: _python_value(value[name]) for name in value}
        if pa.types.is_nested(value.type):
            return python_values(value.values)
        return value.cast(pa.string()).as_py().replace(" ", "T")


def _iso(value: date | time) -> str:
    return value.isoformat().replace("+00:00", "Z")


_FORMS: dict[type, Callable[[Any], Any]] = {
    int: lambda value: value if abs(value) <= MAX_SAFE_INTEGER else str(value),
    float: lambda value: value if math.isfinite(value) else None,
    Decimal: lambda value: format(value, "f"),
    date: _iso,
    datetime: _iso,
    time: _iso,
    timedelta: lambda value: value.total_seconds(),
    bytes: lambda value: base64.b64encode(value).decode(),
    list: lambda value: [json_value(each) for each in value],
    dict: lambda value: {str(name): json_value(each) for name, each in value.items()},
}
