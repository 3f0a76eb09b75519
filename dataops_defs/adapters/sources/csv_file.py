"""A CSV file, or a folder of them, as a source."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from dataops_defs.adapters.sources.base import BATCH_ROWS, Reading
from dataops_defs.adapters.sources.csv_dialect import HEAD_BYTES, Dialect, dialect_of
from dataops_defs.adapters.sources.csv_rows import TextRows
from dataops_defs.adapters.sources.csv_types import Proven, prove, typed
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.storage.roots import is_folder, list_files, open_file
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.dataset import Extraction, ExtractionType
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError

MAX_HEAD_BYTES = 4 * 1024 * 1024
_NOTHING = Extraction(ExtractionType.FILE)


@dataclass(frozen=True)
class CsvSource:
    """A file whose first row names the columns; empty and repeated names are made unique (``name_2``).

    Types are proven over the whole file before the first row is given (two passes over the file, nothing held).
    Rows that are ragged or hold undecodable bytes are set aside in ``Reading.rejected``.
    """

    source: Source
    roots: Sequence[Path]

    def test(self) -> str:
        """Open the file and read its first row; a folder is listed."""
        path = str(self.source.connection["path"])
        if is_folder(self.roots, path):
            count = len(list_files(self.roots, path, field="connection.path"))
            return f"folder {path} holds {count} {'file' if count == 1 else 'files'}"
        with self._opened(_NOTHING) as (_, dialect):
            return f"file {path} has {len(dialect.columns)} columns, in {dialect.encoding}"

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows with the types that the beginning of the file shows; reads 256 KB, 4 MB at most."""
        with self._opened(extraction) as (file, dialect):
            size, taken = os.fstat(file.fileno()).st_size, HEAD_BYTES
            while True:
                batches, schema = _of_head(file, dialect, _last_row_end(file, min(taken, size), size))
                count = sum(batch.num_rows for batch in batches)
                if count > limit or taken >= min(size, MAX_HEAD_BYTES):
                    shown = preview_of(schema, batches, limit)
                    return Preview(shown.columns, shown.rows, shown.truncated or taken < size)
                taken *= 4

    def estimated_rows(self, extraction: Extraction) -> int:
        """About how many rows the file has, from the rows of its beginning; exact for a file below 256 KB."""
        with self._opened(extraction) as (file, dialect):
            size = os.fstat(file.fileno()).st_size
            end = _last_row_end(file, min(HEAD_BYTES, size), size)
            batches, _ = _of_head(file, dialect, end)
            rows = sum(int(batch.num_rows) for batch in batches)
            return round(rows * size / max(end, 1))

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All rows, in proven types."""
        with self._opened(extraction) as (file, dialect):
            before = os.fstat(file.fileno())
            proof, count = prove_file(file, dialect)
            schema = schema_of(dialect, proof)
            rows = TextRows(file, dialect)
            yield Reading(schema, _typed(rows, schema, before), rows.rejected, count)

    @contextmanager
    def _opened(self, extraction: Extraction) -> Iterator[tuple[BinaryIO, Dialect]]:
        path, field = self._path(extraction)
        with open_file(self.roots, path, field=field) as file:
            yield file, self.dialect(file)

    def dialect(self, file: BinaryIO) -> Dialect:
        """How an open file is written, as the source names it or as its beginning shows."""
        head = os.pread(file.fileno(), HEAD_BYTES, 0)
        given = self.source.connection
        return dialect_of(
            head,
            whole=len(head) == os.fstat(file.fileno()).st_size,
            encoding=given.get("encoding"),
            delimiter=given.get("delimiter"),
        )

    def _path(self, extraction: Extraction) -> tuple[str, str]:
        return path_of(self.source, extraction, self.roots)


def path_of(source: Source, extraction: Extraction, roots: Sequence[Path]) -> tuple[str, str]:
    """The path to open and the field that named it.

    Raises:
        Invalid: the source names a folder and the extraction no file in it, or both name a file.
    """
    base = str(source.connection["path"])
    if not extraction.path:
        if is_folder(roots, base):
            raise Invalid.field("extraction.path", f"is required: {base} is a folder")
        return base, "connection.path"
    if extraction.path.startswith("/"):
        raise Invalid.field("extraction.path", "is a path below the source's folder, without a leading slash")
    if not is_folder(roots, base):
        raise Invalid.field("extraction.path", f"belongs to a source that is a folder; {base} is none")
    return f"{base.rstrip('/')}/{extraction.path}", "extraction.path"


def prove_file(file: BinaryIO, dialect: Dialect) -> tuple[list[Proven], int]:
    """What each column of the whole file is, and how many rows it has (rejected ones included)."""
    rows = TextRows(file, dialect)
    proof = _prove(rows.batches(), len(dialect.columns))
    return proof, rows.read


def schema_of(dialect: Dialect, proof: Sequence[Proven]) -> pa.Schema:
    """The Arrow schema of a proven file."""
    return pa.schema([pa.field(name, each.arrow) for name, each in zip(dialect.columns, proof, strict=True)])


def _prove(batches: Iterator[pa.RecordBatch] | Sequence[pa.RecordBatch], width: int) -> list[Proven]:
    proof = [Proven()] * width
    for batch in batches:
        proof = [each.joined(prove(column)) for each, column in zip(proof, batch.columns, strict=True)]
    return proof


def _typed(rows: TextRows, schema: pa.Schema, before: os.stat_result) -> Iterator[pa.RecordBatch]:
    try:
        for batch in rows.batches():
            yield from _slices(typed_batch(batch, schema))
    except pa.ArrowInvalid:
        raise SourceError("the file changed while it was read") from None
    after = os.fstat(rows.file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise SourceError("the file changed while it was read")


def typed_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of text in the types of ``schema``; pa.ArrowInvalid where a value is not of its type."""
    columns = [typed(column, each.type) for column, each in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch.slice(start, BATCH_ROWS)


def _of_head(file: BinaryIO, dialect: Dialect, end: int) -> tuple[list[pa.RecordBatch], pa.Schema]:
    texts = list(TextRows(file, dialect, end=end).batches())
    schema = schema_of(dialect, _prove(texts, len(dialect.columns)))
    return [typed_batch(batch, schema) for batch in texts], schema


def _last_row_end(file: BinaryIO, end: int, size: int) -> int:
    """Where the last whole line before ``end`` ends."""
    if end >= size:
        return size
    found = os.pread(file.fileno(), end, 0).rfind(b"\n") + 1
    return found or end
