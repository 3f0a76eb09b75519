"""A CSV file, or a folder of them, as a source."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from dataops_defs.adapters.sources.base import BATCH_ROWS, Reading
from dataops_defs.adapters.sources.csv.dialect import HEAD_BYTES, Dialect, dialect_of
from dataops_defs.adapters.sources.csv.rows import BLOCK_SIZES, RowTooLong, TextRows, is_utf8
from dataops_defs.adapters.sources.csv.types import Proven, holds_quote, prove, typed
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.storage.roots import is_folder, list_files, open_file
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError

MAX_HEAD_BYTES = 4 * 1024 * 1024
PLACES = 8
PLACE_BYTES = 64 * 1024
_NOTHING = Extraction(ExtractionType.FILE)


@dataclass(frozen=True)
class CsvSource:
    """A file; where its first row does not name the columns, they are ``column_1`` and so on. Names are made unique.

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
        with self.opened(_NOTHING) as (_, dialect):
            guessed = " (guessed from its bytes)" if dialect.guessed else ""
            return f"file {path} has {len(dialect.columns)} columns, in {dialect.encoding}{guessed}"

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows with the types that the beginning of the file shows; reads 256 KB, 4 MB at most."""
        with self.opened(extraction) as (file, dialect):
            head = head_batches(file, dialect, limit + 1)
            shown = preview_of(head.schema, head.batches, limit)
            return Preview(shown.columns, shown.rows, shown.truncated or not head.whole, dialect.notes)

    def estimated_rows(self, extraction: Extraction) -> int:
        """About how many rows the file has, from the rows of its beginning; exact for a file below 256 KB."""
        with self.opened(extraction) as (file, dialect):
            size = os.fstat(file.fileno()).st_size
            end = _last_row_end(file, min(HEAD_BYTES, size), size)
            batches, _ = _of_head(file, dialect, end)
            rows = sum(int(batch.num_rows) for batch in batches)
            return round(rows * size / max(end, 1))

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All rows, in proven types."""
        with self.opened(extraction, whole=True) as (file, dialect):
            yield proven_reading(file, dialect, prove_file(file, dialect))

    @contextmanager
    def opened(self, extraction: Extraction, *, whole: bool = False) -> Iterator[tuple[BinaryIO, Dialect]]:
        """The open file, and how it is written; ``whole`` looks for undecodable bytes beyond its beginning too."""
        path, field = self._path(extraction)
        with open_file(self.roots, path, field=field) as file:
            yield file, dialect_in(file, self.source.connection, whole=whole)

    def _path(self, extraction: Extraction) -> tuple[str, str]:
        return path_of(self.source, extraction, self.roots)


def dialect_in(
    file: BinaryIO,
    connection: Mapping[str, Any],
    *,
    whole: bool = False,
    cut: bool = False,
    proven: int = MAX_HEAD_BYTES,
) -> Dialect:
    """How an open file is written, as the connection names it or as the file's beginning shows.

    Args:
        whole: look for undecodable bytes in all of it, not in its first ``proven`` bytes only.
        cut: there is more of it than this file holds.
    """
    head = os.pread(file.fileno(), HEAD_BYTES, 0)
    dialect = dialect_of(
        head,
        whole=len(head) == os.fstat(file.fileno()).st_size and not cut,
        encoding=connection.get("encoding"),
        delimiter=connection.get("delimiter"),
        has_header=connection.get("hasHeader"),
    )
    sound = not dialect.utf8 or is_utf8(file, dialect.bom, None if whole else proven)
    return replace(dialect, sound=sound)


def head_of(file: BinaryIO, dialect: Dialect, *, cut: bool) -> tuple[list[pa.RecordBatch], pa.Schema]:
    """The whole rows in the first 4 MB of a file, in the types that they show; ``cut`` as for `dialect_in`."""
    size = os.fstat(file.fileno()).st_size
    return _of_head(file, dialect, _last_row_end(file, min(size, MAX_HEAD_BYTES), size + cut))


@dataclass(frozen=True)
class HeadRows:
    """Whole rows, in the first ``end`` bytes of a file and in the types they show; ``whole``: there are no more.

    ``set_aside``: so many rows there cannot be read; ``undecoded`` of them for their bytes.
    """

    batches: Sequence[pa.RecordBatch]
    schema: pa.Schema
    end: int
    whole: bool
    set_aside: int
    undecoded: int


def head_batches(file: BinaryIO, dialect: Dialect, rows: int | None, *, cut: bool = False) -> HeadRows:
    """At least so many rows, as far as the first 4 MB hold them; reads 256 KB to begin with.

    Args:
        rows: None for all that these 4 MB hold.
        cut: as for `dialect_in`.
    """
    size = os.fstat(file.fileno()).st_size
    most = min(size, MAX_HEAD_BYTES)
    taken = most if rows is None else min(HEAD_BYTES, most)
    while True:
        end = _last_row_end(file, taken, size + cut)
        found = TextRows(file, dialect, end=end, block_bytes=_block_bytes(end))
        batches, schema = _typed_head(found)
        if taken >= most or sum(batch.num_rows for batch in batches) >= (rows or 0):
            return HeadRows(batches, schema, end, taken >= size and not cut, len(found.rejected), found.undecoded)
        taken = min(taken * 4, most)


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


