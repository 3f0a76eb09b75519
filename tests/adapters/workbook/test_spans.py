"""Spans of time: numbers that can be added up, in cells, in the summary and, as hours, in charts."""

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.workbook.provenance_sheet import notes_on
from dataops_defs.domain.export import ChartType
from tests.adapters.workbook.books import poured
from tests.adapters.workbook.test_charts import chart
from tests.adapters.workbook.test_drawn_sheets import summary

SPAN = pa.duration("us")
LATE = [timedelta(hours=26), None, timedelta(minutes=90), timedelta(minutes=30)]


class TestCells:
    def test_are_numbers_of_hours_minutes_and_seconds(self) -> None:
        made = poured({"late": pa.array(LATE, SPAN)})

        assert made.column() == LATE
        assert made.sheet["A2"].number_format == "[h]:mm:ss"
        assert made.sheet["A2"].data_type == "d"
        assert notes_on(made.poured) == []

    @pytest.mark.parametrize("unit", ["ms", "us", "ns"])
    def test_show_parts_of_seconds_where_there_are_some(self, unit: str) -> None:
        span = timedelta(hours=1, milliseconds=250)
        made = poured({"late": pa.array([timedelta(0), span], pa.duration(unit))})

        assert made.column() == [timedelta(0), span]
        assert made.sheet["A3"].number_format == "[h]:mm:ss.000"

    def test_that_excel_cannot_show_are_text_and_the_notes_say_so(self) -> None:
        days = [2_958_465, 2_958_466]
        spans = [*(timedelta(days=each) for each in days), timedelta(hours=-26, seconds=-1.5)]
        made = poured({"late": pa.array(spans, SPAN)})

        assert 'r="A2" s=' in made.xml("xl/worksheets/sheet1.xml")
        assert "<v>2958465</v>" in made.xml("xl/worksheets/sheet1.xml")
        assert made.column()[1:] == ["71003184:00:00", "-26:00:01.5"]
        assert notes_on(made.poured) == [
            "2 values of column 'late' of 'Data' are kept as text, because Excel would show others"
        ]


class TestTheSummary:
    def line(self, late: pa.Array) -> list[Any]:
        return [each.value for each in summary({"late": late})[5]]

    def test_tells_the_shortest_the_longest_the_average_and_the_sum_as_spans(self) -> None:
        least, most = timedelta(minutes=30), timedelta(hours=26)
        mean, total = timedelta(hours=9, minutes=20), timedelta(hours=28)

        assert self.line(pa.array(LATE, SPAN)) == ["late", "span of time", 3, 1, 3, least, most, mean, total]
        shown = summary({"late": pa.array(LATE, SPAN)})[5][5:]
        assert {each.number_format for each in shown} == {"[h]:mm:ss"}

    def test_counts_negative_ones_and_says_in_words_what_is_negative(self) -> None:
        spans = pa.array([timedelta(hours=1), timedelta(hours=-2), timedelta(hours=4)], SPAN)
        found = self.line(spans)

        assert found[5:] == ["-02:00:00", timedelta(hours=4), timedelta(hours=1), timedelta(hours=3)]

    def test_adds_up_beyond_every_calendar(self) -> None:
        longest = pa.array([2**63 - 1] * 12, pa.int64()).cast(SPAN)
        assert self.line(longest)[8] == "Infinity"

    def test_of_no_spans_is_empty(self) -> None:
        assert self.line(pa.nulls(2, SPAN))[2:] == [0, 2, 0, None, None, None, None]


class TestCharts:
    ROWS: dict[str, Any] = {
        "line": ["a", "b", "a", "b"],
        "day": [date(2024, 1, 1 + n) for n in range(4)],
        "late": pa.array(LATE, SPAN),
    }

    def test_show_them_in_hours_and_say_so(self) -> None:
        bars = chart(self.ROWS, ChartType.BAR, batches=2)

        assert bars.title == "Sum of late (hours) by line"
        assert bars.series == {"Sum of late (hours)": [27.5, 0.5]}
        assert chart(self.ROWS, ChartType.LINE).series == {"late (hours)": [26, None, 1.5, 0.5]}

    def test_show_negative_ones_too(self) -> None:
        rows = self.ROWS | {"late": pa.array([timedelta(hours=-each) for each in range(4)], SPAN)}
        assert chart(rows, ChartType.LINE).series == {"late (hours)": [0, -1, -2, -3]}

    def test_keep_them_apart_from_a_column_that_is_called_so(self) -> None:
        rows = self.ROWS | {"late (hours)": [7, 8, 9, 10]}
        assert list(chart(rows, ChartType.LINE).series) == ["late", "late (hours)"]
