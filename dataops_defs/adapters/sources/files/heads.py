"""The first rows of files, for a preview: as little of each is read as they need."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from dataops_defs.adapters.sources.csv.file import MAX_HEAD_BYTES, dialect_in, head_of
from dataops_defs.adapters.sources.excel.file import PREVIEW_SECONDS, sheet_in
from dataops_defs.adapters.sources.files.parquet import ParquetRows
from dataops_defs.adapters.sources.files.reading import Wanted, json_kind, named, naming
from dataops_defs.adapters.sources.files.union import converted, in_schema, joined
from dataops_defs.adapters.sources.json.file import HEAD_BYTES, first_pieces
from dataops_defs.adapters.sources.json.records import json_reading
from dataops_defs.domain.extraction import FileFormat

HEADS = {FileFormat.CSV: MAX_HEAD_BYTES, FileFormat.JSON: HEAD_BYTES, FileFormat.JSONL: HEAD_BYTES}
"""Bytes that the first rows lie in; the other formats have no beginning that can be read by itself."""


@dataclass(frozen=True)
class Head:
    """The first rows of one file; ``cut``: there is more of it; ``notes`` as of a `Reading`."""

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch]
    cut: bool
    notes: Sequence[str] = ()

    @property
    def rows(self) -> int:
        """How many they are."""
        return sum(batch.num_rows for batch in self.batches)


def first_rows(file: BinaryIO, name: str, wanted: Wanted, rows: int, *, cut: bool) -> Head:
    """At least so many rows of a file, in the types that they show, or all that it has; ``cut`` as in `HEADS`."""
    with naming(name), ExitStack() as kept:
        match wanted.format:
            case FileFormat.CSV:
                dialect = dialect_in(file, wanted.connection, cut=cut)
                batches, schema = head_of(file, dialect, cut=cut)
                return Head(schema, batches, cut, named(name, dialect.notes))
            case FileFormat.JSON | FileFormat.JSONL:
                pieces = first_pieces(file, json_kind(file, wanted), rows, cut=cut)
                reading = kept.enter_context(json_reading(pieces))
            case FileFormat.EXCEL:
                sheet = sheet_in(file, name, wanted.sheet, rows, PREVIEW_SECONDS, has_header=wanted.has_header)
                reading = kept.enter_context(sheet)
            case FileFormat.PARQUET:
                parquet = ParquetRows.of(file, looked_at=1)
                return Head(parquet.schema, list(_first(parquet.batches(), rows)), cut=False)
        return Head(reading.schema, list(_first(reading.batches, rows)), cut, named(name, reading.notes))


def as_one(heads: Sequence[Head]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The rows of all of them in one schema."""
    columns: dict[str, pa.DataType] = {}
    for head in heads:
        for field in head.schema:
            columns[field.name] = joined(columns.get(field.name, pa.null()), field.type)
    schema = pa.schema(list(columns.items()))
    return schema, (in_schema(batch, schema, converted) for head in heads for batch in head.batches)


def _first(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return
