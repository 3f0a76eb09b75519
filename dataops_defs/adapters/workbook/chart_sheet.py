"""Native charts, each beside the numbers it is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xlsxwriter.worksheet import Worksheet

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.chart_choice import ChartTable
from dataops_defs.adapters.workbook.chart_keys import DATES, put_key, shown_keys
from dataops_defs.adapters.workbook.chart_reasons import NOTHING_TO_DRAW
from dataops_defs.adapters.workbook.drawing import put_text, put_value
from dataops_defs.adapters.workbook.headers import letters_wide, lines_of
from dataops_defs.adapters.workbook.looks import Lines
from dataops_defs.adapters.workbook.magnitudes import Axis, axes_of, axis_format
from dataops_defs.domain.export import ChartType

NAME = "Charts"
# A column of 9 letters is 68 pixels wide, a row 20 high.
_COLUMN_LETTERS, _COLUMN_PIXELS, _ROW_PIXELS, _LINE = 9, 68, 20, 15.0
_FEW = 40
_KINDS = {ChartType.BAR: "bar", ChartType.LINE: "line", ChartType.PIE: "pie", ChartType.SCATTER: "scatter"}
_FONT = {"color": "#595959", "size": 9}
_GRID = {"visible": True, "line": {"color": "#E0E0E0", "width": 0.75}}


@dataclass(frozen=True)
class Grid:
    """Where charts stand: one alone is large, several stand two by two, each above its note; their numbers stand to the
    right of all.
    """

    columns: int
    width: int
    height: int

    def place(self, number: int) -> tuple[int, int]:
        """Row and column of a chart, from the first one's."""
        row, column = divmod(number, self.columns)
        return row * (self.height + 1), column * (self.width + 1)

    @property
    def pixels(self) -> dict[str, int]:
        """Size of a chart."""
        return {"width": self.width * _COLUMN_PIXELS, "height": self.height * _ROW_PIXELS}


def draw_charts(
    book: Book, name: str, charts: Sequence[ChartTable], above: Lines = (), nothing: str = NOTHING_TO_DRAW
) -> None:
    """A sheet with charts and the numbers that they are drawn from, below the lines that stand above.

    Args:
        nothing: what to say where there are no charts.
    """
    sheet = book.sheet(name, above)
    sheet.hide_gridlines(2)
    top = len(above)
    if not charts:
        put_text(sheet, top, 0, nothing, book.formats["subtitle"])
    grid = Grid(1, 14, 24) if len(charts) == 1 else Grid(2, 9, 18)
    end = grid.columns * (grid.width + 1)
    sheet.set_column(0, end - 1, _COLUMN_LETTERS)
    data, notes = end, dict[int, float]()
    for number, chart in enumerate(charts):
        row, column = grid.place(number)
        _put_numbers(book, sheet, chart, top, data)
        drawn = _chart(book, sheet.get_name(), chart, top, data)
        drawn.set_size(grid.pixels)
        sheet.insert_chart(top + row, column, drawn, {"object_position": 2})
        if chart.note:
            below = top + row + grid.height
            _put_note(book, sheet, below, column, grid, chart.note)
            notes[below] = max(notes.get(below, _LINE), _LINE * lines_of(chart.note, grid.width * _COLUMN_LETTERS))
            sheet.set_row(below, notes[below])
        data += len(chart.series) + 2
    rows = grid.place(max(len(charts) - 1, 0))[0] + grid.height
    sheet.print_area(0, 0, top + rows, end - 1)
    book.look.paper(sheet)
    sheet.fit_to_pages(1, 1)


def _put_numbers(book: Book, sheet: Worksheet, table: ChartTable, top: int, column: int) -> None:
    """The numbers of one chart, below their titles."""
    shown = [_series_name(name, small) for name, small in zip(table.series, _on_the_right(table), strict=True)]
    for place, title in enumerate([table.x_title, *shown], column):
        put_text(sheet, top, place, title, book.formats["header"])
        sheet.set_column(place, place, max(letters_wide([title]), 14))
    keys = shown_keys(table.keys, table.unit)
    sheet.set_column(column, column, max(letters_wide([table.x_title, *map(str, keys)]), 14))
    for row, key in enumerate(keys, top + 1):
        put_key(book, sheet, row, column, key, table.unit)
    for place, numbers in enumerate(table.series.values(), column + 1):
        for row, number in enumerate(numbers, top + 1):
            put_value(sheet, row, place, number, book.formats)


def _put_note(book: Book, sheet: Worksheet, row: int, column: int, grid: Grid, note: str) -> None:
    """Below its chart, as wide as it."""
    sheet.merge_range(row, column, row, column + grid.width - 1, "", book.formats["note"])
    put_text(sheet, row, column, note, book.formats["note"])


def _series_name(name: str, small: bool) -> str:
    return f"{name} (right axis)" if small else name


