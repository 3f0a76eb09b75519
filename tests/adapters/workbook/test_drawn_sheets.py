"""Sheets about a table: figures, the summary, provenance; every number and every word can be read."""

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.provenance_sheet import Origin, draw_provenance
from dataops_defs.adapters.workbook.report_sheets import draw_values
from dataops_defs.adapters.workbook.statistics import statistics_of
from dataops_defs.adapters.workbook.summary_sheet import draw_summary
from dataops_defs.domain.export import Template

LONG = "A sentence that tells what the numbers of this month mean for those who work with them. " * 4


def drawn(draw: Callable[[Book], object]) -> Worksheet:
    file = io.BytesIO()
    book = Book(file, Template.CORPORATE)
    draw(book)
    book.close()
    return openpyxl.load_workbook(file).worksheets[-1]


def summary(columns: dict[str, Any]) -> Worksheet:
    rows = pa.record_batch(columns)

    def draw(book: Book) -> None:
        statistics = statistics_of(rows.schema)
        for each, column in zip(statistics, rows.columns, strict=True):
            each.add(column)
        draw_summary(book, book.pour("Data", rows.schema, [rows]), statistics)

    return drawn(draw)


class TestFigures:
    @pytest.mark.parametrize(
        ("value", "kept", "shown"),
        [
            (1250000, 1250000, "#,##0"),
            (230.12, 230.12, "#,##0.00"),
            (0.0042, 0.0042, "0.00######"),
            (-0.001, -0.001, "0.00######"),
            (1e300, 1e300, "0.00##E+00"),
            (3e-9, 3e-9, "0.00##E+00"),
            (10**30, str(10**30), "@"),
            (123456789012345678, "123456789012345678", "@"),
        ],
    )
    def test_are_shown_by_their_magnitude(self, value: float, kept: object, shown: str) -> None:
        cell = drawn(lambda book: draw_values(book, "KPI", {"figure": value}, ()))["B1"]

        assert (cell.value, cell.number_format) == (kept, shown)

    def test_sentences_are_wrapped_from_their_beginning_in_a_row_that_is_high_enough(self) -> None:
        sheet = drawn(lambda book: draw_values(book, "KPI", {"note": LONG, "pieces": 3}, ()))

        assert (sheet["B1"].alignment.wrap_text, sheet["B1"].alignment.horizontal) == (True, "left")
        lines = len(LONG) / sheet.column_dimensions["B"].width
        assert sheet.row_dimensions[1].height >= 15 * lines > sheet.row_dimensions[2].height


class TestTheSummary:
    def test_shows_long_texts_whole(self) -> None:
        cell = summary({"name": ["A really long product name that goes on and on", "b"]})["F5"]

        assert cell.value == "A really long product name that goes on and on"
        assert cell.alignment.wrap_text

    def test_shows_narrow_floats_as_they_were_written(self) -> None:
        sheet = summary({"rate": pa.array([0.1, 0.1], pa.float32())})

        assert [sheet.cell(5, column).value for column in range(6, 10)] == [0.1, 0.1, 0.1, 0.2]

    def test_has_rows_that_are_high_enough_for_what_is_wrapped(self) -> None:
        columns = {
            "id": ["3f2b8c1e-7a44-4a11-9b0d-2c61d3a0e5f7"],
            "far": [Decimal("123456789012345678901234567890.12")],
        }
        sheet = summary({**columns, "n": [1]})

        assert [sheet.row_dimensions[row].height for row in (5, 6)] == [30, 30]
        assert all(sheet.cell(6, column).alignment.wrap_text for column in (6, 7, 9))

    def test_counts_one_row_as_one(self) -> None:
        assert summary({"n": [1]})["A2"].value == "1 row, 1 column"
        assert summary({"n": [1, 2], "m": [1, 2]})["A2"].value == "2 rows, 2 columns"

    def test_shows_sums_of_any_size(self) -> None:
        sheet = summary({"far": [1e308, -1e308, 2e299], "small": [3e-9] * 3, "over": [1e308] * 3})

        assert [sheet.cell(row, 9).number_format for row in (5, 6)] == ["General", "General"]
        assert sheet["I7"].value == "Infinity"

    def test_says_below_how_many_values_its_figures_leave_out(self) -> None:
        sheet = summary({"v": [1.0, 3.0, float("nan"), float("inf")], "n": [1, 2, 3, 4]})

        assert [each.value for each in sheet[5]][2:] == [4, 0, 4, 1, 3, 2, 4]
        assert sheet["A8"].value == (
            "Min, Max, Mean and Sum of column 'v' leave out 2 values: NaN and infinities, which have no place among"
            " numbers"
        )
        assert sheet.max_row == 8


class TestProvenance:
    def test_leaves_room_for_long_names_of_sections(self) -> None:
        name = "Section 'All sales per product and month of the year'"
        sheet = drawn(lambda book: draw_provenance(book, Origin("Report", [(name, "SELECT 1"), ("Made by", "x")])))

        assert sheet.row_dimensions[4].height >= 3 * 15
        assert sheet.column_dimensions["A"].width * 3 > len(name)
