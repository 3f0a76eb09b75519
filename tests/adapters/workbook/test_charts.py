"""Charts: what is drawn of which columns, and that the workbook holds real ones beside their numbers."""

import io
import re
from datetime import date, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import openpyxl
import pyarrow as pa
import pytest

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.chart_choice import NO_PIE, OTHER, ChartTable, choose_charts
from dataops_defs.adapters.workbook.chart_sheet import NOTHING_TO_DRAW, draw_charts
from dataops_defs.adapters.workbook.gathering import MOST_SCATTERED, Gathering
from dataops_defs.domain.export import ChartType, Template

ALL = list(ChartType)
NUMBERS = range(100)
SALES = {
    "order_id": list(NUMBERS),
    "region": [["north", "south", None][n % 3] for n in NUMBERS],
    "sold_on": [date(2024, 1, 1) + timedelta(days=n % 10) for n in NUMBERS],
    "revenue": [float(n) for n in NUMBERS],
    "pieces": [n % 7 for n in NUMBERS],
}


def gathered(columns: dict[str, Any], batches: int = 1) -> Gathering:
    table = pa.table(columns)
    made = Gathering(table.schema)
    for batch in table.to_batches(max_chunksize=max(len(table) // batches, 1)):
        made.add(batch)
    return made


def chart(columns: dict[str, Any], wanted: ChartType, *, asked: bool = False, batches: int = 1) -> ChartTable:
    (found,) = choose_charts(gathered(columns, batches), [wanted], asked=asked)
    return found


class TestChoosing:
    @pytest.mark.parametrize("batches", [1, 9])
    def test_a_line_goes_over_time_with_the_sums_of_each_period(self, batches: int) -> None:
        line = chart(SALES, ChartType.LINE, batches=batches)

        assert line.title == "Sum of revenue, Sum of pieces by day"
        assert line.keys == [datetime(2024, 1, 1) + timedelta(days=each) for each in range(10)]
        assert line.series["Sum of revenue"][0] == sum(range(0, 100, 10))

    def test_too_many_periods_become_longer_ones(self) -> None:
        days = [date(2000, 1, 1) + timedelta(days=each) for each in range(3000)]

        line = chart({"day": days, "amount": [1] * 3000}, ChartType.LINE)

        assert line.unit == "month"
        assert sum(line.series["Sum of amount"]) == 3000
        assert line.series["Sum of amount"][:2] == [31, 29]

    def test_moments_within_a_minute_are_not_thrown_together(self) -> None:
        moments = [datetime(2024, 1, 1, 12, 0, each) for each in range(30)]

        assert len(chart({"at": moments, "v": [1] * 30}, ChartType.LINE).keys) == 30

    def test_bars_compare_groups_the_largest_first(self) -> None:
        bars = chart(SALES, ChartType.BAR, batches=9)

        assert bars.title == "Sum of revenue by region"
        assert list(bars.series["Sum of revenue"]) == sorted(bars.series["Sum of revenue"], reverse=True)
        assert set(bars.keys) == {"north", "south", None}

    def test_only_the_largest_groups_are_shown_and_that_is_said(self) -> None:
        bars = chart({"city": [f"c{n % 50}" for n in NUMBERS], "v": [1] * 100}, ChartType.BAR)

        assert (len(bars.keys), bars.note) == (20, "20 of 50")

    def test_where_no_two_rows_share_a_name_the_largest_rows_are_shown(self) -> None:
        bars = chart({"name": [f"n{n}" for n in NUMBERS], "spent": list(NUMBERS)}, ChartType.BAR, batches=9)

        assert bars.title == "spent: the 10 largest"
        assert (bars.keys[0], bars.series["spent"][0]) == ("n99", 99.0)

    def test_a_pie_shares_out_few_groups_only(self) -> None:
        assert chart(SALES, ChartType.PIE).title == "Shares of revenue by region"
        many = {"city": [f"c{n % 50}" for n in NUMBERS], "v": [1] * 100}
        assert choose_charts(gathered(many), [ChartType.PIE]) == []

    def test_a_pie_that_was_asked_for_throws_the_small_ones_together(self) -> None:
        pie = chart({"city": [f"c{n % 50}" for n in NUMBERS], "v": [1] * 100}, ChartType.PIE, asked=True)

        assert (len(pie.keys), pie.keys[-1]) == (8, OTHER)
        assert sum(pie.series["Sum of v"]) == 100

    def test_negative_sums_are_not_shared_out(self) -> None:
        pie = chart({"kind": ["a", "b", "a"], "v": [1, -5, 2]}, ChartType.PIE)

        assert pie.series == {"Number of rows": [2, 1]}

    def test_a_scatter_shows_a_bounded_part_of_the_points(self) -> None:
        points = chart({"x": list(range(5000)), "y": list(range(5000))}, ChartType.SCATTER, batches=13)

        assert MOST_SCATTERED / 2 <= len(points.keys) <= MOST_SCATTERED
        assert points.note == "One of 16 rows"
        assert points.keys[:3] == [0, 16, 32]

    def test_points_on_a_line_are_no_picture_unless_it_was_asked_for(self) -> None:
        constant = gathered({"x": [4] * 50, "y": list(range(50))})

        assert choose_charts(constant, [ChartType.SCATTER]) == []
        assert len(choose_charts(constant, [ChartType.SCATTER], asked=True)) == 1

    def test_ids_are_no_measure(self) -> None:
        assert gathered(SALES).measures == ["revenue", "pieces"]

    def test_without_numbers_rows_are_counted(self) -> None:
        bars = chart({"kind": ["a", "b", "a"]}, ChartType.BAR)

        assert (bars.keys, bars.series) == (["a", "b"], {"Number of rows": [2, 1]})

    def test_nan_spoils_no_sum(self) -> None:
        bars = chart({"kind": ["a", "a", "b"], "v": [1.0, float("nan"), 2.0]}, ChartType.BAR)

        assert dict(zip(bars.keys, bars.series["Sum of v"], strict=True)) == {"a": 1.0, "b": 2.0}

    @pytest.mark.parametrize("wanted", [ChartType.LINE, ChartType.BAR, ChartType.PIE])
    def test_a_view_of_labels_and_numbers_gives_what_was_asked_for(self, wanted: ChartType) -> None:
        view = {"month": ["2024-01", "2024-02"], "revenue": [10, 20]}

        found = chart(view, wanted, asked=True)

        assert sorted(zip(found.keys, found.series["revenue"], strict=True)) == [("2024-01", 10.0), ("2024-02", 20.0)]

    @pytest.mark.parametrize("wanted", ALL)
    def test_columns_may_be_called_like_anything_inside(self, wanted: ChartType) -> None:
        columns = {
            "at": SALES["sold_on"],
            "kind": SALES["region"],
            "count": SALES["revenue"],
            "key": [n / 2 for n in NUMBERS],
        }

        assert chart(columns, wanted, asked=True).keys

    @pytest.mark.parametrize(
        ("moments", "unit"),
        [
            ([datetime(2022 + each // 12, 1 + each % 12, 1) for each in range(24)], "month"),
            ([datetime(2020 + each, 1, 1) for each in range(4)], "year"),
            ([datetime(2024, 1, 1 + each) for each in range(9)], "day"),
            ([datetime(2024, 1, 1) + timedelta(hours=each) for each in range(48)], "hour"),
            ([datetime(2024, 1, 1, 12, 0, each) for each in range(9)], "second"),
            ([datetime(2024, 1, 1)], "day"),
        ],
    )
    def test_periods_are_as_long_as_the_moments_are_apart(self, moments: list[datetime], unit: str) -> None:
        line = chart({"at": moments, "v": [float(each) for each in range(len(moments))]}, ChartType.LINE, asked=True)

        assert (line.unit, len(line.keys)) == (unit, len(moments))
        assert line.title == f"v by {unit}"

    def test_the_measure_that_says_most_is_drawn(self) -> None:
        columns = {
            "kind": ["a", "b"] * 50,
            "rate": [1] * 100,
            "level": [n % 3 for n in NUMBERS],
            "spent": SALES["revenue"],
        }

        assert chart(columns, ChartType.BAR).title == "Sum of spent by kind"
        assert chart(columns, ChartType.PIE).title == "Shares of spent by kind"
        assert chart(columns, ChartType.SCATTER, asked=True).title == "spent against level"
        assert "rate" not in chart({"day": SALES["sold_on"], **columns}, ChartType.LINE).title

    def test_so_is_one_whose_sums_differ_between_the_groups(self) -> None:
        columns = {"kind": ["a", "b", "a", "b"], "even": [1, 2, 4, 3], "odd": [1, 1, 1, 2]}

        assert chart(columns, ChartType.BAR).title == "Sum of odd by kind"

    def test_a_pie_of_negative_numbers_becomes_bars_and_says_so(self) -> None:
        bars = chart({"kind": ["a", "b", "c"], "profit": [1, -5, 2]}, ChartType.PIE, asked=True)

        assert (bars.type, bars.note) == (ChartType.BAR, NO_PIE)
        assert list(bars.series["profit"]) == [2, 1, -5]

    @pytest.mark.parametrize("columns", [{"v": [1, 2]}, {"a": pa.nulls(2)}, {"a": pa.array([], pa.string())}])
    def test_some_tables_give_nothing(self, columns: dict[str, Any]) -> None:
        assert choose_charts(gathered(columns), ALL) == []


class TestDrawing:
    def drawn(self, charts: list[ChartTable]) -> ZipFile:
        file = io.BytesIO()
        book = Book(file, Template.CORPORATE)
        draw_charts(book, "Charts", charts)
        book.close()
        return ZipFile(file)

    def test_charts_are_native_and_refer_to_the_numbers_beside_them(self) -> None:
        file = self.drawn(choose_charts(gathered(SALES), ALL))

        xml = [file.read(name).decode() for name in file.namelist() if re.fullmatch(r"xl/charts/chart\d\.xml", name)]
        kinds = {kind for kind in ("barChart", "lineChart", "pieChart", "scatterChart") for each in xml if kind in each}
        assert kinds == {"barChart", "lineChart", "pieChart", "scatterChart"}
        assert all("Charts!$" in each for each in xml)

    def test_the_numbers_are_there(self) -> None:
        bars = chart(SALES, ChartType.BAR)

        sheet = openpyxl.load_workbook(self.drawn([bars]).fp)["Charts"]  # type: ignore[arg-type]

        rows = [[each.value for each in row if each.value is not None] for row in sheet.iter_rows()]
        assert ["region", "Sum of revenue"] in rows
        assert len([row for row in rows if row]) == 4

    def test_series_of_another_size_have_an_axis_of_their_own(self) -> None:
        line = chart({"day": SALES["sold_on"], "small": [1] * 100, "large": [1000] * 100}, ChartType.LINE)

        xml = self.drawn([line]).read("xl/charts/chart1.xml").decode()

        assert "Sum of small (right axis)" in xml
        assert xml.count("<c:tx><c:strRef>") == 2
        assert xml.count("<c:valAx>") == 2

    def test_where_there_is_nothing_to_draw_the_sheet_says_so(self) -> None:
        sheet = openpyxl.load_workbook(self.drawn([]).fp)["Charts"]  # type: ignore[arg-type]

        assert sheet["A1"].value == NOTHING_TO_DRAW

    @pytest.mark.parametrize(
        "name", ["='\\\\evil.example\\s\\[x.xlsx]S'!$A$1", "=Provenance!$B$4", "Sheet1!A1", "=1+1", "a!b!B2"]
    )
    def test_names_of_columns_are_texts_in_every_chart(self, name: str) -> None:
        columns = {"n": ["a", "b", "a"], name: [1.5, 2.5, 3.0], f"{name} ": [1, 2, 3], "day": SALES["sold_on"][:3]}
        for kind, x in ((ChartType.BAR, {name: ["a", "b"]}), (ChartType.SCATTER, {}), (ChartType.LINE, {})):
            file = self.drawn([chart({**columns, **x} if not x else {**x, f"{name} ": [1, 2]}, kind, asked=True)])

            for part in (each for each in file.namelist() if each.startswith("xl/charts/chart")):
                formulas = re.findall("<c:f>(.*?)</c:f>", file.read(part).decode())
                assert formulas
                assert all(re.fullmatch(r"Charts!\$[A-Z]+\$\d+(?::\$[A-Z]+\$\d+)?", each) for each in formulas)
            assert not [each for each in file.namelist() if "externalLink" in each]

    def test_a_sheet_may_be_called_like_a_formula(self) -> None:
        file = io.BytesIO()
        book = Book(file, Template.CORPORATE)
        draw_charts(book, "=A1!B2", [chart(SALES, ChartType.BAR)])
        book.close()

        xml = ZipFile(file).read("xl/charts/chart1.xml").decode()
        assert set(re.findall("<c:f>(.*?)</c:f>", xml)) == {
            "'=A1!B2'!$P$2:$P$4",
            "'=A1!B2'!$Q$1",
            "'=A1!B2'!$Q$2:$Q$4",
        }

    @pytest.mark.parametrize(
        ("x", "shown"),
        [
            ([0.00012 * each for each in range(9)], "#,##0.0#########"),
            ([1000.1 + each / 10 for each in range(9)], "#,##0.0#########"),
            ([1000.0 * each for each in range(9)], "#,##0"),
            ([1e300 * each for each in range(9)], "0.0E+00"),
        ],
    )
    def test_axes_show_what_tells_their_marks_apart(self, x: list[float], shown: str) -> None:
        points = chart({"x": x, "y": [float(each) for each in range(9)]}, ChartType.SCATTER, asked=True)

        xml = self.drawn([points]).read("xl/charts/chart1.xml").decode()

        assert re.findall('<c:numFmt formatCode="(.*?)"', xml)[0] == shown

    def test_names_of_groups_are_texts(self) -> None:
        bars = chart({"kind": ["=1+1", "=1+1", "b"], "v": [1, 2, 3]}, ChartType.BAR)

        file = self.drawn([bars])

        assert not re.search(b"<f[ >]", file.read("xl/worksheets/sheet1.xml"))
