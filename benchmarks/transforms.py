"""Transforms over a million values: compiled to Arrow, and in the sandboxed engine, process and JSON included.

Both begin and end with Arrow columns, in batches of 10,000 rows as a sync has them. Goal: 5 M rows/s compiled, 1 M
rows/s in the engine. Then whole syncs' shaping: transforms, fitting, validation, columns ready for COPY.
Source: PERFORMANCE, "Transforms".
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dataops_defs.adapters.shaping import transformed
from dataops_defs.adapters.shaping.rows import BatchRows
from dataops_defs.adapters.shaping.transformed import Transformer
from dataops_defs.demo import definitions as demo
from dataops_defs.demo.run import DATA
from dataops_defs.domain.mapping import property_mappings
from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.transform import Transform
from dataops_defs.flows.shape_rows import RowShaper

BATCH_ROWS = 10_000
CASES = (
    ("active", 'value ? "active" : "inactive"'),
    ("year", "parseInt"),
    ("day", "new Date(value).toISOString()"),
    ("name", "value.trim().toUpperCase()"),
    ("name", "trim"),
    ("seen", "toISODate"),
    ("year", '[row.year, row.name, value].join("-")'),
)
ENGINE_ONLY = ("name", 'value.replace(/ [0-9]+$/, "")')
TWELVE = {
    "id": {"type": "integer"},
    "account": {"type": "integer", "minimum": 0},
    "amount": {"type": "number", "minimum": 0},
    "ratio": {"type": "number"},
    "name": {"type": "string", "maxLength": 100},
    "code": {"type": "string", "pattern": "^[0-9A-F]{8}$"},
    "kind": {"type": "string", "enum": ["alpha", "beta", "gamma", "delta"]},
    "madeAt": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date"},
    "status": {"type": "string", "enum": ["active", "inactive"]},
    "score": {"type": "integer"},
    "note": {"type": "string"},
}
TWELVE_TRANSFORMS = {"code": "upper", "status": 'value ? "active" : "inactive"', "note": "trim"}


def main(arguments: Sequence[str] | None = None) -> None:
    """All cases, each several times, and tables of the medians."""
    parser = argparse.ArgumentParser(description="Transforms, compiled and in the engine")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    batches = _batches(_columns(given.rows))
    table = Table("million rows/s", "compiled", "engine", title=f"Transforms over {given.rows:,} values")
    for column, expression in (*CASES, ENGINE_ONLY):
        compiled = "" if (column, expression) == ENGINE_ONLY else _speed(given, batches, column, expression)
        with patch.object(transformed, "_compiled", lambda _expression: None):
            table.add_row(escape(expression), compiled, _speed(given, batches, column, expression))
    Console().print(table)
    shaping = Table("rows/s", "", title="Shaping: transforms, fitting, validation")
    for name, shape in _shapes(given.rows).items():
        shaping.add_row(name, f"{_median(given.repeats, given.rows, shape) * 1e6:,.0f}")
    Console().print(shaping)


def _speed(given: argparse.Namespace, batches: Sequence[pa.RecordBatch], column: str, expression: str) -> str:
    def run() -> None:
        with Transformer([Transform("p", column, expression)]) as transformer:
            for batch in batches:
                rows = BatchRows(batch)
                made, problems = transformer.run(rows, {column: rows.source(column)})
                assert len(made["p"].array) == batch.num_rows
                assert not problems

    return f"{_median(given.repeats, given.rows, run):.1f}"


def _median(repeats: int, rows: int, run: Callable[[], None]) -> float:
    """Million rows per second."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return rows / statistics.median(took) / 1e6


def _columns(rows: int) -> pa.Table:
    numbers = pa.array(range(rows), pa.int64())
    days = pc.add(pa.scalar(0, pa.int32()), pc.cast(_modulo(numbers, 20_000), pa.int32())).cast(pa.date32())
    return pa.table(
        {
            "active": pc.equal(_modulo(numbers, 3), 0),
            "year": pc.add(1950, _modulo(numbers, 70)).cast(pa.string()),
            "day": days.cast(pa.string()),
            "name": pc.binary_join_element_wise(" customer", numbers.cast(pa.string()), " "),
            "seen": pc.multiply(numbers, 61_000_000).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        }
    )


def _modulo(numbers: pa.Array, by: int) -> pa.Array:
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, by), by))


def _batches(table: pa.Table) -> list[pa.RecordBatch]:
    return table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)


def _shapes(rows: int) -> Mapping[str, Callable[[], None]]:
    flight = next(each for each in demo.OBJECT_TYPES if each["name"] == "flight")
    kind = ObjectType("1", "flight", "flight", "a", flight["schema"], flight["keyField"])
    mapping = next(each for _, each in demo.MAPPINGS if each["objectType"] == "flight")["mappings"]
    flights = _repeated(pq.read_table(DATA / "flights.parquet"), rows)
    twelve = ObjectType("2", "row", "row", "a", {"type": "object", "required": ["id"], "properties": TWELVE}, "id")
    rows_of_twelve = _twelve(rows)
    columns: dict[str, Any] = {
        name: {"sourceColumn": name, "transform": TWELVE_TRANSFORMS.get(name)} for name in TWELVE
    }
    return {
        "the demo's flights, 9 properties": lambda: _shape(kind, mapping, flights),
        "12 columns of mixed types, 3 transforms": lambda: _shape(twelve, columns, rows_of_twelve),
    }


def _repeated(table: pa.Table, rows: int) -> list[pa.RecordBatch]:
    return _batches(pa.concat_tables([table] * (rows // table.num_rows + 1)).slice(0, rows))


def _twelve(rows: int) -> list[pa.RecordBatch]:
    numbers = pa.array(range(rows), pa.int64())
    kinds = pa.array(["alpha", "beta", "gamma", "delta"])
    table = pa.table(
        {
            "id": numbers.cast(pa.int32()),
            "account": pc.multiply(numbers, 7919),
            "amount": pc.divide(_modulo(pc.multiply(numbers, 37), 10_000_000), 100).cast(pa.decimal128(21, 2)),
            "ratio": pc.multiply(numbers, 0.37),
            "name": pc.binary_join_element_wise("customer", numbers.cast(pa.string()), " "),
            "code": pc.utf8_lpad(pc.multiply(_modulo(numbers, 10_000), 7).cast(pa.string()), 8, "a"),
            "kind": kinds.take(_modulo(numbers, 4)),
            "madeAt": pc.multiply(numbers, 37_000_000).cast(pa.timestamp("us")),
            "day": _modulo(numbers, 3000).cast(pa.int32()).cast(pa.date32()),
            "status": pc.equal(_modulo(numbers, 3), 0),
            "score": pc.if_else(pc.equal(_modulo(numbers, 5), 0), None, _modulo(numbers, 100).cast(pa.int32())),
            "note": pc.binary_join_element_wise(" note", _modulo(numbers, 1000).cast(pa.string()), " "),
        }
    )
    return _batches(table)


def _shape(kind: ObjectType, mappings: Mapping[str, Any], batches: Sequence[pa.RecordBatch]) -> None:
    number = 1
    with RowShaper(kind, property_mappings(mappings)) as shaper:
        for batch in batches:
            made = shaper.shape(batch, number)
            assert not made.rejected
            number += batch.num_rows


if __name__ == "__main__":
    main()
