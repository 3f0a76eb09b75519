"""Cells of workbooks that are not empty and yet have no value: their rows are rejected, never read as empty."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pytest

from dataops_defs.adapters.sources.excel.file import ExcelSource
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from tests.adapters.sources.file_scenes import asked, files_in
from tests.adapters.sources.file_scenes import read as read_files

FILE = Extraction(ExtractionType.FILE)
NEVER = "has a formula that was never computed: open and save the file in Excel"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def book(root: Path, cells: Mapping[str, Any], name: str = "book.xlsx") -> ExcelSource:
    """A workbook with these cells; what begins with # is an error."""
    made = openpyxl.Workbook()
    for place, value in cells.items():
        made.active[place] = value
        if str(value).startswith("#"):
            made.active[place].data_type = "e"
    made.save(root / name)
    return ExcelSource(Source("1", "s", "s", SourceType.EXCEL, "app", {"path": name}), [root])


def changed(root: Path, old: str, new: str) -> None:
    """Another text in the workbook's first sheet."""
    with ZipFile(root / "book.xlsx") as made:
        parts = {name: made.read(name) for name in made.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert old.encode() in parts[sheet]
    parts[sheet] = parts[sheet].replace(old.encode(), new.encode())
    with ZipFile(root / "book.xlsx", "w", ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)


def read(source: ExcelSource, sheet: str | None = None) -> tuple[list[dict[str, Any]], list[RejectedRow]]:
    with source.read(Extraction(ExtractionType.FILE, sheet=sheet)) as reading:
        rows = [row for batch in reading.batches for row in batch.to_pylist()]
        assert reading.expected_rows == len(rows) + len(reading.rejected)
        return rows, reading.rejected


class TestARowIsRejected:
    def test_with_the_place_of_its_cell_however_far_it_is(self, root: Path) -> None:
        cells = {"A1": "id", "Z1": "v", "A2": 1, "A30000": 2, "Z30000": "#DIV/0!"}
        rows, rejected = read(book(root, cells))
        assert [row["id"] for row in rows] == [1]
        assert [(each.number, each.column, each.reason) for each in rejected] == [(2, "v", "cell Z30000 holds #DIV/0!")]

    def test_of_rows_that_do_not_say_their_number_too(self, root: Path) -> None:
        source = book(root, {"A1": "id", "A2": 1, "A9": "#N/A"})
        changed(root, '<row r="9"', "<row")
        rows, rejected = read(source)
        assert (rows, [each.reason for each in rejected]) == ([{"id": 1}], ["cell A9 holds #N/A"])

    def test_with_its_cell_and_what_stands_there(self, root: Path) -> None:
        cells = {"A1": "id", "B1": "price", "A2": 1, "B2": "#N/A", "A3": 2, "B3": "=A3*2", "A4": 3, "B4": 5.5}

        rows, rejected = read(book(root, cells))

        assert rows == [{"id": 3, "price": 5.5}]
        assert rejected == [
            RejectedRow(1, "cell B2 holds #N/A", "price", {"id": 1, "price": "#N/A"}),
            RejectedRow(2, f"cell B3 {NEVER}", "price", {"id": 2, "price": "=A3*2"}),
        ]

    def test_wherever_it_is_on_the_sheet(self, root: Path) -> None:
        rows, rejected = read(book(root, {"C3": "id", "C5": 1, "B7": "#REF!", "AB9": "=C5", "C6": 2}))

        assert rows == [{"column_1": None, "id": 1, "column_3": None}, {"column_1": None, "id": 2, "column_3": None}]
        assert [(each.number, each.reason) for each in rejected] == [
            (3, "cell B7 holds #REF!"),
            (4, f"cell AB9 {NEVER}"),
        ]

    def test_with_all_its_reasons(self, root: Path) -> None:
        _, [rejected] = read(book(root, {"A1": "a", "B1": "b", "A2": "#N/A", "B2": "#DIV/0!"}))
        assert rejected.reason == "cell A2 holds #N/A; cell B2 holds #DIV/0!"

    def test_among_many(self, root: Path) -> None:
        cells = {"A1": "n", **{f"A{n}": "#N/A" if n % 1000 == 0 else n for n in range(2, 70_002)}}

        rows, rejected = read(book(root, cells))

        assert (len(rows), len(rejected)) == (69_930, 70)
        assert [each.number for each in rejected[:2]] == [999, 1999]

    def test_of_the_sheet_that_was_asked_for(self, root: Path) -> None:
        made = openpyxl.Workbook()
        made.active.append(["a"])
        made.active.append(["=1"])
        made.create_sheet("Other").append(["a"])
        made["Other"].append([1])
        made.save(root / "book.xlsx")
        source = ExcelSource(Source("1", "s", "s", SourceType.EXCEL, "app", {"path": "book.xlsx"}), [root])

        assert read(source, "Other") == ([{"a": 1}], [])
        assert len(read(source)[1]) == 1

    def test_of_its_own_file_among_several(self, root: Path) -> None:
        book(root, {"A1": "n", "A2": 1, "A3": "#N/A"}, "a.xlsx")
        book(root, {"A1": "n", "A2": "#REF!", "A3": 4}, "b.xlsx")

        table, rejected = read_files(files_in(root), asked("*.xlsx"))

        assert table.to_pylist() == [{"n": 1}, {"n": 4}]
        assert [(each.number, each.reason) for each in rejected] == [
            (2, "cell A3 holds #N/A (row 2 of a.xlsx)"),
            (3, "cell A2 holds #REF! (row 1 of b.xlsx)"),
        ]


class TestAFormulaThatWasComputed:
    @pytest.mark.parametrize(("cell", "value"), [("<v>7</v>", 7), ("<v>0</v>", 0)])
    def test_has_its_value(self, root: Path, cell: str, value: int) -> None:
        source = book(root, {"A1": "n", "A2": "=1+1", "A3": 1})
        changed(root, "<f>1+1</f><v />", f"<f>1+1</f>{cell}")
        assert read(source) == ([{"n": value}, {"n": 1}], [])

    def test_may_be_an_empty_text(self, root: Path) -> None:
        source = book(root, {"A1": "n", "B1": "t", "A2": 1, "B2": "=1+1"})
        changed(root, '<c r="B2"><f>1+1</f><v />', '<c r="B2" t="str"><f>1+1</f><v></v>')
        assert read(source)[1] == []

    def test_may_have_been_an_error(self, root: Path) -> None:
        source = book(root, {"A1": "n", "A2": "=1/0", "A3": 1})
        changed(root, '<c r="A2"><f>1/0</f><v />', "<c r='A2' t='e'><f>1/0</f><v>#DIV/0!</v>")
        assert [each.reason for each in read(source)[1]] == ["cell A2 holds #DIV/0!"]


class TestOtherWaysToWriteXml:
    def test_names_may_have_a_prefix(self, root: Path) -> None:
        source = book(root, {"A1": "n", "A2": 1, "A3": "=A2"})
        for name in ("worksheet", "sheetData", "row", "c", "f", "v", "is", "t"):
            for old, new in (
                (f"<{name}>", f"<x:{name}>"),
                (f"<{name} ", f"<x:{name} "),
                (f"</{name}>", f"</x:{name}>"),
            ):
                with suppress(AssertionError):
                    changed(root, old, new)
        changed(root, "xmlns=", "xmlns:x=")
        assert [each.reason for each in read(source)[1]] == [f"cell A3 {NEVER}"]


def test_a_preview_shows_what_stands_there_and_says_so(root: Path) -> None:
    cells = {"A1": "id", "B1": "price", "A2": 1, "B2": 5, "A3": 2, "B3": "#N/A", "A4": 3, "B4": "=A4*2"}

    shown = book(root, cells).preview(FILE, 5)

    assert [row["price"] for row in shown.rows] == ["5", "#N/A", "=A4*2"]
    assert shown.notes == ["2 rows hold cells without a value, and cannot be taken; the first: cell B3 holds #N/A"]


def test_a_length_of_time_is_shown_in_hours(root: Path) -> None:
    cells = {"A1": "worked", "A2": timedelta(hours=30), "A3": timedelta(minutes=5, seconds=7), "A4": "none"}
    assert [row["worked"] for row in read(book(root, cells))[0]] == ["30:00:00", "00:05:07", "none"]
