"""Whether the first row of a sheet names its columns."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from dataops_defs.adapters.sources.header import Tells

_NUMBER, _MOMENT = "a number", "a moment"
_KINDS = {int: _NUMBER, float: _NUMBER, date: _MOMENT, datetime: _MOMENT, bool: "a truth"} | {
    time: "a time",
    timedelta: "a length of time",
}


def tells_of(cell: Any, column: Sequence[Any]) -> Tells:
    """What a cell of the first row is above the cells of its column; one without any below is told by itself."""
    kinds = {_KINDS.get(type(each)) for each in column}
    above = _KINDS.get(type(cell))
    if cell is None or None in kinds or not (kinds or above):
        return Tells.NOTHING
    return Tells.VALUE if kinds <= {above} else Tells.NAME
