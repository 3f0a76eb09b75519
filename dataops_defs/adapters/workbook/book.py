"""A workbook in the making: tables are poured into sheets row by row, other sheets are drawn with xlsxwriter.

xlsxwriter writes about 40,000 rows of 12 columns a second, cell by cell. Here it makes everything but the rows: a blank
stands in its book for each poured sheet, and the file takes the poured sheet in the blank's place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain, groupby
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.ahead import ahead
from dataops_defs.adapters.workbook.blocks import EXCEL_ROWS, Block, RowBlocks
from dataops_defs.adapters.workbook.drawing import put_text
from dataops_defs.adapters.workbook.frames import OPTIONS, frame_of, sheet_place
from dataops_defs.adapters.workbook.headers import Header, headers_of
from dataops_defs.adapters.workbook.looks import Lines, Look
from dataops_defs.adapters.workbook.pages import Page
from dataops_defs.adapters.workbook.sheet_names import SheetNames
from dataops_defs.adapters.workbook.texts import Changes
from dataops_defs.domain.export import Template
from dataops_defs.errors import TooLarge

# Level 6, zlib's own choice, takes three times as long for a file that is a seventh smaller.
LEVEL = 3
LARGEST = 1_900_000_000
"""Bytes of a file: beyond 2 GB its directory needs zip64, which Excel takes for damage."""
_BLOCKS_AHEAD = 4


@dataclass(frozen=True)
class Poured:
    """A table that was written: its columns, its rows, the sheets it took; and by column, how many numbers became text
    and which texts could not stay as they were.
    """

    columns: Sequence[Header]
    rows: int
    sheets: Sequence[str]
    told: Mapping[str, tuple[int, Changes]] = field(default_factory=dict)


class Book:
    """Writes to a file that can be sought in; nothing of it is read back.

    Args:
        rows_per_sheet: rows beyond continue on the next sheet.
    """

    def __init__(self, file: BinaryIO, template: Template, rows_per_sheet: int = EXCEL_ROWS) -> None:
        self.look = Look(template)
        self.names = SheetNames()
        self._rows_per_sheet = rows_per_sheet
        self._file = file
        self._zip = ZipFile(file, "w", ZIP_DEFLATED, compresslevel=LEVEL)
        self._drawn = BytesIO()
        self._book = Workbook(self._drawn, OPTIONS)
        self._poured: set[str] = set()
        self.formats: Mapping[str, Format] = self.look.formats(self._book)

    def sheet(self, name: str, above: Lines = ()) -> Worksheet:
        """A new sheet, to be drawn; with lines at its top."""
        sheet = self._book.add_worksheet(self.names.take(name))
        for row, (style, text) in enumerate(above):
            put_text(sheet, row, 0, text, self.formats[style])
        return sheet

    def chart(self, kind: str) -> Any:
        """A new chart, to be put into a sheet."""
        return self._book.add_chart({"type": kind})

    def describe(self, properties: Mapping[str, Any]) -> None:
        """The properties of the document: title, author, comments, created."""
        self._book.set_properties(dict(properties))

    def pour(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], above: Lines = ()) -> Poured:
        """Write a table, with its header, to a new sheet and as many more as it needs.

        Args:
            above: lines above the header on each of them.
        Raises:
            Invalid: it has more columns than a sheet.
            TooLarge: the file would have more bytes than Excel opens.
        """
        coming = iter(batches)
        first = next(coming, None)
        columns = headers_of(schema, first)
        blocks = RowBlocks(columns, self.look, len(above) + 1, self._rows_per_sheet)
        rows, sheets = 0, []
        with ahead(blocks.of(chain([first] if first else [], coming)), _BLOCKS_AHEAD) as made:
            for _, some in groupby(made, key=lambda block: block.sheet):
                page = Page(self.names.take(name), columns, above)
                rows += self._write(page, some)
                sheets.append(page.name)
        if not sheets:
            page = Page(self.names.take(name), columns, above)
            self._write(page, iter(()))
            sheets.append(page.name)
        writers = zip(columns, blocks.writers, strict=True)
        told = {each.name: (writer.numbers_as_text, writer.changes) for each, writer in writers}
        return Poured(columns, rows, sheets, told)

    def close(self) -> None:
        """Write everything that is not a poured row."""
        self._book.close()
        with ZipFile(self._drawn) as drawn, self._zip as file:
            for name in drawn.namelist():
                if name not in self._poured:
                    file.writestr(name, drawn.read(name))

    def abandon(self) -> None:
        """Leave the book unfinished."""
        for each in (self._book, self._zip):
            with suppress(Exception):
                each.close()

    def _refuse_too_large(self) -> None:
        if self._file.tell() > LARGEST:
            raise TooLarge(f"The workbook would be larger than {LARGEST / 1e9:g} GB; export fewer rows or columns")

    def _write(self, page: Page, blocks: Iterator[Block]) -> int:
        number = len(self._book.worksheets()) + 1
        place = sheet_place(number)
        rows, last_row = 0, page.top
        with self._zip.open(place, "w") as out:
            before, _ = frame_of(lambda sheet: page.draw(sheet, page.top, self.look), is_first=number == 1)
            out.write(before + page.top_rows(self.look))
            for block in blocks:
                self._refuse_too_large()
                out.write(block.xml)
                rows, last_row = rows + block.rows, block.last_row
            _, after = frame_of(lambda sheet: page.draw(sheet, last_row, self.look), is_first=number == 1)
            out.write(after)
        page.draw(self._book.add_worksheet(page.name), last_row, self.look)
        self._poured.add(place)
        return rows
