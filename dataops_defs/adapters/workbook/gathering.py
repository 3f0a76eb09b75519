"""What charts are drawn from, gathered while batches pass: sums by period and by group, points, the largest rows."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.forms import as_doubles, plain, plain_type
from dataops_defs.adapters.workbook.groups import KEY, Groups, Periods
from dataops_defs.adapters.workbook.headers import is_label
from dataops_defs.adapters.workbook.serials import hours_of

MOST_MEASURES, MOST_SHOWN = 8, 4
MOST_TOLD_APART = 1_000
MOST_DIMENSIONS = 8
MOST_SCATTERED = 500
LARGEST = 10
_NAMES = re.compile("name|title|label", re.IGNORECASE)
_CODES = re.compile("id$|code|key|hash|mail|url|phone|uuid", re.IGNORECASE)


class Scattered:
    """Some of the points of measures: every row while they are few, then every second, fourth, eighth …"""

    def __init__(self, measures: Sequence[str]) -> None:
        self.stride = 1
        self._seen = 0
        self._kept = pa.schema([(name, pa.float64()) for name in measures]).empty_table()

    def of(self, x: str, y: str) -> tuple[pa.Table, int]:
        """Columns ``x`` and ``y``, the measures of those names, at most 500 points; and how many lack a number."""
        points = pa.table({"x": self._kept[x], "y": self._kept[y]}).drop_null()
        return points, self._kept.num_rows - points.num_rows

    def add(self, numbers: Sequence[pa.Array]) -> None:
        """Look at a batch."""
        rows = len(numbers[0])
        chosen = pa.array(range(-self._seen % self.stride, rows, self.stride), pa.int64())
        self._seen += rows
        some = pa.table([each.take(chosen) for each in numbers], schema=self._kept.schema)
        self._kept = pa.concat_tables([self._kept, some])
        while self._kept.num_rows > MOST_SCATTERED:
            self._kept = self._kept.take(pa.array(range(0, self._kept.num_rows, 2), pa.int64()))
            self.stride *= 2


class Largest:
    """The rows in which a measure is largest, each by its label."""

    def __init__(self, measure: str) -> None:
        self._measure = measure
        self._kept: pa.Table | None = None

    @property
    def table(self) -> pa.Table | None:
        """``key`` and the measure, the largest first."""
        return self._kept

    def add(self, keys: pa.Array, numbers: pa.Array) -> None:
        """Look at a batch."""
        batch = pa.table([keys, numbers], names=[KEY, self._measure])
        both = pa.concat_tables([batch] if self._kept is None else [self._kept, batch])
        both = both.filter(pc.fill_null(pc.is_finite(both[self._measure]), False))
        order = pc.select_k_unstable(both, LARGEST, [(self._measure, "descending")])
        self._kept = both.take(order)


class Variation:
    """How many different values a measure has; beyond 1,000 they all have many."""

    def __init__(self) -> None:
        self._found = pa.array([], pa.float64())

    @property
    def values(self) -> int:
        """The number of different values, 1,000 at most."""
        return min(len(self._found), MOST_TOLD_APART)

    def add(self, numbers: pa.Array) -> None:
        """Look at a batch."""
        if len(self._found) < MOST_TOLD_APART:
            both = pa.concat_arrays([self._found, numbers.drop_null()])
            self._found = pc.unique(both).slice(0, MOST_TOLD_APART)


class Gathering:
    """Everything that charts of one table may need; which columns play which part is read from their types.

    ``measures`` are numbers that can be added up, spans of time among them, which charts show in hours and name so;
    ``time`` the first date or moment, ``dimensions`` columns whose values name groups (texts, yes and no, times of day,
    whole numbers such as years and ids).
    """

    @property
    def ranked(self) -> list[str]:
        """The measures that say most, those with more different values first; without those that never vary, unless
        none does.
        """
        varying = [name for name, values in self._different.items() if values > 1] or self.filled
        return sorted(varying, key=lambda name: -self._different[name])[:MOST_SHOWN]

    @property
    def filled(self) -> list[str]:
        """The measures that have a number in any row."""
        return [name for name, values in self._different.items() if values]

    @property
    def _different(self) -> dict[str, int]:
        return {name: each.values for name, each in zip(self.measures, self._variation, strict=True)}

    def __init__(self, schema: pa.Schema) -> None:
        self._names = [_named(each, schema) for each in schema]
        kinds = {name: plain_type(each.type) for name, each in zip(self._names, schema, strict=True)}
        self.measures = [name for name, kind in kinds.items() if _is_measure(name, kind)][:MOST_MEASURES]
        self.time = next((name for name, kind in kinds.items() if _is_time(kind)), None)
        self.dimensions = [name for name, kind in kinds.items() if _is_dimension(name, kind)][:MOST_DIMENSIONS]
        self.periods = Periods(self.measures, "day" if self.time and pa.types.is_date(kinds[self.time]) else "second")
        self.groups = {name: Groups(self.measures) for name in self.dimensions}
        self.scattered = Scattered(self.measures) if len(self.measures) > 1 else None
        self.label = _label([name for name, kind in kinds.items() if pa.types.is_string(kind)])
        self.largest = {name: Largest(name) for name in self.measures} if self.label else {}
        self._variation = [Variation() for _ in self.measures]
        self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at a batch."""
        batch = batch.rename_columns(self._names)
        self.rows += batch.num_rows
        numbers = [_as_float(plain(batch.column(name))) for name in self.measures]
        if self.time:
            self.periods.add(plain(batch.column(self.time)), numbers)
        for name, groups in self.groups.items():
            if not groups.too_many:
                groups.add(plain(batch.column(name)), numbers)
        if self.scattered is not None:
            self.scattered.add(numbers)
        for each, values in zip(self._variation, numbers, strict=True):
            each.add(values)
        for largest, values in zip(self.largest.values(), numbers, strict=False):
            largest.add(plain(batch.column(self.label)), values)


def _is_measure(name: str, kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)
    return (number and not is_label(name, kind)) or pa.types.is_duration(kind)


def _named(column: pa.Field, schema: pa.Schema) -> str:
    """What charts call a column: its name, and the unit of a span."""
    name = f"{column.name} (hours)" if pa.types.is_duration(column.type) else column.name
    return column.name if name in schema.names else name


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _is_dimension(name: str, kind: pa.DataType) -> bool:
    named = pa.types.is_string(kind) or pa.types.is_boolean(kind) or pa.types.is_time(kind)
    return bool(named) or is_label(name, kind)


def _label(texts: Sequence[str]) -> str | None:
    """Of columns with texts, the one by which a person would call a row."""
    named = (name for name in texts if _NAMES.search(name))
    return next(named, next((name for name in texts if not _CODES.search(name)), next(iter(texts), None)))


def _as_float(values: pa.Array) -> pa.Array:
    if pa.types.is_duration(values.type):
        return hours_of(values)
    numbers = as_doubles(values)
    # One NaN would be the sum of its whole group.
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
