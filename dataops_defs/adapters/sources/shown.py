"""Arrow rows as people and JSON see them: exact, and never more than asked for."""

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.sources.base import columns_of
from dataops_defs.domain.columns import Preview

MAX_CELL = 32_767


def preview_of(schema: pa.Schema, batches: Iterable[pa.RecordBatch], limit: int) -> Preview:
    """The first ``limit`` rows; ``truncated`` when there is at least one more."""
    rows: list[dict[str, object]] = []
    for batch in batches:
        rows += json_rows(batch.slice(0, limit + 1 - len(rows)))
        if len(rows) > limit:
            break
    return Preview(columns_of(schema), rows[:limit], truncated=len(rows) > limit)


def json_rows(batch: pa.RecordBatch) -> list[dict[str, object]]:
    """Rows with JSON-ready values: decimals as text (exact), dates and times in ISO 8601, bytes as hex."""
    return [{name: json_value(value) for name, value in row.items()} for row in batch.to_pylist()]


def json_value(value: object) -> object:
    """One value that JSON can hold; text over 32,767 characters is cut and ends in an ellipsis."""
    show = _SHOWN.get(type(value))
    return show(value) if show else value


def _text(value: str) -> str:
    return value if len(value) <= MAX_CELL else value[: MAX_CELL - 1] + "…"


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _iso(value: date | time) -> str:
    return value.isoformat()


_SHOWN: dict[type, Callable[[Any], object]] = {
    str: _text,
    float: _number,
    Decimal: lambda value: format(value, "f"),
    date: _iso,
    datetime: _iso,
    time: _iso,
    bytes: lambda value: _text(value.hex()),
}
