"""What stands at a chart's categories: dates as Excel knows them, names that leave room for the chart."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.drawing import put_text, put_value

LONGEST = 40
"""Letters of a name."""
DATES = {
    "day": "yyyy-mm-dd",
    "month": "yyyy-mm",
    "quarter": "yyyy-mm",
    **dict.fromkeys(("year", "decade", "century"), "yyyy"),
}
_STYLES = {"yyyy-mm-dd": "date", "yyyy-mm": "month", "yyyy": "year"}
_WORDS = {None: "(empty)", True: "TRUE", False: "FALSE"}


def shown_keys(keys: Sequence[Any], unit: str | None) -> list[Any]:
    """Moments and numbers as they are, if Excel can count with them; all others as texts that differ as they did."""
    if unit in DATES or all(isinstance(each, float) for each in keys):
        return list(keys)
    return _shortened([_words(each, unit) for each in keys])


def put_key(book: Book, sheet: Worksheet, row: int, column: int, key: Any, unit: str | None) -> None:
    """One of them into its cell."""
    if isinstance(key, datetime) and unit in DATES:
        sheet.write_datetime(row, column, key, book.formats[_STYLES[DATES[unit]]])
    elif isinstance(key, float):
        put_value(sheet, row, column, key, book.formats)
    else:
        put_text(sheet, row, column, str(key), book.formats["text"])


def _words(key: Any, unit: str | None) -> str:
    if key is None or isinstance(key, bool):
        return _WORDS[key]
    return f"{key:%Y-%m-%d %H:%M}" if isinstance(key, datetime) and unit in ("hour", "minute") else str(key)


def _shortened(names: Sequence[str]) -> list[str]:
    """Cut at the end; where that would make two of them the same, in the middle."""
    for cut in (_at_the_end, _in_the_middle):
        found = [cut(each) if len(each) > LONGEST else each for each in names]
        if len(set(found)) == len(set(names)):
            return found
    return [f"{number}. {each}" for number, each in enumerate(found, 1)]


def _at_the_end(name: str) -> str:
    return f"{name[: LONGEST - 1]}…"


def _in_the_middle(name: str) -> str:
    return f"{name[: LONGEST // 2]}…{name[-(LONGEST // 2 - 1) :]}"
