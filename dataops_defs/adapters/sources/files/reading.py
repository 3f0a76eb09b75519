"""One reading of one or several open files, whatever their format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import pyarrow as pa

from dataops_defs.adapters.sources.base import BATCH_ROWS, Reading
from dataops_defs.adapters.sources.csv.file import dialect_in, prove_file, proven_reading
from dataops_defs.adapters.sources.csv.rows import BLOCK_SIZES, RowTooLong, TextRows
from dataops_defs.adapters.sources.csv.types import Proven, prove, typed
from dataops_defs.adapters.sources.excel.file import sheet_in
from dataops_defs.adapters.sources.files.parquet import ParquetRows
from dataops_defs.adapters.sources.files.union import BatchSpool, Rejects, check_width, converted, joined
from dataops_defs.adapters.sources.json.file import is_lines, json_pieces
from dataops_defs.adapters.sources.json.records import Piece, json_reading
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.errors import DataOpsError, SourceError, SourceUnavailable


@dataclass(frozen=True)
class Openable:
    """A file of a reading: the name that people know it by, and how to open it, which is done once."""

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True)
class Wanted:
    """How files are to be read: their format, where only their names say it, the sheet, and a CSV's settings."""

    format: FileFormat
    guessed: bool
    sheet: str | None
    connection: Mapping[str, Any]

    @property
    def has_header(self) -> bool | None:
        """Whether the first row names the columns, where somebody says so."""
        return self.connection.get("hasHeader")


def reading_of(files: Sequence[Openable], wanted: Wanted, kept: ExitStack) -> Reading:
    """All rows of the files, in their order: columns by name, each in a type that keeps the values of all files.

    All files have been opened, and but for the only one closed, when this returns; ``kept`` holds what is read from.
    """
    match wanted.format:
        case FileFormat.JSON | FileFormat.JSONL:
            return _json(files, wanted, kept)
        case FileFormat.CSV if len(files) == 1:
            return _one_csv(files[0], wanted, kept)
        case FileFormat.CSV:
            return _csv(files, wanted, kept)
        case FileFormat.PARQUET | FileFormat.EXCEL:
            return _typed(files, wanted, kept)


def rows_in(file: BinaryIO, name: str, wanted: Wanted, kept: ExitStack) -> Reading:
    """The rows of one open Parquet file or workbook."""
    if wanted.format is FileFormat.PARQUET:
        with naming(name):
            rows = ParquetRows.of(file)
        return Reading(rows.schema, _naming(name, rows.batches()), [], rows.rows)
    return kept.enter_context(sheet_in(file, name, wanted.sheet, has_header=wanted.has_header))


def _one_csv(file: Openable, wanted: Wanted, kept: ExitStack) -> Reading:
    opened = kept.enter_context(file.open())
    with naming(file.name):
        dialect = dialect_in(opened, wanted.connection, whole=True)
        reading = proven_reading(opened, dialect, prove_file(opened, dialect))
    reading.batches, reading.notes = _naming(file.name, reading.batches), named(file.name, reading.notes)
    return reading


def _csv(files: Sequence[Openable], wanted: Wanted, kept: ExitStack) -> Reading:
    spool, rejects, columns, notes = BatchSpool(kept), Rejects([]), dict[str, Proven](), list[str]()
    for each in files:
        with naming(each.name), each.open() as file:
            notes += named(each.name, _take_csv(file, each.name, wanted, spool, rejects, columns))
        check_width(columns)
    schema = pa.schema([pa.field(name, proven.arrow) for name, proven in columns.items()])
    batches = spool.batches(schema, lambda column, each: typed(column, each.type))
    return Reading(schema, _sliced(batches), rejects.rows, rejects.before, notes=notes)


