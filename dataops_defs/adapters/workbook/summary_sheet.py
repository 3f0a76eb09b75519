"""The sheet that tells what each column holds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.book import Book, Poured
from dataops_defs.adapters.workbook.drawing import put_text, put_value
from dataops_defs.adapters.workbook.forms import SPAN, Form, NumberForm, TextForm
from dataops_defs.adapters.workbook.headers import Header, letters_wide, lines_of
from dataops_defs.adapters.workbook.magnitudes import is_far
from dataops_defs.adapters.workbook.statistics import ColumnStatistics
from dataops_defs.adapters.workbook.texts import counted

NAME = "Summary"
TITLES = ("Column", "Type", "Filled", "Empty", "Distinct", "Min", "Max", "Mean", "Sum")
_WIDTHS = (0, 18, 11, 11, 16, 24, 24, 24, 24)
_LONGEST_TEXT = 80
_LINE = 15.0
_AVERAGE = NumberForm(lambda values: values.cast("string"), "number", "decimal8")
_FAR = NumberForm(lambda values: values.cast("string"), "number", "float")
_COUNT = NumberForm(lambda values: values.cast("string"), "whole number", "integer")


def draw_summary(book: Book, poured: Poured, statistics: Sequence[ColumnStatistics]) -> list[str]:
    """A sheet with one line for each column of a table.

    Returns:
        What its figures leave out, which also stands below them.
    """
    size = f"{counted(poured.rows, 'row')}, {counted(len(poured.columns), 'column')}"
    sheet = book.sheet(NAME, [("title", NAME), ("subtitle", size)])
    for place, title in enumerate(TITLES):
        put_text(sheet, 3, place, title, book.formats["header" if place < 2 else "header_right"])
    for row, (column, each) in enumerate(zip(poured.columns, statistics, strict=True), 4):
        _line(book, sheet, row, column, each)
    notes = _left_out(poured, statistics)
    for row, note in enumerate(notes, 5 + len(poured.columns)):
        put_text(sheet, row, 0, note, book.formats["subtitle"])
    sheet.set_column(0, 0, max(letters_wide([each.title for each in poured.columns]), 14))
    for place, width in enumerate(_WIDTHS[1:], 1):
        sheet.set_column(place, place, width)
    sheet.freeze_panes(4, 1)
    sheet.repeat_rows(3)
    book.look.paper(sheet)
    return notes


def _left_out(poured: Poured, statistics: Sequence[ColumnStatistics]) -> list[str]:
    return [
        f"Min, Max, Mean and Sum of column '{column.title}' leave out {counted(each.endless, 'value')}: NaN and"
        " infinities, which have no place among numbers"
        for column, each in zip(poured.columns, statistics, strict=True)
        if each.endless
    ]


def _line(book: Book, sheet: Worksheet, row: int, column: Header, found: ColumnStatistics) -> None:
    put_text(sheet, row, 0, column.title, book.formats["text"])
    put_text(sheet, row, 1, column.form.kind, book.formats["text"])
    forms = _forms(column)
    distinct = (
        f"more than {found.most_distinct:,}" if found.distinct is None and _comparable(column) else found.distinct
    )
    sums = None if column.is_label else found.sum
    mean = None if column.is_label else found.mean
    forms = {**forms, "Mean": _readable(mean, forms["Mean"]), "Sum": _readable(sums, forms["Sum"])}
    cells = (found.filled, found.empty, distinct, _shown(found.low), _shown(found.high), mean, sums)
    lines = 1
    for place, value in enumerate(cells, 2):
        text = put_value(sheet, row, place, value, book.formats, forms.get(TITLES[place]))
        lines = max(lines, lines_of(text, _WIDTHS[place]))
    sheet.set_row(row, _LINE * lines)


def _forms(column: Header) -> Mapping[str, Form]:
    """The forms of a line's cells, where they are not those of the values themselves."""
    own = column.form
    total = _AVERAGE if own.style == "float" else own
    mean = own if own.kind == SPAN else _AVERAGE
    counts = {"Filled": _COUNT, "Empty": _COUNT, "Distinct": _COUNT}
    return {**counts, "Min": own, "Max": own, "Mean": mean, "Sum": total}


def _readable(value: Any, form: Form) -> Form:
    return form if value is None or isinstance(value, timedelta) or not is_far(float(value)) else _FAR


def _comparable(column: Header) -> bool:
    return not (isinstance(column.form, TextForm) and column.form.kind == "JSON")


def _shown(value: object) -> object:
    return f"{value[: _LONGEST_TEXT - 1]}…" if isinstance(value, str) and len(value) > _LONGEST_TEXT else value
