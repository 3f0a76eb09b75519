"""Arrow rows as people and JSON see them: exact, and never more than asked for."""

import base64
import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.sources.base import columns_of
from dataops_defs.domain.columns import Preview

MAX_CELL = 32_767
MAX_SAFE_INTEGER = 2**53 - 1


def preview_of(schema: pa.Schema, batches: Iterable[pa.RecordBatch], limit: int) -> Preview:
    """The first ``limit`` rows; ``truncated`` when there is at least one more."""
    rows: list[dict[str, object]] = []
    for batch in batches:
        rows += json_rows(batch.slice(0, limit + 1 - len(rows)))
        if len(rows) > limit:
            break
    return Preview(columns_of(schema), rows[:limit], truncated=len(rows) > limit)


def json_rows(batch: pa.RecordBatch) -> list[dict[str, object]]:
    """Rows with JSON-ready values, see ``json_value``."""
    return [{name: json_value(value) for name, value in row.items()} for row in batch.to_pylist()]


def json_value(value: object) -> object:
    """One value that JSON can hold without loss.

    Decimals and integers beyond 2^53 as text, dates and times in ISO 8601 (UTC as ``Z``), bytes as base64; not a
    number and infinity as null. Text over 32,767 characters is cut and ends in an ellipsis.
    """
    show = _SHOWN.get(type(value))
    return show(value) if show else value


def _text(value: str) -> str:
    return value if len(value) <= MAX_CELL else value[: MAX_CELL - 1] + "…"


def _integer(value: int) -> int | str:
    return value if abs(value) <= MAX_SAFE_INTEGER else str(value)


def _iso(value: date | time) -> str:
    return value.isoformat().replace("+00:00", "Z")


_SHOWN: dict[type, Callable[[Any], object]] = {
    str: _text,
    int: _integer,
    float: lambda value: value if math.isfinite(value) else None,
    Decimal: lambda value: format(value, "f"),
    date: _iso,
    datetime: _iso,
    time: _iso,
    timedelta: lambda value: value.total_seconds(),
    bytes: lambda value: _text(base64.b64encode(value).decode()),
    list: lambda value: [json_value(each) for each in value],
    dict: lambda value: {name: json_value(each) for name, each in value.items()},
}
