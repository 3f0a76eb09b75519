"""Workbooks made of a few rows, and read back as another program reads them."""

import io
import re
from collections.abc import Sequence
from typing import Any
from zipfile import ZipFile

import openpyxl
import pyarrow as pa
from openpyxl.worksheet.worksheet import Worksheet

from dataops_defs.adapters.workbook.blocks import EXCEL_ROWS
from dataops_defs.adapters.workbook.book import Book, Poured
from dataops_defs.domain.export import Template

CODED = re.compile(r"_x([0-9A-F]{4})_")


class Made:
    """A workbook of one table: what was poured, the file, and the sheets as openpyxl sees them."""

    def __init__(self, poured: Poured, file: bytes) -> None:
        self.poured, self.file = poured, file
        self.book = openpyxl.load_workbook(io.BytesIO(file))

    @property
    def sheet(self) -> Worksheet:
        return self.book.worksheets[0]

    def xml(self, part: str) -> str:
        with ZipFile(io.BytesIO(self.file)) as parts:
            return parts.read(part).decode()

    def column(self, letters: str = "A", sheet: int = 0) -> list[Any]:
        """The values below the header."""
        return [each.value for each in self.book.worksheets[sheet][letters][1:]]


def poured(columns: dict[str, Any], name: str = "Data", per_sheet: int = EXCEL_ROWS, batches: int = 1) -> Made:
    """A workbook of these columns, given in so many batches."""
    table = pa.table(columns)
    return poured_batches(table.schema, table.to_batches(max_chunksize=max(len(table) // batches, 1)), name, per_sheet)


def poured_batches(
    schema: pa.Schema, batches: Sequence[pa.RecordBatch], name: str = "Data", per_sheet: int = EXCEL_ROWS
) -> Made:
    file = io.BytesIO()
    book = Book(file, Template.CORPORATE, per_sheet)
    told = book.pour(name, schema, batches)
    book.close()
    return Made(told, file.getvalue())


def as_excel_reads(text: str) -> str:
    """The text of a cell: openpyxl leaves the codes of control characters as they stand in the file."""
    return CODED.sub(lambda found: chr(int(found[1], 16)), text)
