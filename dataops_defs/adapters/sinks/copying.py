"""Arrow batches into PostgreSQL by COPY."""

from collections.abc import Callable, Sequence
from io import BytesIO

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from pyarrow import csv

from dataops_defs.adapters.json_values import python_rows
from dataops_defs.domain.columns import RejectedRow

# An empty unquoted field is NULL, an empty text is quoted: the writer keeps them apart.
OPTIONS = csv.WriteOptions(include_header=False, quoting_style="needed")


def copy_batch(cursor: Cursor, target: sql.Composable, batch: pa.RecordBatch) -> None:
    """Append a batch to a table whose columns have the batch's names."""
    buffer = BytesIO()
    csv.write_csv(batch, buffer, OPTIONS)
    buffer.seek(0)
    names = sql.SQL(", ").join(sql.Identifier(name) for name in batch.schema.names)
    cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, names), buffer)


def with_numbers(batch: pa.RecordBatch, numbers: Sequence[int]) -> pa.RecordBatch:
    """The rows with their numbers before them, as ``_dataops_row``."""
    arrays = [pa.array(numbers, pa.int64()), *batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=["_dataops_row", *batch.schema.names])


Take = Callable[[pa.RecordBatch, Sequence[int]], object]


def by_halves(cursor: Cursor, batch: pa.RecordBatch, numbers: Sequence[int], take: Take) -> list[RejectedRow]:
    """Have a batch taken without the rows that PostgreSQL refuses; returns those, with its reason.

    Args:
        numbers: the rows' numbers, for the reasons.
        take: writes rows; undone, and called with fewer of them, when it raises for what a row holds.
    """
    cursor.execute("SAVEPOINT rows")
    try:
        take(batch, numbers)
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        cursor.execute("ROLLBACK TO SAVEPOINT rows")
        half = batch.num_rows // 2
        if half == 0:
            reason = f"PostgreSQL cannot hold it: {error.diag.message_primary}"
            return [RejectedRow(numbers[0], reason, error.diag.column_name, python_rows(batch)[0])]
        first = by_halves(cursor, batch.slice(0, half), numbers[:half], take)
        return first + by_halves(cursor, batch.slice(half), numbers[half:], take)
    cursor.execute("RELEASE SAVEPOINT rows")
    return []


def sql_type(kind: pa.DataType) -> str:
    """The PostgreSQL type that holds every value of an Arrow type."""
    for test, name in _TYPES:
        if test(kind):
            return name
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp with time zone" if kind.tz else "timestamp"
    return "text"


_TYPES = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_int8, "smallint"),
    (pa.types.is_int16, "smallint"),
    (pa.types.is_int32, "integer"),
    (pa.types.is_uint64, "numeric(20, 0)"),
    (pa.types.is_integer, "bigint"),
    (pa.types.is_float32, "real"),
    (pa.types.is_floating, "double precision"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
)
