"""The XML around a sheet's rows, as xlsxwriter writes it: frozen panes, widths, filters, paper."""

import re
from collections.abc import Callable
from io import BytesIO
from zipfile import ZipFile

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_DIMENSION = re.compile(rb"<dimension [^>]*/>")
_ROWS = b"<sheetData/>"


def frame_of(draw: Callable[[Worksheet], None], *, is_first: bool) -> tuple[bytes, bytes]:
    """What stands before and after the rows of a sheet that is drawn so, and has no cells.

    Args:
        is_first: the first sheet of a book is the one that it opens with.
    """
    file = BytesIO()
    book = Workbook(file, OPTIONS)
    if not is_first:
        book.add_worksheet()
    draw(book.add_worksheet())
    place = sheet_place(len(book.worksheets()))
    book.close()
    with ZipFile(file) as parts:
        xml = parts.read(place)
    # The rows are not counted yet, and readers believe what they are told.
    before, _, after = _DIMENSION.sub(b"", xml).partition(_ROWS)
    return before + b"<sheetData>", b"</sheetData>" + after


def sheet_place(number: int) -> str:
    """Where the sheet of that number, from 1, lies in a book's file."""
    return f"xl/worksheets/sheet{number}.xml"