@dataclass
class FileProof:
    """What a whole file was found to be. ``plain``: no row was set aside, and no value holds a quote."""

    columns: list[Proven]
    rows: int = 0
    plain: bool = True
    mark: tuple[int, int] = (0, 0)
    block_bytes: int = BLOCK_SIZES[0]

    def schema(self, dialect: Dialect) -> pa.Schema:
        """The columns' names and types."""
        fields = zip(dialect.columns, self.columns, strict=True)
        return pa.schema([pa.field(name, each.arrow) for name, each in fields])

    def take(self, batch: pa.RecordBatch) -> None:
        """Widen the columns to what the batch holds."""
        self.rows += batch.num_rows
        self.columns = [each.joined(prove(column)) for each, column in zip(self.columns, batch.columns, strict=True)]
        self.plain = self.plain and not any(map(holds_quote, batch.columns))


def prove_file(
    file: BinaryIO, dialect: Dialect, watch: Callable[[FileProof], object] = lambda _proof: None
) -> FileProof:
    """Prove every value of a file; ``watch`` sees the proof grow. Larger blocks only for a file that needs them."""
    for size in BLOCK_SIZES[:-1]:
        with suppress(RowTooLong):
            return _prove_file(file, dialect, watch, size)
    return _prove_file(file, dialect, watch, BLOCK_SIZES[-1])


def _prove_file(file: BinaryIO, dialect: Dialect, watch: Callable[[FileProof], object], block_bytes: int) -> FileProof:
    proof = FileProof([Proven()] * len(dialect.columns), mark=_mark(file), block_bytes=block_bytes)
    rows = TextRows(file, dialect, block_bytes=block_bytes)
    for batch in rows.batches():
        proof.take(batch)
        proof.plain = proof.plain and not rows.rejected
        watch(proof)
    proof.rows, proof.plain = rows.read, proof.plain and not rows.rejected
    return proof


def guess_file(file: BinaryIO, dialect: Dialect) -> FileProof:
    """What eight places of the file show; only to begin with, never to rely on."""
    size = os.fstat(file.fileno()).st_size
    guess = FileProof([Proven()] * len(dialect.columns))
    for place in range(PLACES):
        start = 0 if place == 0 else _next_row(file, size * place // PLACES)
        end = _last_row_end(file, min(start + PLACE_BYTES, size), size, start)
        with suppress(SourceError):  # a place inside a quoted text
            for batch in TextRows(file, dialect, start, end).batches() if start < end else ():
                guess.take(batch)
    return guess


def proven_reading(file: BinaryIO, dialect: Dialect, proof: FileProof) -> Reading:
    """A second pass over a proven file, in its types."""
    rows = TextRows(file, dialect, block_bytes=proof.block_bytes)
    schema = proof.schema(dialect)
    return Reading(schema, _typed(rows, schema, proof.mark), rows.rejected, proof.rows, notes=list(dialect.notes))


def _mark(file: BinaryIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def check_unchanged(file: BinaryIO, proof: FileProof) -> None:
    """SourceError when the file is no longer the one that was proven."""
    if _mark(file) != proof.mark:
        raise SourceError("the file changed while it was read")


def _typed(rows: TextRows, schema: pa.Schema, mark: tuple[int, int]) -> Iterator[pa.RecordBatch]:
    try:
        for batch in rows.batches():
            yield from _slices(typed_batch(batch, schema))
    except pa.ArrowInvalid:
        raise SourceError("the file changed while it was read") from None
    if _mark(rows.file) != mark:
        raise SourceError("the file changed while it was read")


def typed_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch of text in the types of ``schema``; pa.ArrowInvalid where a value is not of its type."""
    columns = [typed(column, each.type) for column, each in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch.slice(start, BATCH_ROWS)


def _of_head(file: BinaryIO, dialect: Dialect, end: int) -> tuple[list[pa.RecordBatch], pa.Schema]:
    return _typed_head(TextRows(file, dialect, end=end, block_bytes=_block_bytes(end)))


def _block_bytes(end: int) -> int:
    """No row is longer than the part that is read; a larger block would only cost its memory."""
    return next((each for each in BLOCK_SIZES if each >= end), BLOCK_SIZES[-1])


def _typed_head(rows: TextRows) -> tuple[list[pa.RecordBatch], pa.Schema]:
    texts = list(rows.batches())
    proof = FileProof([Proven()] * len(rows.dialect.columns))
    for batch in texts:
        proof.take(batch)
    schema = proof.schema(rows.dialect)
    return [typed_batch(batch, schema) for batch in texts], schema


def _last_row_end(file: BinaryIO, end: int, size: int, start: int = 0) -> int:
    """Where the last whole line before ``end`` ends."""
    if end >= size:
        return size
    found = os.pread(file.fileno(), end - start, start).rfind(b"\n") + 1
    return start + found if found else end


def _next_row(file: BinaryIO, place: int) -> int:
    """Where the first line after ``place`` begins."""
    return place + os.pread(file.fileno(), PLACE_BYTES, place).find(b"\n") + 1
