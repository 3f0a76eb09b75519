"""An Excel workbook as a source: one sheet of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.csv.file import path_of
from dataops_defs.adapters.sources.in_worker import MAX_MEMORY
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.sources.workers import worker_reading
from dataops_defs.adapters.storage.roots import is_folder, list_files, open_file
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source

PREVIEW_SECONDS = 30
READ_SECONDS = 900
_WORKER = "dataops_defs.adapters.sources.excel.worker"
_NOTHING = Extraction(ExtractionType.FILE)


@dataclass(frozen=True)
class ExcelSource:
    """A workbook (xlsx, xlsm, xlsb, xls). Wholly empty rows and columns are left out and counted nowhere.

    Types are proven over all rows of the sheet: whole numbers, floats, booleans, dates, timestamps, times; a column
    of mixed types is text. Rows with errors, or formulas never computed, are set aside in ``Reading.rejected``; a
    preview shows them. The parsing happens in a process of its own with at most 2 GB of memory.
    """

    source: Source
    roots: Sequence[Path]

    def test(self) -> str:
        """Open the workbook and read its first row; a folder is listed."""
        path = str(self.source.connection["path"])
        if is_folder(self.roots, path):
            count = len(list_files(self.roots, path, field="connection.path"))
            return f"folder {path} holds {count} {'file' if count == 1 else 'files'}"
        with self._opened(_NOTHING, 0, PREVIEW_SECONDS) as reading:
            return (
                f"workbook {path} has {len(reading.schema)} columns and {reading.expected_rows} rows in its first sheet"
            )

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows of the sheet, in the types that the whole sheet proves."""
        with self._opened(extraction, limit + 1, PREVIEW_SECONDS) as reading:
            return replace(preview_of(reading.schema, reading.batches, limit), notes=reading.notes)

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All rows of the sheet."""
        with self._opened(extraction, None, READ_SECONDS) as reading:
            yield reading

    @property
    def _has_header(self) -> bool | None:
        return self.source.connection.get("hasHeader")

    @contextmanager
    def _opened(self, extraction: Extraction, limit: int | None, seconds: float) -> Iterator[Reading]:
        path, field = path_of(self.source, extraction, self.roots)
        with (
            open_file(self.roots, path, field=field) as file,
            sheet_in(file, path, extraction.sheet, limit, seconds, has_header=self._has_header) as reading,
        ):
            yield reading


@contextmanager
def sheet_in(
    file: BinaryIO,
    name: str,
    sheet: str | None,
    limit: int | None = None,
    seconds: float = READ_SECONDS,
    memory: int = MAX_MEMORY,
    has_header: bool | None = None,
) -> Iterator[Reading]:
    """One sheet of an open workbook, by its name or the first; ``limit`` rows of it, within so many seconds.

    Args:
        has_header: whether its first row names the columns; None to have it told by the rows.
    """
    header = "-" if has_header is None else str(has_header).lower()
    wanted = ["-" if limit is None else str(limit), header, *([] if sheet is None else [sheet])]
    with worker_reading(_WORKER, wanted, file, name, seconds=seconds, memory=memory) as reading:
        yield reading
