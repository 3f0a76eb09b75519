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
UNITS = ("second", "minute", "hour", "day", "month", "quarter", "year")


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
    """Groups by time: when there are too many, periods become longer."""

    def __init__(self, measures: Sequence[str], unit: str = "second") -> None:
        super().__init__(measures)
        self.unit = unit

    def add(self, keys: pa.Array, numbers: Sequence[pa.Array]) -> None:
        """Count a batch; rows without a time that Excel knows are in no period."""
        there = pc.fill_null(pc.invert(beyond_calendar(keys)), False)
        self._merge(_floored(keys.filter(there), self.unit), [each.filter(there) for each in numbers])
        self._widen(MOST_GROUPS)

    @property
    def table(self) -> pa.Table | None:
        """In the order of time, at most 400 periods; ``unit`` says how long one is."""
        if self._state is None:
            return None
        self._widen(MOST_POINTS)
        self.unit = self._longest_unit(self._state[KEY])
        return self._state.sort_by(KEY)

    def _longest_unit(self, keys: pa.ChunkedArray) -> str:
        """The longest unit at whose beginnings all periods begin: months where they are first days of months."""
        coarser = UNITS[UNITS.index(self.unit) :]
        if len(keys) < 2:
            # A single point is the beginning of a year by chance.
            coarser = coarser[: max(UNITS.index("day") - UNITS.index(self.unit), 0) + 1]
        fitting = (each for each in reversed(coarser) if _floored(keys, each).equals(_floored(keys, self.unit)))
        return next(fitting, self.unit)

    def _widen(self, most: int) -> None:
        while self._state is not None and self._state.num_rows > most and self.unit != UNITS[-1]:
            self.unit = UNITS[UNITS.index(self.unit) + 1]
            keys = _floored(self._state[KEY], self.unit)
            self._state = summed(self._state.set_column(0, KEY, keys), self.measures)


def _floored(keys: pa.Array, unit: str) -> pa.Array:
    return pc.floor_temporal(keys.cast(pa.timestamp("us"), safe=False), unit=unit)


def summed(table: pa.Table, measures: Sequence[str]) -> pa.Table:
    """Counts and sums by key, in the order in which keys first come."""
    names = [COUNT, *measures]
    found = table.group_by(KEY, use_threads=False).aggregate([(name, "sum") for name in names])
    return pa.table([found[KEY], *(found[f"{name}_sum"] for name in names)], names=[KEY, *names])
