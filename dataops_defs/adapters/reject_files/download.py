"""Rejected rows as a CSV file or a workbook: to be mended there, and uploaded again."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from dataops_defs.adapters.reject_files.cells import cell_of, headers, shortened
from dataops_defs.adapters.warehouse.rejects import Reject

WORKBOOK_ROWS = 100_000
SHEET = "rejects"
_AS_TEXT = "@"


def write_csv(file: IO[bytes], rejects: Iterable[Reject], columns: Sequence[str]) -> None:
    """UTF-8, commas, RFC 4180."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    lines = csv.writer(text)
    lines.writerow(headers(columns))
    lines.writerows(_cells(columns, each) for each in rejects)
    text.detach()


def write_workbook(file: IO[bytes], rejects: Iterable[Reject], columns: Sequence[str]) -> None:
    """One sheet, row by row; all cells but the two numbers are text, also to whoever edits them in Excel."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(SHEET)
    sheet.freeze_panes = "E2"
    sheet.append(list(headers(columns)))
    cells = [WriteOnlyCell(sheet) for _ in columns]
    for cell in cells:
        cell.number_format = _AS_TEXT
    reason, column = WriteOnlyCell(sheet), WriteOnlyCell(sheet)
    for each in rejects:
        row = _cells(columns, each)
        for cell, text in zip((reason, column, *cells), row[2:], strict=True):
            cell.value = shortened(str(text)) or None
            if cell.value is not None:
                cell.data_type = "s"  # openpyxl takes texts like "#N/A" for errors otherwise
        sheet.append([row[0], row[1], reason, column, *cells])
    workbook.save(file)


def _cells(columns: Sequence[str], reject: Reject) -> list[int | str]:
    content = reject.content
    told = [cell_of(reject.reason), cell_of(reject.column)]
    return [reject.id, reject.row_number, *told, *(cell_of(content.get(name)) for name in columns)]


def pieces(file: IO[bytes], size: int = 1 << 18) -> Iterator[bytes]:
    """The file from its beginning, closed at the end."""
    with file:
        file.seek(0)
        while piece := file.read(size):
            yield piece
