"""Words for tests of files: make some in each format, read them all."""

import gzip
import io
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from dataops_defs.adapters.sources.base import SourceAdapter
from dataops_defs.adapters.sources.files.source import FileSource
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction, ExtractionType, FileFormat
from dataops_defs.domain.source import Source, SourceType


def files_in(root: Path, **settings: Any) -> FileSource:
    """The files of a local folder, in whatever format their names say."""
    source = Source("1", "s", "s", SourceType.S3, "app", settings)
    return FileSource(source, lambda: nullcontext(RootFiles([root])), "")


def asked(path: str, format: FileFormat | None = None, sheet: str | None = None) -> Extraction:
    return Extraction(ExtractionType.S3, path=path, format=format, sheet=sheet)


def read(source: SourceAdapter, extraction: Extraction) -> tuple[pa.Table, list[RejectedRow]]:
    with source.read(extraction) as reading:
        table = pa.Table.from_batches(reading.batches, reading.schema)
        if reading.expected_rows is not None:
            assert reading.expected_rows == table.num_rows + len(reading.rejected)
        return table, reading.rejected


def rows(source: SourceAdapter, extraction: Extraction) -> list[dict[str, Any]]:
    table, rejected = read(source, extraction)
    assert rejected == []
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def types(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


def parquet(table: pa.Table | dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), buffer, **options)
    return buffer.getvalue()


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def jsonl(*records: Any) -> bytes:
    return "".join(f"{json.dumps(each)}\n" for each in records).encode()


def packed(content: bytes | str) -> bytes:
    return gzip.compress(content.encode() if isinstance(content, str) else content, mtime=0)
