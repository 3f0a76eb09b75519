"""What a preview shows: the form of a file, its columns and its first rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.json_values import exact_number, json_value, python_rows
from dataops_defs.adapters.sources.shown import shortened

# A thousand rows of a hundred columns; of wider files fewer rows are shown.
MAX_CELLS = 100_000


@dataclass(frozen=True)
class Asked:
    """What is wanted: so many rows, and what is known of the file."""

    limit: int = 100
    delimiter: str | None = None
    encoding: str | None = None
    has_header: bool | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class RowCount:
    """How many rows a file has, by a count or by an estimate."""

    rows: int
    exact: bool


@dataclass(frozen=True)
class Shown:
    """A preview. ``format`` is csv, tsv, json, jsonl, xlsx, xls or parquet; a text has an encoding.

    ``guessed``: nobody named the encoding, and the bytes do not prove it. ``has_header``: the first row of a CSV file
    names the columns.

    ``set_aside``: so many rows of what was looked at cannot be read. ``warning``: what is wrong with the file.
    """

    format: str
    types: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    count: RowCount
    encoding: str | None = None
    delimiter: str | None = None
    packing: str | None = None
    guessed: bool = False
    set_aside: int = 0
    warning: str | None = None
    has_header: bool | None = None


def first_rows(schema: pa.Schema, batches: Iterable[pa.RecordBatch], limit: int) -> list[dict[str, Any]]:
    """So many rows as JSON holds them, or fewer of a very wide file; numbers are numbers where a double keeps them."""
    wanted = max(1, min(limit, MAX_CELLS // max(len(schema), 1)))
    rows: list[dict[str, Any]] = []
    for batch in batches:
        if len(rows) >= wanted:
            break
        part = python_rows(batch.slice(0, wanted - len(rows)))
        rows += [{name: _shown(value) for name, value in row.items()} for row in part]
    return rows


def _shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return exact_number(format(value, "f"))
    return shortened(json_value(value))


def types_of(schema: pa.Schema) -> dict[str, str]:
    """The columns' types in the words of document 000, "Preview File"."""
    return {each.name: _word(each.type) for each in schema}


def _word(kind: pa.DataType) -> str:
    return next((word for test, word in _WORDS if test(kind)), "string")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


_WORDS = (
    (pa.types.is_integer, "integer"),
    (_is_number, "number"),
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "datetime"),
    (pa.types.is_time, "time"),
    (pa.types.is_struct, "object"),
    (pa.types.is_map, "object"),
    (pa.types.is_list, "array"),
    (pa.types.is_large_list, "array"),
)
