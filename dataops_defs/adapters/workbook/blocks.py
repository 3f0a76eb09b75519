"""Rows as blocks of sheet XML, sheet after sheet: no block spans two of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from xlsxwriter.utility import xl_col_to_name

from dataops_defs.adapters.workbook.cells import CellWriter, row_xml
from dataops_defs.adapters.workbook.forms import plain
from dataops_defs.adapters.workbook.headers import Header
from dataops_defs.adapters.workbook.looks import Look

ROWS_AT_ONCE = 4_096
CELLS_AT_ONCE = 100_000
"""What is held as XML at a time: of wide tables fewer rows."""
EXCEL_ROWS = 1_048_576
"""What one sheet holds."""
BYTES_PER_SHEET = 1_500_000_000
"""Parts of more than 2 GB need zip64, which Excel takes for damage."""


@dataclass(frozen=True)
class Block:
    """So many rows of the sheet of that number, from 0; the last of them is ``last_row`` (from 1) of that sheet."""

    sheet: int
    last_row: int
    rows: int
    xml: bytes


@dataclass
class RowBlocks:
    """Makes blocks of batches. ``top`` rows are above the data on every sheet, its header among them."""

    header: Sequence[Header]
    look: Look
    top: int = 1
    rows_per_sheet: int = EXCEL_ROWS

    def __post_init__(self) -> None:
        text = self.look.number("text")
        self.writers = [
            CellWriter(each.form, xl_col_to_name(place), self.look.number(each.form.style), text)
            for place, each in enumerate(self.header)
        ]

    def of(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Block]:
        """All rows in order."""
        at_once = min(ROWS_AT_ONCE, max(CELLS_AT_ONCE // max(len(self.header), 1), 1))
        sheet, row, size = 0, self.top, 0
        for batch in batches:
            start = 0
            while start < batch.num_rows:
                if row == self.rows_per_sheet or size >= BYTES_PER_SHEET:
                    sheet, row, size = sheet + 1, self.top, 0
                some = batch.slice(start, min(at_once, self.rows_per_sheet - row))
                xml = self._xml(some, row + 1)
                start, row, size = start + some.num_rows, row + some.num_rows, size + len(xml)
                yield Block(sheet, row, some.num_rows, xml)

    def _xml(self, batch: pa.RecordBatch, first: int) -> bytes:
        numbers = pa.array(range(first, first + batch.num_rows), pa.int64()).cast(pa.string())
        columns = zip(self.writers, batch.columns, strict=True)
        return row_xml([writer.cells(plain(column), numbers) for writer, column in columns], numbers)
