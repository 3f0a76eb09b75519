"""Charts that can be read: wide bars, all series in sight, names that leave room for the picture."""

import io
import re
from datetime import date, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.chart_choice import ChartTable
from dataops_defs.adapters.workbook.chart_sheet import draw_charts
from dataops_defs.domain.export import ChartType, Template
from tests.adapters.workbook.test_charts import chart

DAYS = [date(2024, 1, 1) + timedelta(days=30 * each) for each in range(12)]


def drawn(*charts: ChartTable) -> tuple[Any, str]:
    """The sheet, and the XML of the first chart."""
    file = io.BytesIO()
    book = Book(file, Template.CORPORATE)
    draw_charts(book, "Charts", charts)
    book.close()
    return openpyxl.load_workbook(file)["Charts"], ZipFile(file).read("xl/charts/chart1.xml").decode()


class TestBarsOverTime:
    def test_stand_side_by_side_at_their_dates(self) -> None:
        sheet, xml = drawn(chart({"day": DAYS, "v": list(range(12))}, ChartType.BAR, asked=True))

        assert "<c:catAx>" in xml
        assert "<c:dateAx>" not in xml
        assert 'formatCode="yyyy-mm-dd"' in xml
        assert sheet["P2"].value == datetime(2024, 1, 1)

    def test_are_few_enough_to_be_told_apart(self) -> None:
        days = [date(2020, 1, 1) + timedelta(days=each) for each in range(400)]

        bars = chart({"day": days, "v": [1] * 400}, ChartType.BAR, asked=True)

        assert (bars.unit, len(bars.keys)) == ("month", 14)

    def test_leave_out_what_would_be_flat(self) -> None:
        columns = {"day": DAYS, "flat": [n + 1 for n in range(12)], "tall": [1000 * n for n in range(12)]}

        bars = chart(columns, ChartType.BAR, asked=True)

        assert list(bars.series) == ["tall"]
        assert bars.note == "Without 'flat': too small to be seen beside the others"


class TestBars:
    @pytest.mark.parametrize(
        ("values", "ground"),
        [([-5, -3], '<c:max val="0"/>'), ([5, 3], '<c:min val="0"/>'), ([-5, 3], None), ([0, 0], '<c:min val="0"/>')],
    )
    def test_begin_at_zero(self, values: list[int], ground: str | None) -> None:
        _, xml = drawn(chart({"kind": ["a", "b"], "v": values}, ChartType.BAR, asked=True))

        assert re.findall(r'<c:(?:min|max) val="[^"]*"/>', xml) == ([ground] if ground else [])


class TestSeries:
    COLUMNS: dict[str, Any] = {
        "day": DAYS,
        "a": [n % 3 for n in range(12)],
        "b": [500 * n for n in range(12)],
        "c": [100_000 * n for n in range(12)],
    }

    def test_that_fit_on_neither_axis_are_left_out_and_that_is_said(self) -> None:
        line = chart(self.COLUMNS, ChartType.LINE)

        assert list(line.series) == ["b", "c"]
        assert line.title == "b, c by day"
        assert line.note == "Without 'a': too small to be seen beside the others"

    def test_of_zeros_are_what_they_look_like(self) -> None:
        line = chart({**self.COLUMNS, "a": [0] * 12, "d": [0] * 12}, ChartType.LINE)

        assert "a" not in (line.note or "")

    def test_with_gaps_are_lines_all_the_same(self) -> None:
        gaps = [n if n % 2 else None for n in range(12)]

        _, xml = drawn(chart({"day": DAYS, "a": gaps}, ChartType.LINE))

        assert '<c:dispBlanksAs val="span"/>' in xml


class TestNames:
    def test_that_are_long_are_cut_and_stay_different(self) -> None:
        same = "A very long product name that goes on and on " * 4
        for names in ([f"{same}{n}" for n in range(12)], [f"{n} {same}" for n in range(12)]):
            sheet, _ = drawn(chart({"name": names, "v": list(range(12))}, ChartType.BAR))

            shown = [sheet.cell(row, 16).value for row in range(2, 12)]
            assert len(set(shown)) == 10
            assert all(len(each) == 40 and "…" in each for each in shown)

    def test_that_differ_nowhere_in_sight_are_numbered(self) -> None:
        names = [f"{'a' * 60}{n}{'b' * 60}" for n in range(3)]

        sheet, _ = drawn(chart({"name": names, "v": [3, 2, 1]}, ChartType.BAR))

        assert [sheet.cell(row, 16).value[:4] for row in (2, 3, 4)] == ["1. a", "2. a", "3. a"]


class TestNotes:
    def test_are_printed_below_their_chart(self) -> None:
        bars = chart({"city": [f"c{n % 50}" for n in range(100)], "v": [1] * 100}, ChartType.BAR)

        sheet, _ = drawn(bars)

        assert sheet["A25"].value == "20 of 50"
        last = re.fullmatch(r"'?Charts'?!\$A\$1:\$O\$(\d+)", sheet.print_area)
        assert last
        assert int(last[1]) >= 25
