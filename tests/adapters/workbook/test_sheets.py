"""Sheets: their names, their frame, and what happens to rows that do not fit on one."""

import io
import random
from decimal import Decimal
from zipfile import ZipFile

import openpyxl
import pyarrow as pa
import pytest

import dataops_defs.adapters.workbook.blocks as blocks
import dataops_defs.adapters.workbook.book as workbook
from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.sheet_names import SheetNames
from dataops_defs.domain.export import Template
from dataops_defs.errors import Invalid, TooLarge
from tests.adapters.workbook.books import poured, poured_batches


class TestNames:
    @pytest.mark.parametrize(
        ("wanted", "given"),
        [
            ("Customer Data", "Customer Data"),
            ("a/b:c*[d]?", "a b c d"),
            ("", "Sheet"),
            ("'quoted'", "quoted"),
            ("History", "History_"),
            ("Самолёты", "Самолёты"),
            ("x" * 40, "x" * 31),
            ("\U0001f600" * 20, "\U0001f600" * 15),
            ("tab\tand\nline", "tab and line"),
            ("\u202egnp", "gnp"),
        ],
    )
    def test_are_made_to_fit(self, wanted: str, given: str) -> None:
        assert SheetNames().take(wanted) == given

    def test_are_different_whatever_their_case(self) -> None:
        names = SheetNames()

        assert [names.take(each) for each in ("Data", "data", "DATA", "x" * 40, "x" * 40)] == [
            "Data",
            "data (2)",
            "DATA (3)",
            "x" * 31,
            "x" * 27 + " (2)",
        ]

    def test_excel_itself_takes_them(self) -> None:
        file = io.BytesIO()
        book = Book(file, Template.PLAIN)
        odd = "".join(map(chr, [*range(1, 0x250), 0x2028, 0xFE0F, 0xFFFE]))
        letters = random.Random(7)
        for _ in range(60):
            book.sheet("".join(letters.choices(odd, k=40)))
        book.close()

        assert tuple(openpyxl.load_workbook(file).sheetnames) == book.names.all


class TestTheFrame:
    def test_the_header_stays_in_sight_is_bold_and_filters(self) -> None:
        made = poured({"id": [1, 2], "name": ["a", "b"]})

        assert made.sheet.freeze_panes == "A2"
        assert made.sheet["A1"].font.bold
        assert made.sheet.auto_filter.ref == "A1:B3"
        assert made.sheet.print_title_rows == "$1:$1"

    def test_columns_are_as_wide_as_their_first_rows_within_bounds(self) -> None:
        made = poured({"a": ["x"], "b": ["x" * 25], "c": ["x" * 5000], "d": ["漢" * 15]})

        a, b, c, d = (made.sheet.column_dimensions[each].width for each in "ABCD")
        assert a < 10 < b < 35
        assert c <= 61
        assert 30 < d < 40

    @pytest.mark.parametrize(
        ("kind", "largest", "letters"),
        [
            (pa.int64(), -(10**15) + 1, 20),
            (pa.int32(), -(2**31), 14),
            (pa.decimal128(12, 2), Decimal("-9999999999.99"), 17),
            (pa.decimal128(30, 20), Decimal("-1234567890.12345"), 20),
            (pa.decimal128(38, 6), Decimal("-999999999999999"), 27),
            (pa.float64(), -1.23456789e300, 12),
        ],
    )
    def test_columns_of_numbers_are_wide_enough_for_those_that_come_later(
        self, kind: pa.DataType, largest: object, letters: int
    ) -> None:
        made = poured({"n": pa.array([1] * 600 + [largest], kind)})

        assert made.sheet.column_dimensions["A"].width >= letters + 1

    def test_readers_are_not_told_a_wrong_size(self) -> None:
        made = poured({"a": list(range(1000))})

        book = openpyxl.load_workbook(io.BytesIO(made.file), read_only=True)
        assert sum(1 for _ in book.worksheets[0].iter_rows()) == 1001

    def test_a_table_without_rows_has_its_header(self) -> None:
        made = poured_batches(pa.schema({"a": pa.int64(), "b": pa.string()}), [])

        assert [each.value for each in made.sheet[1]] == ["a", "b"]
        assert (made.poured.rows, made.sheet.max_row) == (0, 1)

    def test_more_columns_than_a_sheet_has_are_refused(self) -> None:
        with pytest.raises(Invalid, match="16,384"):
            poured({f"c{number}": [1] for number in range(16_385)})

    def test_columns_beyond_z_have_their_letters(self) -> None:
        made = poured({f"c{number}": [number] for number in range(800)})

        assert made.sheet["ADT2"].value == 799


class TestManyRows:
    @pytest.mark.parametrize("batches", [1, 7, 30])
    def test_continue_on_further_sheets_each_with_the_header(self, batches: int) -> None:
        made = poured({"n": list(range(25)), "t": ["x"] * 25}, name="Rows", per_sheet=11, batches=batches)

        assert made.book.sheetnames == ["Rows", "Rows (2)", "Rows (3)"]
        assert made.poured.sheets == made.book.sheetnames
        assert [made.column(sheet=each) for each in range(3)] == [
            list(range(10)),
            list(range(10, 20)),
            list(range(20, 25)),
        ]
        assert {each["A1"].value for each in made.book.worksheets} == {"n"}
        assert [each.auto_filter.ref for each in made.book.worksheets] == ["A1:B11", "A1:B11", "A1:B6"]

    def test_only_the_first_sheet_is_chosen(self) -> None:
        made = poured({"n": list(range(25))}, per_sheet=11)

        chosen = [each.sheet_view.tabSelected for each in made.book.worksheets]
        assert [bool(each) for each in chosen] == [True, False, False]

    def test_a_full_sheet_is_not_followed_by_an_empty_one(self) -> None:
        assert poured({"n": list(range(20))}, per_sheet=11).book.sheetnames == ["Data", "Data (2)"]

    def test_so_do_rows_that_take_too_many_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blocks, "BYTES_PER_SHEET", 1)
        monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 10)

        made = poured({"n": list(range(25))})

        assert [made.column(sheet=each) for each in range(3)] == [
            list(range(10)),
            list(range(10, 20)),
            list(range(20, 25)),
        ]

    def test_a_file_that_excel_would_not_open_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(workbook, "LARGEST", 10)

        with pytest.raises(TooLarge, match="fewer rows"):
            poured({"n": list(range(25))})

    def test_no_part_is_written_as_zip64_which_excel_takes_for_damage(self) -> None:
        made = poured({"n": list(range(25))}, per_sheet=11)

        with ZipFile(io.BytesIO(made.file)) as parts:
            needed = {made.file[each.header_offset + 4] for each in parts.infolist()}
        assert needed == {20}
