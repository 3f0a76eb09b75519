"""The first rows of workbooks and Parquet files, which are parsed in a process of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from dataops_defs.adapters.preview.kinds import Kind
from dataops_defs.adapters.preview.shown import Asked, RowCount, Shown, first_rows, types_of
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.excel.container import Limits, check_container
from dataops_defs.adapters.sources.excel.file import sheet_in
from dataops_defs.adapters.sources.in_worker import Refused
from dataops_defs.adapters.sources.workers import worker_reading
from dataops_defs.errors import SourceError

SECONDS = 15
MEMORY = 512 * 1024**2
# Sheets of numbers that repeat are packed to a fiftieth at most.
LIMITS = Limits(ratio=100)
_PARQUET = "dataops_defs.adapters.preview.parquet_worker"


def table_shown(file: BinaryIO, kind: Kind, name: str, asked: Asked) -> Shown:
    """A preview of an open workbook, of its first sheet where none is named, or of a Parquet file.

    Raises:
        SourceError: it is none, or takes more time or memory than a preview may.
    """
    with _reading(file, kind, name, asked) as reading:
        rows = first_rows(reading.schema, reading.batches, asked.limit)
    count = RowCount(reading.expected_rows or 0, exact=True)
    warning, set_aside = "; ".join(reading.notes) or None, len(reading.rejected)
    types = types_of(reading.schema)
    return Shown(str(kind), types, rows, count, set_aside=set_aside, warning=warning, has_header=reading.has_header)


@contextmanager
def _reading(file: BinaryIO, kind: Kind, name: str, asked: Asked) -> Iterator[Reading]:
    if kind is Kind.PARQUET:
        options = {"seconds": SECONDS, "memory": MEMORY}
        with worker_reading(_PARQUET, [str(asked.limit)], file, name, **options) as reading:
            yield reading
        return
    try:
        # Before a worker is begun: what unfolds too far is refused in milliseconds.
        check_container(file, LIMITS)
    except Refused as refused:
        raise SourceError(str(refused)) from None
    with sheet_in(file, name, asked.sheet, asked.limit, SECONDS, MEMORY, asked.has_header) as reading:
        yield reading
