"""Sheets of a report: labels with their values."""

import json
from collections.abc import Mapping
from typing import Any

from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.drawing import number_of, put_text
from dataops_defs.adapters.workbook.headers import letters_wide, lines_of
from dataops_defs.adapters.workbook.looks import Lines
from dataops_defs.adapters.workbook.magnitudes import figure_style
from dataops_defs.adapters.workbook.texts import Changes

_LINE, _LOWEST, _TALLEST = 16.0, 24.0, 400.0


def draw_values(book: Book, name: str, values: Mapping[str, Any], above: Lines) -> Changes:
    """A sheet with a block of labels and values, below the lines that stand above.

    Returns:
        How many texts could not stay as they were.
    """
    changes = Changes()
    sheet = book.sheet(name, above)
    sheet.hide_gridlines(2)
    labels = [_label(each) for each in values]
    texts = [_words(each) for each in values.values() if _figure(each) is None]
    left, right = max(letters_wide(labels) + 4, 32), max(letters_wide(texts) + 2, 28)
    for row, (label, value) in enumerate(zip(labels, values.values(), strict=True), len(above)):
        put_text(sheet, row, 0, label, book.formats["label_of_figure"], changes)
        said = _put_figure(book, sheet, row, value, changes)
        lines = max(lines_of(label, left), lines_of(said, right))
        sheet.set_row(row, min(max(_LINE * lines, _LOWEST), _TALLEST))
    sheet.set_column(0, 0, left)
    sheet.set_column(1, 1, right)
    book.look.paper(sheet, landscape=False)
    return changes


def _put_figure(book: Book, sheet: Worksheet, row: int, value: Any, changes: Changes) -> str:
    """Write it; the text, where it is one."""
    number = _figure(value)
    if number is not None:
        sheet.write_number(row, 1, number, book.formats[figure_style(number)])
        return ""
    put_text(sheet, row, 1, _words(value), book.formats["figure_text"], changes)
    return _words(value)


def _figure(value: Any) -> float | int | None:
    return number_of(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _words(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _label(name: str) -> str:
    """``total_sales`` as a person writes it; what has blanks is written already."""
    return name if " " in name or not name.islower() else name.replace("_", " ").strip().capitalize() or name
