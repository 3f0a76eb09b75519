"""Rows into a table of the warehouse, in the caller's transaction: all of them or none."""

import io
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import orjson
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from pyarrow import csv

from dataops_defs.adapters.ahead import ahead
from dataops_defs.adapters.json_values import json_value, kept_value, python_rows, python_values
from dataops_defs.adapters.sinks.copying import OPTIONS
from dataops_defs.adapters.sinks.table_shape import Mode, prepare, refusals
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger

READ_BYTES = 1024 * 1024
NUL = "\x00"
BEFORE_YEAR_1 = "lies before the year 1 (in UTC): correct it, or give its column the type TEXT"

Loaded = tuple[Ledger, list[RejectedRow]]
Progress = Callable[[int], object]
Block = tuple[bytes, int]


def unnoticed(_rows: int) -> None:
    """The progress that nobody asked for."""


def load_table(
    connection: Connection,
    schema: str,
    table: str,
    reading: Reading,
    *,
    mode: Mode,
    progress: Progress = unnoticed,
) -> Loaded:
    """Load all rows; returns the balance, and the rows that could not be taken, for the caller to keep.

    ``replace`` leaves exactly the reading's rows and columns; ``append`` adds to what is there, makes the table when
    it is missing and adds columns it lacks. Nothing is committed.

    Args:
        progress: told the number of rows taken so far.
    Raises:
        Conflict: the table's columns cannot keep the values, or views stand in the way of a change.
        Invalid: the schema does not exist or may not be written.
        DependencyUnavailable: the warehouse went away, or is full.
    """
    rows = _Rows(reading)
    with connection.cursor() as cursor:
        names = prepare(cursor, schema, table, reading.schema, mode)
        with refusals(schema, table), ahead(rows.as_csv()) as blocks:
            inserted = copy_in(cursor, copy_statement(schema, table, names), BlockStream(blocks, progress))
    rejected = sorted([*reading.rejected, *rows.rejected], key=lambda row: row.number)
    read = rows.taken + len(rejected)
    return Ledger(read=read, inserted=inserted, rejected=len(rejected)).balanced(), rejected


def copy_statement(schema: str, table: str, names: list[str], options: str = "FORMAT csv") -> sql.Composed:
    """COPY into these columns from the client."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in names)
    statement = sql.SQL("COPY {} ({}) FROM STDIN ({})")
    return statement.format(sql.Identifier(schema, table), columns, sql.SQL(options))


class _Rows:
    """The rows of a reading as CSV, without those that PostgreSQL cannot keep."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._met = 0
        self.taken = 0
        self.rejected: list[RejectedRow] = []

    def as_csv(self) -> Iterator[Block]:
        """CSV, and the number of rows taken with it."""
        for batch in self._reading.batches:
            kept = self._without_unfit(batch)
            self._met += batch.num_rows
            self.taken += kept.num_rows
            if kept.num_rows:
                yield _csv(kept), self.taken

    def _without_unfit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        bad: dict[int, tuple[str, str]] = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for found, reason in _unfit(column):
                places = pc.indices_nonzero(pc.fill_null(found, False)).to_pylist()
                bad |= dict.fromkeys(places, (name, reason))
        for place in sorted(bad):
            name, reason = bad[place]
            raw = {name: kept_value(value) for name, value in python_rows(batch.slice(place, 1))[0].items()}
            number = self._reading.number(self._met + place)
            self.rejected.append(RejectedRow(number, reason, name, raw))
        if not bad:
            return batch
        return batch.filter(pa.array([place not in bad for place in range(batch.num_rows)]))


def _unfit(column: pa.Array) -> Iterator[tuple[pa.Array, str]]:
    """Which values PostgreSQL cannot keep, and why: its text holds no NUL, and Arrow writes a year 0 that it lacks."""
    if _may_hold_nul(column):
        yield pc.match_substring(column, NUL), "holds a NUL character"
    if pa.types.is_date(column.type):
        yield pc.less(column, pa.scalar(date.min, column.type)), BEFORE_YEAR_1
    # Nanoseconds do not reach so far back.
    if pa.types.is_timestamp(column.type) and column.type.unit != "ns":
        plain = column.cast(pa.timestamp(column.type.unit))
        yield pc.less(plain, pa.scalar(datetime.min, plain.type)), BEFORE_YEAR_1


def _may_hold_nul(column: pa.Array) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    data = column.buffers()[2]
    return data is not None and b"\x00" in memoryview(data).tobytes()


def _csv(batch: pa.RecordBatch) -> bytes:
    buffer = io.BytesIO()
    csv.write_csv(_plain(batch), buffer, OPTIONS)
    return buffer.getvalue()


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Columns that the CSV writer has no form for, as the text that PostgreSQL reads."""
    columns = [_plain_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def _plain_column(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _texts(column, lambda value: "\\x" + value.hex())
    if pa.types.is_nested(kind):
        return _texts(column, lambda value: orjson.dumps(json_value(value)).decode())
    if pa.types.is_duration(kind):
        return _texts(column, lambda value: str(json_value(value)))
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _texts(column: pa.Array, show: Callable[[Any], str]) -> pa.Array:
    return pa.array([None if value is None else show(value) for value in python_values(column)], pa.string())


class BlockStream:
    """Blocks as the file that COPY reads; ``error`` keeps what went wrong in making them."""

    def __init__(self, blocks: Iterator[Block], progress: Progress) -> None:
        self._blocks = blocks
        self._progress = progress
        self._waiting = memoryview(b"")
        self.error: BaseException | None = None

    def readline(self, size: int = -1, /) -> bytes:
        """COPY never asks for lines; the driver's protocol names them."""
        raise io.UnsupportedOperation

    def read(self, size: int = READ_BYTES, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        try:
            while not self._waiting:
                block, rows = next(self._blocks, (b"", -1))
                if rows < 0:
                    return b""
                self._waiting = memoryview(block)
                self._progress(rows)
        except BaseException as error:
            self.error = error
            raise
        part, self._waiting = self._waiting[:size], self._waiting[size:]
        return bytes(part)


def copy_in(cursor: Cursor, statement: sql.Composed, stream: BlockStream) -> int:
    """Run a COPY that reads the stream; returns the rows it took.

    The driver turns an error of the stream into one of its own; here the stream's own error comes out again.
    """
    try:
        cursor.copy_expert(statement, stream, READ_BYTES)
    except psycopg2.Error:
        if stream.error is not None:
            raise stream.error from None
        raise
    return cursor.rowcount
