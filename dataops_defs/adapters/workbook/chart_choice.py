"""Which charts a table gives, and their numbers: chosen from its columns' types, or of the type that was asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.gathering import Gathering
from dataops_defs.adapters.workbook.groups import COUNT, KEY, MOST_POINTS
from dataops_defs.adapters.workbook.magnitudes import Axis, axes_of
from dataops_defs.adapters.workbook.serials import CALENDAR
from dataops_defs.adapters.workbook.texts import counted
from dataops_defs.domain.export import ChartType

MOST_BARS = 20
MOST_PERIODS_AS_BARS = 40
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
    made = (_MAKERS[each](gathered, asked) for each in wanted)
    return [each for each in made if each is not None and _has_numbers(each)]


def _line(gathered: Gathering, asked: bool) -> ChartTable | None:
    periods = _periods(gathered, MOST_POINTS)
    if periods is not None and len(periods.keys) > (0 if asked else 1):
        return periods
    found = _grouping(gathered) if asked else None
    if found is None:
        return None
    name, table = found
    if pa.types.is_time(table[KEY].type):
        table = table.sort_by(KEY)
    return _over(gathered, table.slice(0, MOST_POINTS), name, f"by {name}", _left_out(table, MOST_POINTS))


def _bar(gathered: Gathering, asked: bool) -> ChartTable | None:
    found = _grouping(gathered, repeated=True)
    measure = next(iter(gathered.ranked), None)
    if found is None and measure is not None and gathered.label:
        return _largest(gathered.label, measure, gathered.largest[measure].table)
    found = found or _grouping(gathered)
    if found is None:
        return _periods(gathered, MOST_PERIODS_AS_BARS, ChartType.BAR) if asked else None
    name, table = found
    value = _telling(gathered, table) or COUNT
    shown = _descending(table, value).slice(0, MOST_BARS)
    named, numbers, note = _named(value, table), shown[value].to_pylist(), _left_out(table, MOST_BARS)
    return ChartTable(ChartType.BAR, f"{named} by {name}", name, named, _keys(shown), {named: numbers}, note=note)


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
    return replace(bars, note=_notes(NO_PIE, bars.note))


def _scatter(gathered: Gathering, asked: bool) -> ChartTable | None:
    if gathered.scattered is None:
        return None
    # A measure that never varies makes points on a line: only where somebody asked, and there is no other.
    some = [*gathered.ranked, *(each for each in gathered.filled if each not in gathered.ranked)]
    if len(some) < 2:
        return None
    x, y = (each for each in gathered.measures if each in some[:2])
    (points, without), stride = gathered.scattered.of(x, y), gathered.scattered.stride
    if points.num_rows < 1 or not (asked or all(_varies(points[each]) for each in "xy")):
        return None
    note = _notes(
        f"One of {stride:,} rows" if stride > 1 else None,
        f"{counted(without, 'row')}{' of these' if stride > 1 else ''} without '{x}' or '{y}' left out"
        if without
        else None,
    )
    return ChartTable(
        ChartType.SCATTER, f"{y} against {x}", x, y, points["x"].to_pylist(), {y: points["y"].to_pylist()}, note=note
    )


_MAKERS: Mapping[ChartType, Callable[[Gathering, bool], ChartTable | None]] = {
    ChartType.LINE: _line,
    ChartType.BAR: _bar,
    ChartType.PIE: _pie,
    ChartType.SCATTER: _scatter,
}


def _periods(gathered: Gathering, most: int, type: ChartType = ChartType.LINE) -> ChartTable | None:
    """The measures over time."""
    found = gathered.periods.at_most(most) if gathered.time else None
    if found is None or gathered.time is None or not _tells(gathered, found[0]):
        return None
    table, unit = found
    made = _over(gathered, table, gathered.time, f"by {unit}", _outside(gathered), type)
    return replace(made, unit=unit)


def _over(
    gathered: Gathering, table: pa.Table, key: str, by: str, note: str | None, type: ChartType = ChartType.LINE
) -> ChartTable:
    names = [each for each in gathered.measures if each in gathered.ranked] or [COUNT]
    axes = zip(names, axes_of([table[name].to_pylist() for name in names]), strict=True)
    # Bars have one axis for their numbers.
    seen = [name for name, axis in axes if axis is Axis.LEFT or (axis is Axis.RIGHT and type is ChartType.LINE)]
    unseen = ", ".join(f"'{name}'" for name in names if name not in seen)
    series = {_named(name, table): table[name].to_pylist() for name in seen}
    title = f"{', '.join(series)} {by}" if len(series) < 3 else f"{', '.join(seen)} {by}"
    y_title = next(iter(series)) if len(series) == 1 else ""
    said = _notes(note, f"Without {unseen}: too small to be seen beside the others" if unseen else None)
    return ChartTable(type, title, key, y_title, _keys(table), series, note=said)


def _largest(label: str, measure: str, table: pa.Table) -> ChartTable:
    title = "the largest" if table.num_rows == 1 else f"the {table.num_rows} largest"
    keys, numbers = _keys(table), table[measure].to_pylist()
    return ChartTable(ChartType.BAR, f"{measure}: {title}", label, measure, keys, {measure: numbers})


def _grouping(gathered: Gathering, *, repeated: bool = False, most: int | None = None) -> tuple[str, pa.Table] | None:
    """The column that makes the groups: rather one whose groups a chart can show all.

    Args:
        repeated: only one in which several rows share a value.
        most: only one with so many groups at most.
    """
    found = [(name, groups.table) for name, groups in gathered.groups.items() if groups.table is not None]
    found = [(name, table) for name, table in found if table.num_rows >= (2 if repeated else 1)]
    found = [(name, table) for name, table in found if table[KEY].null_count < table.num_rows]
    found = [(name, table) for name, table in found if _tells(gathered, table)]
    found = [(name, table) for name, table in found if not repeated or _adds_up(table)]
    found = [(name, table) for name, table in found if most is None or 2 <= table.num_rows <= most]
    return next((each for each in found if each[1].num_rows <= MOST_BARS), next(iter(found), None))


def _telling(gathered: Gathering, table: pa.Table) -> str | None:
    """The measure by which groups differ: rather one whose sums do, too."""
    ranked = gathered.ranked
    return next((each for each in ranked if len(pc.unique(table[each])) > 1), next(iter(ranked), None))


def _tells(gathered: Gathering, table: pa.Table) -> bool:
    """Whether groups have numbers to compare, or different numbers of rows."""
    return bool(gathered.ranked) or _adds_up(table)


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


def _has_numbers(chart: ChartTable) -> bool:
    return any(number is not None for numbers in chart.series.values() for number in numbers)


def _left_out(table: pa.Table, most: int) -> str | None:
    return f"{most:,} of {table.num_rows:,}" if table.num_rows > most else None


def _outside(gathered: Gathering) -> str | None:
    """Rows that are in no period."""
    without, beyond = gathered.periods.without, gathered.periods.beyond
    some = [f"{counted(without, 'row')} without '{gathered.time}'"] if without else []
    some += [f"{counted(beyond, 'row')} outside of Excel's calendar ({CALENDAR})"] if beyond else []
    return f"{' and '.join(some)} left out" if some else None


def _notes(*said: str | None) -> str | None:
    return "; ".join(filter(None, said)) or None


def _keys(table: pa.Table) -> list[Any]:
    keys: list[Any] = table[KEY].to_pylist()
    return keys
