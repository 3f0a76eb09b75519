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
from pyarrow import csv

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.adapters.sources.faults import Fault, Sieve
from dataops_defs.adapters.sources.postgres.values import exact, printed, printed_as_text
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError

BLOCK_BYTES = 2 * 1024 * 1024
BLOCKS_AHEAD = 4
_POLL_SECONDS = 0.2
_NOT_UTF8 = re.compile(r"In CSV column #(\d+): .*UTF8", re.DOTALL)
_PARSE: Final = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


class CopyStream:
    """One COPY under way; iterate once over ``batches``, then ``close``.

    A row with a value that has no form in its column's Arrow type (infinity among moments, a date BC) is set aside in
    ``rejected`` before the batch that it came with is given, which may be empty then.
    """

    def __init__(self, connection: Any, statement: str, schema: pa.Schema) -> None:
        self._connection = connection
        self._statement = statement
        self._schema = schema
        self._sieve = Sieve()
        self._blocks: queue.Queue[bytes | None] = queue.Queue(BLOCKS_AHEAD)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._rows: list[bytes] = []
        self._size = 0
        self._thread = threading.Thread(target=self._copy, name="copy", daemon=True)
        self._thread.start()

    @property
    def rejected(self) -> list[RejectedRow]:
        """Rows that were set aside so far."""
        return self._sieve.rejected

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in order; an error of the COPY is raised after the rows that came before it.

        Raises:
            psycopg2.Error: PostgreSQL ended the query.
            SourceError: a text is not UTF-8, or too many rows were set aside.
        """
        while (block := self._blocks.get()) is not None:
            yield from self._parsed(block)
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

    def _parsed(self, block: bytes) -> Iterator[pa.RecordBatch]:
        try:
            table = _table(block, printed(self._schema))
        except pa.ArrowInvalid:
            table = self._as_text(block)
        for batch in table.to_batches(max_chunksize=BATCH_ROWS):
            faults: list[Fault] = []
            yield self._sieve.sifted(exact(batch, self._schema, faults), faults)

    def _as_text(self, block: bytes) -> pa.Table:
        try:
            return _table(block, printed_as_text(self._schema))
        except pa.ArrowInvalid as error:
            raise _reason(str(error), self._schema) from None


class _ReaderLeft(Exception):
    """Ends the COPY because nobody reads any more."""


def _table(block: bytes, types: pa.Schema) -> pa.Table:
    names = [str(index) for index in range(len(types))]
    read = csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False)
    convert = csv.ConvertOptions(
        column_types=dict(zip(names, types.types, strict=True)),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    return csv.read_csv(pa.BufferReader(block), read_options=read, parse_options=_PARSE, convert_options=convert)


def _reason(message: str, schema: pa.Schema) -> SourceError:
    found = _NOT_UTF8.search(message)
    if not found:
        return SourceError("the result could not be read as CSV")
    return SourceError(f"column '{schema.field(int(found[1])).name}' holds text that is not UTF-8")