def _take_csv(
    file: BinaryIO, name: str, wanted: Wanted, spool: BatchSpool, rejects: Rejects, columns: dict[str, Proven]
) -> Sequence[str]:
    """The texts of one file into the spool; its columns join the others'. Returns its notes."""
    dialect = dialect_in(file, wanted.connection, whole=True)
    schema = pa.schema([pa.field(each, pa.string()) for each in dialect.columns])
    for size in BLOCK_SIZES:
        rows, proven = TextRows(file, dialect, block_bytes=size), dict.fromkeys(dialect.columns, Proven())
        try:
            spool.write(schema, _proving(rows, proven))
        except RowTooLong:
            if size == BLOCK_SIZES[-1]:
                raise
        else:
            break
    rejects.take(name, rows.rejected, rows.read)
    for each, found in proven.items():
        columns[each] = columns.get(each, Proven()).joined(found)
    return dialect.notes


def _proving(rows: TextRows, proven: dict[str, Proven]) -> Iterator[pa.RecordBatch]:
    for batch in rows.batches():
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            proven[name] = proven[name].joined(prove(column))
        yield batch


def _typed(files: Sequence[Openable], wanted: Wanted, kept: ExitStack) -> Reading:
    if len(files) == 1:
        return rows_in(kept.enter_context(files[0].open()), files[0].name, wanted, kept)
    spool, columns, rejects, notes = BatchSpool(kept), dict[str, pa.DataType](), Rejects([]), list[str]()
    for each in files:
        with each.open() as file, ExitStack() as held:
            reading, filled = rows_in(file, each.name, wanted, held), set[str]()
            spool.write(reading.schema, _noting(reading.batches, filled))
        for field in reading.schema:
            found = field.type if field.name in filled else pa.null()
            columns[field.name] = joined(columns.get(field.name, pa.null()), found)
        check_width(columns)
        rejects.take(each.name, reading.rejected, reading.expected_rows or 0)
        notes += named(each.name, reading.notes)
    schema = pa.schema([(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in columns.items()])
    return Reading(schema, spool.batches(schema, converted), rejects.rows, rejects.before, notes=notes)


def _noting(batches: Iterator[pa.RecordBatch], filled: set[str]) -> Iterator[pa.RecordBatch]:
    """Note which columns hold anything; a column that is empty in a file says nothing of its type."""
    for batch in batches:
        filled.update(
            each.name
            for each, column in zip(batch.schema, batch.columns, strict=True)
            if column.null_count < batch.num_rows
        )
        yield batch


def _json(files: Sequence[Openable], wanted: Wanted, kept: ExitStack) -> Reading:
    counts: list[int] = []
    reading = kept.enter_context(json_reading(_pieces(files, wanted, counts)))
    if len(files) > 1:
        rejects, rest = Rejects([]), list(reading.rejected)
        before = 0
        for each, count in zip(files, counts, strict=True):
            mine = [row for row in rest if row.number <= before + count]
            rest = rest[len(mine) :]
            rejects.take(each.name, [replace(row, number=row.number - before) for row in mine], count)
            before += count
        reading.rejected = rejects.rows
    return reading


def _pieces(files: Sequence[Openable], wanted: Wanted, counts: list[int]) -> Iterator[Piece]:
    for each in files:
        counts.append(0)
        with naming(each.name), each.open() as file:
            for piece in json_pieces(file, json_kind(file, wanted)):
                counts[-1] += len(piece.records)
                yield piece


def json_kind(file: BinaryIO, wanted: Wanted) -> FileFormat:
    """JSON or JSON lines: as it was said, or else as the file shows it."""
    lines = wanted.format is FileFormat.JSON and wanted.guessed and is_lines(file)
    return FileFormat.JSONL if lines else wanted.format


@contextmanager
def naming(name: str) -> Iterator[None]:
    """What is wrong inside is wrong with this file."""
    try:
        yield
    except SourceUnavailable as error:
        raise SourceUnavailable(_named(name, error)) from None
    except SourceError as error:
        raise SourceError(_named(name, error)) from None


def named(name: str, notes: Sequence[str]) -> list[str]:
    """Notes on a file, with its name."""
    return [f"{name}: {note}" for note in notes]


def _named(name: str, error: DataOpsError) -> str:
    return str(error) if name in str(error) else f"{name}: {error}"


def _naming(name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with naming(name):
        yield from batches


def _sliced(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)
