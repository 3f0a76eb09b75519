"""Sheets of a report: labels with their values."""

import json
from collections.abc import Mapping
from typing import Any

from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.drawing import number_of, put_text
from dataops_defs.adapters.workbook.headers import letters_wide
from dataops_defs.adapters.workbook.looks import Lines


def draw_values(book: Book, name: str, values: Mapping[str, Any], above: Lines) -> None:
    """A sheet with a block of labels and values, below the lines that stand above."""
    sheet = book.sheet(name, above)
    sheet.hide_gridlines(2)
    labels = [_label(each) for each in values]
    for row, (label, value) in enumerate(zip(labels, values.values(), strict=True), len(above)):
        put_text(sheet, row, 0, label, book.formats["label_of_figure"])
        _put_figure(book, sheet, row, value)
        sheet.set_row(row, 24)
    sheet.set_column(0, 0, max(letters_wide(labels) + 4, 32))
    sheet.set_column(1, 1, 28)
    book.look.paper(sheet, landscape=False)


def _put_figure(book: Book, sheet: Worksheet, row: int, value: Any) -> None:
    number = number_of(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if number is not None:
        style = "figure" if float(number).is_integer() else "figure_part"
        sheet.write_number(row, 1, number, book.formats[style])
        return
    put_text(sheet, row, 1, _words(value), book.formats["figure_text"])


def _words(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _label(name: str) -> str:
    """``total_sales`` as a person writes it; what has blanks is written already."""
    return name if " " in name or not name.islower() else name.replace("_", " ").strip().capitalize() or name
