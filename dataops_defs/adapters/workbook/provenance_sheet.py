"""The sheet that tells where the numbers come from: query, run, time, what is left out and what was changed."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dataops_defs.adapters.workbook.book import Book, Poured
from dataops_defs.adapters.workbook.chart_choice import ChartTable
from dataops_defs.adapters.workbook.drawing import put_text
from dataops_defs.adapters.workbook.headers import lines_of
from dataops_defs.adapters.workbook.texts import Changes, counted

NAME = "Provenance"
_NAME_LETTERS, _LETTERS = 24, 100
_LONGEST_PIECE = 2_400
_LINE, _TALLEST = 15.0, 400.0
_NOTES = (
    "Whole numbers of more than 15 digits, NaN, infinities, days before March 1900 and negative spans are kept as text:"
    " Excel would show others. Decimal numbers of more than 15 digits are rounded to 15, unless whole digits or the"
    " first two decimals would change: those are text, too. Empty cells are empty in the data. Times are in UTC"
    " where the column's title says so, and else as they are in the data. A day of a span is 24 hours."
)


@dataclass(frozen=True)
class Origin:
    """What somebody may ask of a workbook later. ``left_out`` says how many rows are missing and why."""

    title: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default=())


def draw_provenance(book: Book, origin: Origin) -> None:
    """The last sheet."""
    sheet = book.sheet(NAME, [("title", NAME), ("subtitle", origin.title)])
    sheet.hide_gridlines(2)
    row = 3
    for name, value in [*origin.facts, *(("Note", each) for each in [*origin.notes, _NOTES])]:
        for number, piece in enumerate(_pieces(value)):
            put_text(sheet, row, 0, name if number == 0 else "", book.formats["key"])
            put_text(sheet, row, 1, piece, book.formats["value"])
            lines = max(lines_of(piece, _LETTERS), lines_of(name, _NAME_LETTERS) if number == 0 else 1)
            sheet.set_row(row, min(_LINE * lines, _TALLEST))
            row += 1
    sheet.set_column(0, 0, _NAME_LETTERS)
    sheet.set_column(1, 1, _LETTERS)
    book.look.paper(sheet, landscape=False)


def notes_on(poured: Poured) -> list[str]:
    """What could not stay as it was, column by column."""
    said = []
    where = f"'{poured.sheets[0]}'" if poured.sheets else "the table"
    for name, (as_text, changes) in poured.told.items():
        column = f"column '{name}' of {where}"
        if as_text:
            said.append(f"{_are(as_text, 'value', column)} kept as text, because Excel would show others")
        said += _told(changes, column)
    return said


def notes_on_values(sheet: str, changes: Changes) -> list[str]:
    """The same of a sheet of labels and values."""
    return _told(changes, f"'{sheet}'")


def notes_on_charts(sheet: str, charts: Sequence[ChartTable]) -> list[str]:
    """What charts leave out."""
    return [f"chart '{each.title}' on '{sheet}': {each.note}" for each in charts if each.note]


def _told(changes: Changes, place: str) -> list[str]:
    said = []
    if changes.rounded:
        said.append(f"{_are(changes.rounded, 'number', place)} rounded to 15 digits: Excel keeps no more")
    if changes.finer:
        said.append(f"{_are(changes.finer, 'time', place)} cut to milliseconds: Excel shows nothing finer")
    if changes.hidden:
        said.append(
            f"{_are(changes.hidden, 'time', place)} shown rounded to seconds: the first rows have no parts of seconds"
        )
    if changes.cut:
        said.append(f"{_are(changes.cut, 'text', place)} cut: a cell holds 32,767 characters")
    if changes.quoted:
        said.append(
            f"{_are(changes.quoted, 'text', place)} given a quote (') in front: what begins like a formula stays"
            " text by it, also in a CSV file made of this one"
        )
    return said


def stamp(moment: datetime) -> str:
    """A moment for people."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _are(number: int, one: str, column: str) -> str:
    return f"{counted(number, one)} of {column} {'is' if number == 1 else 'are'}"


def _pieces(text: str) -> list[str]:
    """A long text in parts that a cell can show."""
    return textwrap.wrap(text, _LONGEST_PIECE, replace_whitespace=False, drop_whitespace=False) or [""]
