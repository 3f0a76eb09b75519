"""What charts leave out, and why there is none: it is said, and it is true."""

from datetime import date, time, timedelta
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.workbook.chart_choice import choose_charts
from dataops_defs.adapters.workbook.chart_reasons import nothing_because
from dataops_defs.adapters.workbook.provenance_sheet import notes_on_charts
from dataops_defs.domain.export import ChartType
from tests.adapters.workbook.test_charts import ALL, chart, gathered

NOTHING: dict[str, Any] = {
    "name": pa.nulls(5, pa.string()),
    "amount": pa.nulls(5, pa.int64()),
    "day": pa.nulls(5, pa.date32()),
    "price": pa.nulls(5, pa.float64()),
}
DAYS = [date(2024, 1, 1) + timedelta(days=each) for each in range(5)]


class TestWithoutAnyNumber:
    @pytest.mark.parametrize("wanted", ALL)
    def test_no_chart_is_drawn(self, wanted: ChartType) -> None:
        assert choose_charts(gathered(NOTHING), [wanted], asked=True) == []
        assert choose_charts(gathered(NOTHING), [wanted]) == []

    def test_names_that_come_once_each_are_no_picture(self) -> None:
        names = gathered({"name": ["a", "b"], "amount": pa.nulls(2, pa.int64())})

        assert choose_charts(names, ALL, asked=True) == []

    def test_empty_measures_leave_room_for_others(self) -> None:
        columns = {"name": ["a", "b", "c"], "empty": pa.nulls(3, pa.int64()), "amount": [1, 2, 3]}

        assert chart(columns, ChartType.BAR).title == "amount: the 3 largest"
        assert chart({"name": ["a"], "amount": [1]}, ChartType.BAR).title == "amount: the largest"


class TestRowsInNoPeriod:
    COLUMNS: dict[str, Any] = {"day": [date(1850, 1, 1), None, None, *DAYS], "amount": list(range(8))}

    @pytest.mark.parametrize("wanted", [ChartType.LINE, ChartType.BAR])
    def test_are_counted_in_the_note(self, wanted: ChartType) -> None:
        found = chart(self.COLUMNS, wanted, asked=True, batches=3)

        assert len(found.keys) == 5
        assert found.note == (
            "2 rows without 'day' and 1 row outside of Excel's calendar (March 1900 to the end of 9999) left out"
        )
        assert notes_on_charts("Charts", [found]) == [f"chart 'amount by day' on 'Charts': {found.note}"]

    def test_points_without_a_number_are_counted_too(self) -> None:
        points = chart({"x": [1.0, 2.0, None, 4.0], "y": [2.0, None, 3.0, 4.0]}, ChartType.SCATTER, asked=True)

        assert points.note == "2 rows without 'x' or 'y' left out"


class TestManyYears:
    def test_become_longer_periods(self) -> None:
        days = [date(1900 + each, 6, 15) for each in range(7000)]

        line = chart({"day": days, "amount": [1] * 7000}, ChartType.LINE)

        assert (line.unit, len(line.keys)) == ("century", 70)
        assert sum(each or 0 for each in line.series["Sum of amount"]) == 7000

    def test_that_are_few_stay_years(self) -> None:
        assert chart({"day": [date(1900, 6, 1), date(2000, 6, 1)], "v": [1, 2]}, ChartType.LINE).unit != "century"


class TestTimesOfDay:
    AT = [time(23 - each, 15) for each in range(20)]

    def test_are_drawn_in_their_order(self) -> None:
        line = chart({"at": self.AT, "visits": list(range(20))}, ChartType.LINE, asked=True)

        assert list(line.keys) == sorted(self.AT)
        assert line.title == "visits by at"

    def test_name_bars(self) -> None:
        bars = chart({"at": self.AT, "visits": list(range(20))}, ChartType.BAR, asked=True)

        assert (bars.keys[0], bars.series["visits"][0]) == (time(4, 15), 19.0)


class TestTheReason:
    @pytest.mark.parametrize(
        ("columns", "wanted", "reason"),
        [
            ({"a": pa.array([], pa.string())}, ALL, "there are no rows"),
            ({"a": pa.nulls(2)}, ALL, "a chart needs a column with numbers, a time or names"),
            ({"v": [1, 2]}, [ChartType.BAR], "beside its numbers a chart needs a column with times or names"),
            ({"day": DAYS, "v": [1, 2, 3, 4, 5]}, [ChartType.PIE], "there is no column with names"),
            ({"day": DAYS, "v": [1, 2, 3, 4, 5]}, [ChartType.SCATTER], "two columns with numbers, and there is one"),
            ({"day": [date(1850, 1, 1)], "v": [1]}, [ChartType.LINE], "no row has a 'day' within Excel's calendar"),
            (
                {"name": [str(each) for each in range(2001)], "v": [1] * 2001},
                [ChartType.PIE],
                "more than 2,000 different",
            ),
            (NOTHING, ALL, "no row has a number"),
        ],
    )
    def test_is_told(self, columns: dict[str, Any], wanted: list[ChartType], reason: str) -> None:
        found = gathered(columns)

        assert choose_charts(found, wanted, asked=True) == []
        assert reason in nothing_because(found, wanted)
