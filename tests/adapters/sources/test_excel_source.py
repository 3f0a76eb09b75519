import io
import re
import zipfile
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from dataops_defs.adapters.sources.excel.file import ExcelSource
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import SourceError

FILE = Extraction(ExtractionType.FILE)


class Folder:
    """Workbooks, and each of them as a source."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self, name: str = "book.xlsx", **settings: Any) -> ExcelSource:
        made = Source("1", "s", "s", SourceType.EXCEL, "app", {"path": name, **settings})
        return ExcelSource(made, [self.root])

    def book(self, **sheets: list[list[Any]]) -> ExcelSource:
        workbook = openpyxl.Workbook()
        workbook.remove(workbook.active)
        for name, rows in sheets.items():
            sheet = workbook.create_sheet(name)
            for row in rows:
                sheet.append(row)
        workbook.save(self.root / "book.xlsx")
        return self.source()

    def container(self, parts: dict[str, bytes]) -> ExcelSource:
        with zipfile.ZipFile(self.root / "book.xlsx", "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in parts.items():
                made.writestr(name, content)
        return self.source()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def read(source: ExcelSource, sheet: str | None = None) -> tuple[dict[str, str], list[dict[str, Any]]]:
    with source.read(Extraction(ExtractionType.FILE, sheet=sheet)) as reading:
        rows = [row for batch in reading.batches for row in batch.to_pylist()]
        return {field.name: str(field.type) for field in reading.schema}, rows


class TestReadingASheet:
    def test_types_are_proven_over_all_rows(self, folder: Folder):
        types, rows = read(
            folder.book(
                Airports=[
                    ["code", "runways", "lat", "open", "since", "checked", "at", "mixed"],
                    ["007", 2, 1.5, True, date(1950, 5, 1), datetime(2020, 1, 1, 10, 30), time(8, 15), 1],
                    ["JFK", None, 2, False, date(1960, 1, 1), datetime(2020, 1, 2), time(9, 0), "x"],
                    ["EWR", 3, None, None, None, None, None, date(2020, 1, 1)],
                ]
            )
        )
        assert types == {
            "code": "string",
            "runways": "int64",
            "lat": "double",
            "open": "bool",
            "since": "date32[day]",
            "checked": "timestamp[us]",
            "at": "time64[us]",
            "mixed": "string",
        }
        assert rows[0] == {
            "code": "007",
            "runways": 2,
            "lat": 1.5,
            "open": True,
            "since": date(1950, 5, 1),
            "checked": datetime(2020, 1, 1, 10, 30),
            "at": time(8, 15),
            "mixed": "1",
        }
        assert [row["mixed"] for row in rows] == ["1", "x", "2020-01-01"]

    def test_wholly_empty_rows_and_columns_are_left_out(self, folder: Folder):
        types, rows = read(folder.book(S=[[None] * 3, ["a", None, "b"], [1, None, None], [None] * 3, [None, None, 2]]))
        assert list(types) == ["a", "b"]
        assert rows == [{"a": 1, "b": None}, {"a": None, "b": 2}]

    def test_a_column_without_a_name_keeps_its_values(self, folder: Folder):
        _, rows = read(folder.book(S=[["a", None, "a"], [1, 2, 3]]))
        assert rows == [{"a": 1, "column_2": 2, "a_2": 3}]

    def test_a_sheet_is_chosen_by_name_and_the_first_otherwise(self, folder: Folder):
        book = folder.book(First=[["a"], [1]], Second=[["b"], [2]])
        assert read(book)[1] == [{"a": 1}]
        assert read(book, "Second")[1] == [{"b": 2}]

    def test_an_unknown_sheet_is_answered_with_those_there_are(self, folder: Folder):
        with pytest.raises(SourceError, match="no sheet 'Third'; its sheets: First, Second"):
            read(folder.book(First=[["a"], [1]], Second=[["b"], [2]]), "Third")

    def test_many_rows_come_in_batches_and_are_counted(self, folder: Folder):
        with folder.book(S=[["n"], *([n] for n in range(66_000))]).read(FILE) as reading:
            sizes = [batch.num_rows for batch in reading.batches]
        assert (sizes, reading.expected_rows) == ([65_536, 464], 66_000)

    def test_numbers_beyond_a_float_stay_what_they_are(self, folder: Folder):
        types, _ = read(folder.book(S=[["n"], [2.0**60], [1]]))
        assert types == {"n": "double"}

    def test_leaving_early_ends_the_reader(self, folder: Folder):
        with folder.book(S=[["n", "t"], *([n, "x" * 100] for n in range(66_000))]).read(FILE) as reading:
            next(reading.batches)


class TestPreviewing:
    def test_the_first_rows_in_the_types_of_all(self, folder: Folder):
        shown = folder.book(S=[["n", "day"], [1, date(2020, 1, 1)], [2.5, None]]).preview(FILE, 1)
        assert shown.rows == [{"n": 1.0, "day": "2020-01-01"}]
        assert [each.type for each in shown.columns] == ["double", "date32[day]"]
        assert shown.truncated

    def test_the_test_says_what_was_found(self, folder: Folder):
        said = folder.book(S=[["a", "b"], [1, 2], [3, 4]]).test()
        assert said == "workbook book.xlsx has 2 columns and 2 rows in its first sheet"


class TestAWorkbookOfSeveralSheets:
    def test_says_which_is_read(self, folder: Folder) -> None:
        source = folder.book(Jan=[["n"], [1]], Feb=[["n"], [2]], Mar=[["n"], [3]])
        assert source.preview(FILE, 5).notes == [
            "only its first sheet, Jan, is read: to read another, name it (Feb, Mar)"
        ]
        assert source.preview(replace(FILE, sheet="Feb"), 5).notes == []

    def test_names_the_others_where_the_first_is_empty(self, folder: Folder) -> None:
        with pytest.raises(SourceError, match="its sheet Jan is empty; name another one: Feb"):
            folder.book(Jan=[], Feb=[["n"], [2]]).preview(FILE, 5)


class TestAFirstRowOfValues:
    @pytest.mark.parametrize("first", [[1, date(2024, 5, 1), "Ann"], [0.5, datetime(2024, 5, 1, 10), None]])
    def test_is_a_row_like_the_others(self, folder: Folder, first: list[Any]) -> None:
        source = folder.book(S=[first, [2, date(2024, 5, 2), "Bob"]])
        types, rows = read(source)
        assert (list(types), len(rows)) == (["column_1", "column_2", "column_3"], 2)
        assert source.preview(FILE, 5).notes[0].startswith("its first row is read as data")

    @pytest.mark.parametrize("first", [["id", "day"], ["country", 2024], [2023, 2024], ["2023", "2024"], [None, "day"]])
    def test_is_one_of_names_where_texts_stand_above_values_or_years(self, folder: Folder, first: list[Any]) -> None:
        assert len(read(folder.book(S=[first, [2.5, 3.5], [4.5, 5.5]]))[1]) == 2

    @pytest.mark.parametrize("first", [["#N/A", "Ann", 5], ["1", "Ann", None], ["0001", "Ann", 5]])
    def test_is_a_row_also_with_errors_and_numbers_that_are_texts(self, folder: Folder, first: list[Any]) -> None:
        source = folder.book(S=[first, ["2", "Bob", 6], ["3", "Cid", 7]])
        shown = source.preview(FILE, 5)
        assert shown.notes[0].startswith("its first row is read as data")
        assert len(shown.rows) == 3

    def test_is_told_where_it_is_doubted(self, folder: Folder) -> None:
        source = folder.book(S=[["item", 2024, 2023], ["a", 1.5, 2.5]])
        assert list(read(source)[0]) == ["item", "2024", "2023"]
        assert source.preview(FILE, 5).notes[0].startswith("its first row is read as the names of the columns")

    def test_is_what_somebody_says(self, folder: Folder) -> None:
        rows = [[1, "a"], [2, "b"]]
        folder.book(S=rows)
        assert read(folder.source(hasHeader=True))[1] == [{"1": 2, "a": "b"}]
        folder.book(S=[["id", "name"], *rows])
        assert len(read(folder.source(hasHeader=False))[1]) == 3


class TestACellFarBelow:
    def test_is_a_row_and_the_empty_ones_above_it_are_none(self, folder: Folder) -> None:
        workbook = openpyxl.Workbook()
        for row in (["id", "v"], [1, "a"], [2, "b"]):
            workbook.active.append(row)
        workbook.active["B300000"] = "stray"
        workbook.save(folder.root / "book.xlsx")
        source = folder.source()
        assert [list(each.values()) for each in read(source)[1]] == [[1, "a"], [2, "b"], [None, "stray"]]
        assert [each["id"] for each in source.preview(FILE, 2).rows] == [1, 2]


class TestWhatIsNoWorkbook:
    @pytest.mark.parametrize("content", [b"hello", b"", b"PK\x03\x04 cut short", bytes(range(256)) * 50])
    def test_other_bytes_are_named_so(self, folder: Folder, content: bytes):
        (folder.root / "book.xlsx").write_bytes(content)
        with pytest.raises(SourceError) as refused:
            folder.source().test()
        assert str(refused.value) == "book.xlsx: it is not an Excel workbook"

    def test_a_zip_of_other_things_is_none(self, folder: Folder):
        with pytest.raises(SourceError, match="not an Excel workbook"):
            folder.container({"readme.txt": b"hello"}).test()

    def test_a_zip_of_other_things_is_told_what_it_holds(self, folder: Folder):
        told = "book.xlsx: it is not an Excel workbook but a ZIP archive that holds rows.csv: unpack it and give a file"
        with pytest.raises(SourceError, match=re.escape(told)):
            folder.container({"data/": b"", "data/rows.csv": b"a,b\n1,2\n"}).test()

    def test_a_workbook_without_its_sheets_is_none(self, folder: Folder):
        with pytest.raises(SourceError, match="not an Excel workbook"):
            folder.container({"xl/workbook.xml": b"<workbook/>"}).test()

    def test_an_empty_sheet_has_nothing_to_read(self, folder: Folder):
        with pytest.raises(SourceError, match="empty"):
            read(folder.book(S=[]))

    def test_one_that_unfolds_to_hundreds_of_megabytes_is_not_unfolded(self, folder: Folder):
        with pytest.raises(SourceError, match="unfolds to"):
            folder.container({"xl/workbook.xml": b"", "xl/sharedStrings.xml": bytes(310 * 2**20)}).test()

    def test_one_with_a_suspicious_ratio_is_not_unfolded(self, folder: Folder):
        with pytest.raises(SourceError, match="unfolds to"):
            folder.container({"xl/workbook.xml": b"", "xl/sharedStrings.xml": bytes(20 * 2**20)}).test()

    def test_one_with_too_many_parts_is_refused(self, folder: Folder):
        with pytest.raises(SourceError, match="parts"):
            folder.container({"xl/workbook.xml": b""} | {f"xl/{n}": b"" for n in range(5_001)}).test()

    def test_a_tiny_workbook_that_spans_all_cells_does_not_take_the_memory(self, folder: Folder):
        folder.book(S=[["a"], [1]])
        parts = {}
        with zipfile.ZipFile(folder.root / "book.xlsx") as made:
            for name in made.namelist():
                parts[name] = made.read(name)
        sheet = (
            parts["xl/worksheets/sheet1.xml"].replace(b'r="2"', b'r="1048576"').replace(b'r="A2"', b'r="XFD1048576"')
        )
        assert b"XFD1048576" in sheet
        with pytest.raises(SourceError, match="memory"):
            folder.container(parts | {"xl/worksheets/sheet1.xml": sheet}).test()

    def test_a_missing_file_is_named_as_it_was_given(self, folder: Folder):
        with pytest.raises(SourceError, match=r"no such file: nope\.xlsx"):
            folder.source("nope.xlsx").test()

    def test_the_reader_gets_no_secret_of_the_environment(self, folder: Folder, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
        monkeypatch.setenv("DATAOPS_ADMIN_TOKEN", "secret")
        seen = io.StringIO()
        with folder.book(S=[["n"], *([n] for n in range(5_000))]).read(FILE) as reading:
            for each in Path("/proc").glob("[0-9]*"):
                try:
                    if b"excel.worker" in (each / "cmdline").read_bytes():
                        seen.write((each / "environ").read_text())
                except OSError:
                    continue
            next(reading.batches)
        assert "LC_ALL" in seen.getvalue()
        assert "secret" not in seen.getvalue()