def _on_the_right(table: ChartTable) -> list[bool]:
    """Which lines stand along an axis of their own."""
    return [table.type is ChartType.LINE and axis is Axis.RIGHT for axis in axes_of(table.series.values())]


def _text(title: str) -> str:
    """A title that stays one: xlsxwriter takes whatever looks like ``Sheet!A1`` for a place, with or without ``=``."""
    return title.replace("!", "! ")


def _chart(book: Book, sheet: str, table: ChartTable, titles: int, column: int) -> Any:
    chart = book.chart(_KINDS[table.type])
    first, last = titles + 1, titles + len(table.keys)
    right = _on_the_right(table)
    for place, small in enumerate(right, 1):
        chart.add_series(
            {
                "name": [sheet, titles, column + place],
                "categories": [sheet, first, column, last, column],
                "values": [sheet, first, column + place, last, column + place],
                "y2_axis": small,
                **_dress(book, table, place - 1),
            }
        )
    chart.set_title(
        {"name": _text(table.title), "name_font": {"size": 13, "color": book.look.palette.title}, "overlay": False}
    )
    chart.set_chartarea({"border": {"color": "#D9D9D9"}})
    _legend(chart, table)
    _axes(chart, table, any(right))
    if table.type is ChartType.LINE:
        # A line goes on where a number is missing: a lone one between two gaps would be no line at all.
        chart.show_blanks_as("span")
    return chart


def _dress(book: Book, table: ChartTable, place: int) -> dict[str, Any]:
    colours = book.look.palette.series
    colour = colours[place % len(colours)]
    if table.type is ChartType.LINE:
        few = len(table.keys) <= _FEW
        marker = {"type": "circle", "size": 5, "fill": {"color": colour}, "border": {"color": colour}}
        return {"line": {"color": colour, "width": 2}, "marker": marker if few else {"type": "none"}}
    if table.type is ChartType.SCATTER:
        fill = {"color": colour, "transparency": 40}
        return {"marker": {"type": "circle", "size": 6, "fill": fill, "border": {"none": True}}}
    if table.type is ChartType.PIE:
        points = [{"fill": {"color": colours[each % len(colours)]}} for each in range(len(table.keys))]
        return {"points": points, "data_labels": {"percentage": True, "leader_lines": True, "position": "outside_end"}}
    return {"fill": {"color": colour}, "gap": 40}


def _legend(chart: Any, table: ChartTable) -> None:
    if table.type is ChartType.PIE:
        chart.set_legend({"position": "right", "font": _FONT})
    elif len(table.series) > 1:
        chart.set_legend({"position": "bottom", "font": _FONT})
    else:
        chart.set_legend({"none": True})


def _axes(chart: Any, table: ChartTable, with_right: bool) -> None:
    if table.type is ChartType.PIE:
        return
    names = {"name_font": {"size": 10, "bold": False, "color": "#404040"}, "num_font": _FONT}
    ground = _ground(table) if table.type is ChartType.BAR else {}
    from_zero = bool(ground)
    numbers = {"num_format": _format(table, from_zero), "major_gridlines": _GRID, **names}
    keys: dict[str, Any] = {
        "name": _text(table.x_title),
        "label_position": "low",
        "major_gridlines": {"visible": False},
        **names,
    }
    if table.unit in DATES:
        # Along an axis of dates, bars are as thin as a day of all these years.
        kind = "text_axis" if table.type is ChartType.BAR else "date_axis"
        keys |= {kind: True, "num_format": DATES[table.unit]}
    if table.type is ChartType.SCATTER:
        keys |= {"num_format": axis_format(table.keys, from_zero=False), "major_gridlines": _GRID}
    if table.type is ChartType.BAR:
        # Bars lie: their categories stand at the left, the first one above.
        chart.set_y_axis({**keys, "reverse": True, "crossing": "max"})
        chart.set_x_axis({"name": _text(table.y_title), **numbers, **ground})
        return
    chart.set_x_axis(keys)
    chart.set_y_axis({"name": _text(table.y_title), **numbers})
    if with_right:
        shown = _format(table, from_zero, on_the_right=True)
        chart.set_y2_axis(numbers | {"num_format": shown, "major_gridlines": {"visible": False}})


def _format(table: ChartTable, from_zero: bool, *, on_the_right: bool = False) -> str:
    """The number format of the axis along which the numbers of a chart stand, or of its second one."""
    series = zip(table.series.values(), _on_the_right(table), strict=True)
    chosen = [each for numbers, right in series if right is on_the_right for each in numbers]
    return axis_format(chosen, from_zero=from_zero)


def _ground(table: ChartTable) -> dict[str, int]:
    """Bars begin at zero, wherever they go."""
    known = [each for series in table.series.values() for each in series if each is not None]
    if min(known, default=0.0) >= 0:
        return {"min": 0}
    return {"max": 0} if max(known) <= 0 else {}
