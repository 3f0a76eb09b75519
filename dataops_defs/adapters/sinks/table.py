"""A reading into a table of the warehouse, in the caller's transaction: all of it or nothing."""

from typing import Literal

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.sinks.copying import copy_batch, sql_type
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Conflict

Mode = Literal["replace", "append"]


def load_table(
    connection: Connection, schema: str, table: str, reading: Reading, *, mode: Mode
) -> tuple[Ledger, list[RejectedRow]]:
    """Load all rows; returns the balance and the rows that could not be read.

    ``replace`` makes the table anew with the reading's types; ``append`` makes it when it is missing, and adds columns
    it lacks.

    Raises:
        Conflict: the table's columns cannot hold the rows.
    """
    target = sql.Identifier(schema, table)
    rows = 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{schema}.{table}",))
        _prepare(cursor, schema, table, reading.schema, mode)
        try:
            for batch in reading.batches:
                copy_batch(cursor, target, _writable(batch))
                rows += batch.num_rows
        except psycopg2.DataError as error:
            raise Conflict(f"{schema}.{table} cannot hold the rows: {error.diag.message_primary}") from None
    rejected = list(reading.rejected)
    return Ledger(read=rows + len(rejected), inserted=rows, rejected=len(rejected)).balanced(), rejected


def _prepare(cursor: Cursor, schema: str, table: str, wanted: pa.Schema, mode: Mode) -> None:
    target = sql.Identifier(schema, table)
    if mode == "replace":
        try:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(target))
        except psycopg2.Error as error:
            raise Conflict(f"{schema}.{table} cannot be replaced: {error.diag.message_primary}") from None
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
        (schema, table),
    )
    present = {name for (name,) in cursor.fetchall()}
    columns = [_column(each) for each in wanted if each.name not in present]
    if not present:
        cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(target, sql.SQL(", ").join(columns)))
    elif columns:
        additions = sql.SQL(", ").join(sql.SQL("ADD COLUMN ") + each for each in columns)
        cursor.execute(sql.SQL("ALTER TABLE {} {}").format(target, additions))


def _column(field: pa.Field) -> sql.Composable:
    return sql.SQL("{} ").format(sql.Identifier(field.name)) + sql.SQL(sql_type(field.type))


def _writable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with types that CSV cannot carry as text."""
    odd = [index for index, field in enumerate(batch.schema) if pa.types.is_nested(field.type)]
    for index in odd:
        texts = pa.array([None if value is None else str(value) for value in batch.column(index).to_pylist()])
        batch = batch.set_column(index, batch.schema.names[index], texts)
    return batch
