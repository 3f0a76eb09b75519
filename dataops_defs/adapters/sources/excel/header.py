"""What the cells of a sheet tell of its first row."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

from dataops_defs.adapters.sources.header import Cell, Kind, kind_of_text

_KINDS = {
    type(None): Kind.EMPTY,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    bool: Kind.TRUTH,
    date: Kind.MOMENT,
    datetime: Kind.MOMENT,
    time: Kind.MOMENT,
    timedelta: Kind.MOMENT,
}


def cell_of(value: Any, as_text: Callable[[Any], str]) -> Cell:
    """The cell of a sheet; one that could not be read is empty."""
    if isinstance(value, str):
        kind = kind_of_text(value)
        return Cell(value, Kind.TEXT_OF_NUMBER if kind is Kind.NUMBER else kind)
    kind = _KINDS.get(type(value), Kind.EMPTY)
    return Cell("" if kind is Kind.EMPTY else as_text(value), kind)
