"""Charts of an export: drawn of what is there, and the workbook tells what they leave out, or why there is none."""

from dataclasses import replace

from dataops_defs.domain.export import ChartType, ExportKind, Section, SectionType, Wanted
from tests.flows.test_export_workbook import TABLE, exported, values
from tests.scenes import World

ORDERS = """SELECT n AS "Order ID", 2020 + n % 3 AS "Year", n * 10 AS amount,
    CASE n WHEN 1 THEN NULL WHEN 2 THEN date '1850-06-01' ELSE date '2024-01-01' + n END AS day
    FROM generate_series(1, 40) AS n"""


def section(name: str, query: str, chart: ChartType) -> Section:
    return Section(name, SectionType.CHART, query, chart=chart)


class TestCharts:
    def test_are_drawn_of_measures_and_tell_which_rows_they_leave_out(self, world: World) -> None:
        table = replace(TABLE, query=ORDERS)
        wanted = Wanted(ExportKind.QUERY, "orders", [table], summary=True, charts=[ChartType.LINE])

        _, book = exported(world, wanted)

        sums = {row[0]: row[8] for row in values(book, "Summary")[4:]}
        assert (sums["Order ID"], sums["Year"], sums["amount"]) == (None, None, 8200)
        said = "1 row without 'day' and 1 row outside of Excel's calendar (March 1900 to the end of 9999) left out"
        assert said in {cell for row in values(book, "Charts") for cell in row}
        assert f"chart 'amount by day' on 'Charts': {said}" in {row[1] for row in values(book, "Provenance")}

    def test_that_cannot_be_drawn_leave_the_true_reason(self, world: World) -> None:
        days = "SELECT date '2024-01-01' + n AS day, n AS amount FROM generate_series(1, 5) n"
        empty = "SELECT NULL::text AS name, NULL::int AS amount FROM generate_series(1, 5)"
        sections = [section("Shares", days, ChartType.PIE), section("Nobody", empty, ChartType.BAR)]

        _, book = exported(world, Wanted(ExportKind.REPORT, "Reasons", sections))

        assert "there is no column with names" in book["Shares"]["A4"].value
        assert book["Nobody"]["A4"].value == "There is nothing to draw here: no row has a number"
        assert not book["Shares"]._charts
        assert not book["Nobody"]._charts
