"""Which charts a table gives, and their numbers: chosen from its columns' types, or of the type that was asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.gathering import LARGEST, Gathering
from dataops_defs.adapters.workbook.groups import COUNT, KEY, MOST_POINTS
from dataops_defs.domain.export import ChartType

MOST_BARS = 20
MOST_SLICES = 7
OTHER = "all others"
NO_PIE = "Bars in place of a pie, which has no room for negative numbers"


@dataclass(frozen=True)
class ChartTable:
    """What one chart shows: its categories (for points: their x), and series of numbers by name.

    ``unit`` is the length of a period, where the categories are times. ``note`` says what is left out.
    """

    type: ChartType
    title: str
    x_title: str
    y_title: str
    keys: Sequence[Any]
    series: Mapping[str, Sequence[float | None]]
    unit: str | None = None
    note: str | None = None


def choose_charts(gathered: Gathering, wanted: Sequence[ChartType], *, asked: bool = False) -> list[ChartTable]:
    """The charts of these types that the table gives.

    Args:
        asked: somebody wants just this type: drawn too where another would show the numbers better.
    """
    return [made for each in wanted if (made := _MAKERS[each](gathered, asked)) is not None]


def _line(gathered: Gathering, asked: bool) -> ChartTable | None:
    periods = gathered.periods.table if gathered.time else None
    if gathered.time and periods is not None and periods.num_rows > (0 if asked else 1):
        unit = gathered.periods.unit
        return _over(ChartType.LINE, gathered, periods, gathered.time, f"by {unit}", unit=unit)
    found = _grouping(gathered) if asked else None
    if found is None:
        return None
    name, table = found
    return _over(
        ChartType.LINE, gathered, table.slice(0, MOST_POINTS), name, f"by {name}", _left_out(table, MOST_POINTS)
    )


def _bar(gathered: Gathering, asked: bool) -> ChartTable | None:
    found = _grouping(gathered, repeated=True)
    largest = gathered.largest[gathered.ranked[0]].table if gathered.largest else None
    if found is None and largest is not None and gathered.label:
        return _largest(gathered.label, gathered.ranked[0], largest)
    found = found or _grouping(gathered)
    if found is None:
        line = _line(gathered, asked) if asked else None
        return None if line is None else replace(line, type=ChartType.BAR)
    name, table = found
    value = _telling(gathered, table) or COUNT
    shown = _descending(table, value).slice(0, MOST_BARS)
    title = f"{_named(value, table)} by {name}"
    series = {_named(value, table): shown[value].to_pylist()}
    return ChartTable(
        ChartType.BAR, title, name, _named(value, table), _keys(shown), series, note=_left_out(table, MOST_BARS)
    )


def _pie(gathered: Gathering, asked: bool) -> ChartTable | None:
    found = _grouping(gathered, repeated=not asked, most=None if asked else MOST_SLICES)
    if found is None:
        return None
    name, table = found
    sharable = [each for each in gathered.ranked if _can_be_shared(table[each])]
    if asked and gathered.measures and not sharable:
        return _instead_of_a_pie(gathered)
    value = next(iter(sharable), COUNT)
    ordered = _descending(table, value)
    keys, sizes = _keys(ordered), ordered[value].to_pylist()
    if len(keys) > MOST_SLICES + 1:
        keys = [*keys[:MOST_SLICES], OTHER]
        sizes = [*sizes[:MOST_SLICES], sum(each or 0 for each in sizes[MOST_SLICES:])]
    title = f"Shares of {'all rows' if value == COUNT else value} by {name}"
    return ChartTable(ChartType.PIE, title, name, "", keys, {_named(value, table): sizes})


def _instead_of_a_pie(gathered: Gathering) -> ChartTable | None:
    bars = _bar(gathered, asked=True)
    if bars is None:
        return None
    return replace(bars, note=f"{NO_PIE}; {bars.note}" if bars.note else NO_PIE)


def _scatter(gathered: Gathering, asked: bool) -> ChartTable | None:
    if gathered.scattered is None:
        return None
    # A measure that never varies makes points on a line: only where somebody asked, and there is no other.
    some = [*gathered.ranked, *(each for each in gathered.measures if each not in gathered.ranked)]
    x, y = (each for each in gathered.measures if each in some[:2])
    points, stride = gathered.scattered.of(x, y), gathered.scattered.stride
    if points.num_rows < 1 or not (asked or all(_varies(points[each]) for each in "xy")):
        return None
    note = f"One of {stride:,} rows" if stride > 1 else None
    return ChartTable(
        ChartType.SCATTER, f"{y} against {x}", x, y, points["x"].to_pylist(), {y: points["y"].to_pylist()}, note=note
    )


_MAKERS: Mapping[ChartType, Callable[[Gathering, bool], ChartTable | None]] = {
    ChartType.LINE: _line,
    ChartType.BAR: _bar,
    ChartType.PIE: _pie,
    ChartType.SCATTER: _scatter,
}


def _over(
    type: ChartType,
    gathered: Gathering,
    table: pa.Table,
    key: str,
    by: str,
    note: str | None = None,
    unit: str | None = None,
) -> ChartTable:
    names = [each for each in gathered.measures if each in gathered.ranked] or [COUNT]
    series = {_named(name, table): table[name].to_pylist() for name in names}
    title = f"{', '.join(series)} {by}" if len(series) < 3 else f"{', '.join(names)} {by}"
    return ChartTable(
        type, title, key, next(iter(series)) if len(series) == 1 else "", _keys(table), series, unit, note
    )


def _largest(label: str, measure: str, table: pa.Table) -> ChartTable:
    title = f"{measure}: the {min(LARGEST, table.num_rows)} largest"
    keys, numbers = _keys(table), table[measure].to_pylist()
    return ChartTable(ChartType.BAR, title, label, measure, keys, {measure: numbers})


def _grouping(gathered: Gathering, *, repeated: bool = False, most: int | None = None) -> tuple[str, pa.Table] | None:
    """The column that makes the groups: rather one whose groups a chart can show all.

    Args:
        repeated: only one in which several rows share a value.
        most: only one with so many groups at most.
    """
    found = [(name, groups.table) for name, groups in gathered.groups.items() if groups.table is not None]
    found = [(name, table) for name, table in found if table.num_rows >= (2 if repeated else 1)]
    found = [(name, table) for name, table in found if not repeated or _adds_up(table)]
    found = [(name, table) for name, table in found if most is None or 2 <= table.num_rows <= most]
    return next((each for each in found if each[1].num_rows <= MOST_BARS), next(iter(found), None))


def _telling(gathered: Gathering, table: pa.Table) -> str | None:
    """The measure by which groups differ: rather one whose sums do, too."""
    ranked = gathered.ranked
    return next((each for each in ranked if len(pc.unique(table[each])) > 1), next(iter(ranked), None))


def _adds_up(table: pa.Table) -> bool:
    return bool(pc.any(pc.greater(table[COUNT], 1)).as_py())


def _named(value: str, table: pa.Table) -> str:
    """What a number is: rows that were counted, a sum, or the value itself where no two rows share a group."""
    if value == COUNT:
        return "Number of rows"
    return f"Sum of {value}" if _adds_up(table) else value


def _descending(table: pa.Table, value: str) -> pa.Table:
    return table.take(pc.sort_indices(table, sort_keys=[(value, "descending")]))


def _can_be_shared(values: pa.ChunkedArray) -> bool:
    found = pc.min_max(values).as_py()
    return found["min"] is not None and found["min"] >= 0 and found["max"] > 0


def _varies(numbers: pa.ChunkedArray) -> bool:
    """Whether points lie on more than a line or two."""
    return len(pc.unique(numbers)) > 2


def _left_out(table: pa.Table, most: int) -> str | None:
    return f"{most:,} of {table.num_rows:,}" if table.num_rows > most else None


def _keys(table: pa.Table) -> list[Any]:
    keys: list[Any] = table[KEY].to_pylist()
    return keys
