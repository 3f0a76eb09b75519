"""COPY … TO STDOUT as Arrow record batches, in flat memory.

PostgreSQL prints one row per message. A thread gathers rows to blocks that end at a row's end, however long a row is;
the reader parses a block while the next one arrives. CSV keeps empty text (quoted) and NULL (nothing) apart.
"""

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.errors import SourceError

BLOCK_BYTES = 2 * 1024 * 1024
BLOCKS_AHEAD = 4
_POLL_SECONDS = 0.2
_FAULT = re.compile(r"In CSV column #(\d+): (.*)", re.DOTALL)
_QUOTED = re.compile(r"'([^']*)'")
_PARSE: Final = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


class Unfit(SourceError):
    """A column holds a value that its Arrow type cannot; as text it can be read."""

    def __init__(self, message: str, column: str = "", value: str = "") -> None:
        super().__init__(message)
        self.column, self.value = column, value


class CopyStream:
    """One COPY under way; iterate once over ``batches``, then ``close``."""

    def __init__(self, connection: Any, statement: str, schema: pa.Schema) -> None:
        self._connection = connection
        self._statement = statement
        self._schema = schema
        self._blocks: queue.Queue[bytes | None] = queue.Queue(BLOCKS_AHEAD)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._rows: list[bytes] = []
        self._size = 0
        self._thread = threading.Thread(target=self._copy, name="copy", daemon=True)
        self._thread.start()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in order; an error of the COPY is raised after the rows that came before it.

        Raises:
            psycopg2.Error: PostgreSQL ended the query.
            Unfit: a value has no form in its column's Arrow type (infinity among moments, a date BC).
            SourceError: a text is not UTF-8.
        """
        options = _convert_options(self._schema)
        while (block := self._blocks.get()) is not None:
            yield from self._parsed(block, options)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the COPY if it still runs, and wait for its thread."""
        self._stopped.set()
        if self._thread.is_alive():
            with suppress(psycopg2.Error):
                self._connection.cancel()
        self._thread.join()

    def write(self, row: bytes) -> None:
        """Called by psycopg2 with every row."""
        self._rows.append(row)
        self._size += len(row)
        if self._size >= BLOCK_BYTES:
            self._flush()

    def _copy(self) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(self._statement, self)
            self._flush()
        except BaseException as error:
            self._error = error
        self._put(None)

    def _flush(self) -> None:
        if self._rows:
            self._put(b"".join(self._rows))
            self._rows, self._size = [], 0

    def _put(self, block: bytes | None) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._blocks.put(block, timeout=_POLL_SECONDS)
                return
        if block is not None:
            raise _ReaderLeft

    def _parsed(self, block: bytes, options: csv.ConvertOptions) -> Iterator[pa.RecordBatch]:
        read = csv.ReadOptions(
            column_names=[str(index) for index in range(len(self._schema))],
            block_size=len(block) + 1,
            use_threads=False,
        )
        try:
            table = csv.read_csv(
                pa.BufferReader(block), read_options=read, parse_options=_PARSE, convert_options=options
            )
        except pa.ArrowInvalid as error:
            raise _reason(str(error), self._schema) from None
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            yield _finished(batch, self._schema)


class _ReaderLeft(Exception):
    """Ends the COPY because nobody reads any more."""


def _convert_options(schema: pa.Schema) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        # Bytes arrive as \x and hex digits.
        column_types={
            str(index): pa.string() if pa.types.is_binary(each.type) else each.type for index, each in enumerate(schema)
        },
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )


def _finished(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        _from_hex(column) if pa.types.is_binary(each.type) else column
        for column, each in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _from_hex(column: pa.Array) -> pa.Array:
    digits = pc.utf8_slice_codeunits(column, start=2)
    return pa.array([None if each is None else bytes.fromhex(each) for each in digits.to_pylist()], pa.binary())


def _reason(message: str, schema: pa.Schema) -> SourceError:
    found = _FAULT.search(message)
    if not found:
        return SourceError("the result could not be read as CSV")
    column = schema.field(int(found[1]))
    if "UTF8" in found[2]:
        return SourceError(f"column '{column.name}' holds text that is not UTF-8")
    value = _QUOTED.search(found[2])
    shown = f"'{value[1][:100]}'" if value else "a value"
    told = f"column '{column.name}' holds {shown}, which {column.type} cannot keep; cast it to text"
    return Unfit(told, column.name, shown)
