"""Arrow batches into PostgreSQL by COPY."""

from io import BytesIO

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from pyarrow import csv

# An empty unquoted field is NULL, an empty text is quoted: the writer keeps them apart.
OPTIONS = csv.WriteOptions(include_header=False, quoting_style="needed")


def copy_batch(cursor: Cursor, target: sql.Composable, batch: pa.RecordBatch) -> None:
    """Append a batch to a table whose columns have the batch's names."""
    buffer = BytesIO()
    csv.write_csv(batch, buffer, OPTIONS)
    buffer.seek(0)
    names = sql.SQL(", ").join(sql.Identifier(name) for name in batch.schema.names)
    cursor.copy_expert(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(target, names), buffer)


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
