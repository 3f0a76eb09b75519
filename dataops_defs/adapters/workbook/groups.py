"""Sums by group, gathered while batches pass: an Arrow table of bounded size, however many rows there are."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.serials import beyond_calendar

# Beside users' columns in one table: no name of theirs holds a NUL.
KEY, COUNT = "\0key", "\0count"
MOST_GROUPS = 2_000
MOST_POINTS = 400
# No weeks: they begin in one month and end in another, so months could not be made of them.
UNITS = ("second", "minute", "hour", "day", "month", "quarter", "year", "decade", "century")
_YEARS = {"decade": 10, "century": 100}


class Groups:
    """Number of rows, and sums of measures, by the values of one column, in the order they first came."""

    def __init__(self, measures: Sequence[str]) -> None:
        self.measures = measures
        self._state: pa.Table | None = None
        self.too_many = False

    def add(self, keys: pa.Array, numbers: Sequence[pa.Array]) -> None:
        """Count a batch; rows without a key are a group of their own."""
        if not self.too_many:
            self._merge(keys, numbers)
            if self._state is not None and self._state.num_rows > MOST_GROUPS:
                self.too_many, self._state = True, None

    @property
    def table(self) -> pa.Table | None:
        """`KEY`, `COUNT` and the measures' sums; None before the first batch, and beyond 2,000 groups."""
        return None if self.too_many else self._state

    def _merge(self, keys: pa.Array, numbers: Sequence[pa.Array]) -> None:
        batch = pa.table([keys, pa.repeat(1, len(keys)), *numbers], names=[KEY, COUNT, *self.measures])
        before = [] if self._state is None else [self._state]
        self._state = summed(pa.concat_tables([*before, summed(batch, self.measures)]), self.measures)


class Periods(Groups):
    """Groups by time: when there are too many, periods become longer. Rows without a time that Excel knows are in
    none; they are counted: those ``without`` a time, and those ``beyond`` Excel's calendar.
    """

    def __init__(self, measures: Sequence[str], unit: str = "second") -> None:
        super().__init__(measures)
        self._unit = unit
        self.without = 0
        self.beyond = 0

    def add(self, keys: pa.Array, numbers: Sequence[pa.Array]) -> None:
        """Count a batch."""
        there = pc.fill_null(pc.invert(beyond_calendar(keys)), False)
        self.without += keys.null_count
        self.beyond += len(keys) - keys.null_count - (pc.sum(there).as_py() or 0)
        self._merge(_floored(keys.filter(there), self._unit), [each.filter(there) for each in numbers])
        self._state, self._unit = _widened(self._state, self._unit, MOST_GROUPS)

    def at_most(self, most: int) -> tuple[pa.Table, str] | None:
        """So many periods at most, in the order of time, and how long one is; None where no row is in any."""
        if self._state is None or not self._state.num_rows:
            return None
        table, unit = _widened(self._state, self._unit, most)
        return table.sort_by(KEY), _longest_unit(table[KEY], unit)


def _longest_unit(keys: pa.ChunkedArray, unit: str) -> str:
    """The longest unit at whose beginnings all periods begin: months where they are first days of months."""
    # A single point is the beginning of a year by chance, and two years are those of a century.
    longest = UNITS.index("year" if len(keys) > 1 else "day")
    coarser = UNITS[UNITS.index(unit) : max(longest, UNITS.index(unit)) + 1]
    return next(each for each in reversed(coarser) if _floored(keys, each).equals(_floored(keys, unit)))


def _widened(table: pa.Table, unit: str, most: int) -> tuple[pa.Table, str]:
    """The sums of longer periods, where there are more than that."""
    while table.num_rows > most and unit != UNITS[-1]:
        unit = UNITS[UNITS.index(unit) + 1]
        table = summed(table.set_column(0, KEY, _floored(table[KEY], unit)), table.column_names[2:])
    return table, unit


def _floored(keys: pa.Array, unit: str) -> pa.Array:
    moments, years = keys.cast(pa.timestamp("us"), safe=False), _YEARS.get(unit)
    return pc.floor_temporal(moments, multiple=years or 1, unit="year" if years else unit)


def summed(table: pa.Table, measures: Sequence[str]) -> pa.Table:
    """Counts and sums by key, in the order in which keys first come."""
    names = [COUNT, *measures]
    found = table.group_by(KEY, use_threads=False).aggregate([(name, "sum") for name in names])
    return pa.table([found[KEY], *(found[f"{name}_sum"] for name in names)], names=[KEY, *names])
