"""Intervals of a query are spans of time in its workbook: they can be added up, unless their length is not fixed."""

from datetime import timedelta
from typing import Any

import openpyxl
import pytest

from dataops_defs.domain.export import ChartType, ExportKind, Section, SectionType, Wanted
from dataops_defs.flows import export_tables
from tests.flows.test_export_workbook import exported, values
from tests.scenes import World

FLIGHTS = """
CREATE TABLE public.flights (flight_id int, line text, late interval, held interval, lent interval);
INSERT INTO public.flights VALUES
    (1, 'north', '1 day 02:00', '1 hour', '2 days'),
    (2, 'south', '-00:15', '30 minutes', '1 year 2 mons'),
    (3, 'north', NULL, '00:00:00.5', '3 days 04:05:06');
GRANT SELECT ON public.flights TO PUBLIC
"""
QUERY = "SELECT * FROM flights ORDER BY flight_id"


@pytest.fixture(autouse=True)
def _flights(world: World) -> None:
    world.sql(FLIGHTS)


def notes(book: openpyxl.Workbook) -> set[Any]:
    return {row[1] for row in values(book, "Provenance")[3:] if row[0] == "Note"}


class TestAnExport:
    def test_has_spans_that_excel_can_add_up(self, world: World) -> None:
        table = Section("Flights", SectionType.TABLE, QUERY)
        outcome, book = exported(
            world, Wanted(ExportKind.QUERY, "flights", [table], summary=True, charts=list(ChartType))
        )

        rows = values(book, "Flights")[1:]
        assert [row[2] for row in rows] == [timedelta(hours=26), "-00:15:00", None]
        assert [row[3] for row in rows] == [timedelta(hours=1), timedelta(minutes=30), timedelta(milliseconds=500)]
        assert [book["Flights"].cell(2, each).number_format for each in (3, 4)] == ["[h]:mm:ss", "[h]:mm:ss.000"]
        lines = {row[0]: row for row in values(book, "Summary")[4:]}
        assert lines["late"][5:] == ("-00:15:00", timedelta(hours=26), timedelta(seconds=46350), timedelta(hours=25.75))
        assert lines["held"][8] == timedelta(hours=1, minutes=30, milliseconds=500)
        assert "Sum of held (hours)" in {cell for row in values(book, "Charts") for cell in row if cell}
        assert "1 value of column 'late' of 'Flights' is kept as text, because Excel would show others" in notes(book)
        assert outcome.total_rows == 3

    def test_keeps_a_column_with_months_in_words_and_says_why(self, world: World) -> None:
        table = Section("Flights", SectionType.TABLE, QUERY)
        _, book = exported(world, Wanted(ExportKind.QUERY, "flights", [table]))

        assert [row[4] for row in values(book, "Flights")[1:]] == ["2 days", "1 year 2 mons", "3 days 04:05:06"]
        assert (
            "Column 'lent' is kept as text: it holds '1 year 2 mons', which is no span of a fixed length within"
            " Excel's range"
        ) in notes(book)

    def test_of_many_ages_keeps_them_all_in_words(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_tables, "COUNT_SECONDS", 60.0)
        ages = "SELECT age(timestamp '2024-01-01', timestamp '2024-01-01' - (n % 999) * interval '37 days 1 s') AS old"
        table = Section("Ages", SectionType.TABLE, f"{ages} FROM generate_series(1, 150000) n")
        outcome, book = exported(world, Wanted(ExportKind.QUERY, "ages", [table], max_rows=1000))

        assert (outcome.total_rows, outcome.details["rowsLeftOut"]) == (1000, 149_000)
        assert values(book, "Ages")[1] == ("1 mon 6 days 00:00:01",)


class TestAReport:
    def test_shows_them_in_tables_and_in_charts_as_hours(self, world: World) -> None:
        by_line = "SELECT line, sum(held) AS held FROM flights GROUP BY 1 ORDER BY 1"
        sections = [
            Section("Table", SectionType.TABLE, by_line),
            Section("Chart", SectionType.CHART, by_line, chart=ChartType.BAR),
        ]

        _, book = exported(world, Wanted(ExportKind.REPORT, "Flights", sections))

        assert values(book, "Table")[4:] == [
            ("north", timedelta(hours=1, milliseconds=500)),
            ("south", timedelta(minutes=30)),
        ]
        drawn = [tuple(cell for cell in row if cell is not None) for row in values(book, "Chart")]
        assert ("line", "held (hours)") in drawn
        assert ("south", 0.5) in drawn

    def test_tells_of_a_chart_without_them_why(self, world: World) -> None:
        lent = Section("Lent", SectionType.CHART, "SELECT line, lent FROM flights", chart=ChartType.BAR)

        _, book = exported(world, Wanted(ExportKind.REPORT, "Flights", [lent]))

        assert any(each.startswith("Column 'lent' is kept as text: it holds '1 year 2 mons'") for each in notes(book))
