"""Arrow values as JSON shows them: nothing loses digits, times are ISO 8601 in UTC."""

import base64
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

MAX_SAFE_INTEGER = 2**53 - 1
MAX_CELL = 2000


def json_value(value: Any) -> Any:
    """One value: decimals and integers beyond 2^53 as text, times as ISO text, bytes as base64."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return _rich_value(value)


def _rich_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, dict):
        return {str(name): json_value(each) for name, each in value.items()}
    return str(value)


def json_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a small batch, JSON-ready."""
    return [{name: json_value(value) for name, value in row.items()} for row in batch.to_pylist()]


def json_column(column: pa.Array) -> list[Any]:
    """One column, JSON-ready; whole columns of plain types are not looked at value by value."""
    kind, values = column.type, list(column.to_pylist())
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_integer(kind) and kind.bit_width <= 32:
        return values
    return [json_value(value) for value in values]
