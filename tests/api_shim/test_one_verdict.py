"""What a preview says of a file is what its import does. Source: document 000, "Preview Path", "Auto-Import File"."""

from io import BytesIO
from random import Random
from typing import Any
from zipfile import ZipFile

import pyarrow as pa
import pytest
from openpyxl import Workbook
from pyarrow import parquet

from tests.api_shim.conftest import Api

MVP = "/api/v1/mvp"
NO_TEXT = "it is no text: "


class Told:
    """What a preview and an import say of the same file: a status and an answer each."""

    def __init__(self, api: Api, name: str, content: bytes, **options: Any) -> None:
        (api.files / name).write_bytes(content)
        body = {"file_path": name, **options}
        looked = api.client.post(f"{MVP}/preview/path", json=body)
        done = api.client.post(f"{MVP}/storage/import", json=body)
        self.status = (looked.status_code, done.status_code)
        self.preview: Any = looked.json()
        self.imported: Any = done.json()


def workbook(**cells: str) -> bytes:
    book, file = Workbook(), BytesIO()
    book.active.append(["id", "name"])
    book.active.append([1, "Ann"])
    for place, text in cells.items():
        book.active[place] = text
    book.save(file)
    return file.getvalue()


def columns() -> bytes:
    file = BytesIO()
    parquet.write_table(pa.table({"id": [1], "name": ["Ann"]}), file)
    return file.getvalue()


class TestWhatIsNoText:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("random.csv", Random(7).randbytes(20_000)),
            ("small.csv", Random(3).randbytes(60)),
            ("picture.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x08\x06"),
            ("header.csv", b"i\x00d,note\n" + b"1,a\n" * 5000),
            ("rows.csv", b"id,note\n" + b"1,\x00\x01\x02\n" * 50),
            ("wide.csv", b"\xff\xfe" + "id,\x01\n1,2\n".encode("utf-16-le")),
        ],
    )
    def test_is_refused_by_both_in_the_same_words(self, api: Api, name: str, content: bytes) -> None:
        told = Told(api, name, content)
        assert told.status == (422, 422)
        assert NO_TEXT in told.preview["detail"]
        assert NO_TEXT in told.imported["detail"]
        assert told.imported["detail"].partition(NO_TEXT)[2] == told.preview["detail"].partition(NO_TEXT)[2]

    def test_of_an_encoding_that_it_is_not_of_names_that(self, api: Api) -> None:
        told = Told(api, "plain.csv", b"id,note\n1,a\n", encoding="utf-16")
        assert told.status == (422, 422)
        assert [each["errors"][0]["field"] for each in (told.preview, told.imported)] == ["encoding", "encoding"]


class TestANulInARow:
    def test_is_a_warning_of_the_preview_and_a_reject_of_the_import(self, api: Api) -> None:
        told = Told(api, "nul.csv", b"id,note\n1,a\x00b\n2,c\n")
        assert told.status == (200, 200)
        assert (told.preview["rows_previewed"], told.imported["rows_imported"]) == (2, 1)
        assert told.imported["rows_rejected"] == 1
        assert told.preview["warning"] == (
            "1 row holds a NUL character, which PostgreSQL cannot keep: an import sets it aside"
        )

    def test_of_a_file_without_any_there_is_no_warning(self, api: Api) -> None:
        assert Told(api, "good.csv", b"id,note\n1,a\x01b\n").preview["warning"] is None

    def test_delimiters_that_are_control_characters_are_taken_by_name(self, api: Api) -> None:
        told = Told(api, "hive.csv", b"id\x01note\n" + b"1\x01a\n" * 50, delimiter="\x01")
        assert told.status == (200, 200)
        assert (told.preview["columns"], told.imported["rows_imported"]) == (["id", "note"], 50)


class TestAWorkbookOfTwoSheets:
    def test_is_read_by_the_sheet_that_is_named(self, api: Api) -> None:
        book, file = Workbook(), BytesIO()
        book.active.append(["cover"])
        data = book.create_sheet("Data")
        for row in (["id", "name"], [1, "Ann"]):
            data.append(row)
        book.save(file)

        first = Told(api, "two.xlsx", file.getvalue())
        assert "to read another, name it (Data)" in first.preview["warning"]
        assert "to read another, name it (Data)" in first.imported["note"]
        named = Told(api, "again.xlsx", file.getvalue(), sheet="Data")
        assert named.preview["columns"] == list(named.imported["inferred_schema"]) == ["id", "name"]


class TestAFirstRowOfValues:
    @pytest.mark.parametrize("content", [b"1,2024-01-01,Ann\n2,2024-01-02,Bob\n", b"1,2024-01-01,Ann\n2\n"])
    def test_is_a_row_like_the_others(self, api: Api, content: bytes) -> None:
        told = Told(api, "values.csv", content)
        assert told.status == (200, 200)
        assert (told.preview["has_header"], told.preview["columns"]) == (False, ["column_1", "column_2", "column_3"])
        assert told.preview["rows_previewed"] + told.preview["rows_set_aside"] == 2
        assert told.imported["rows_imported"] + told.imported["rows_rejected"] == 2
        assert told.imported["note"].startswith("its first row is read as data")

    def test_names_the_columns_where_somebody_says_so(self, api: Api) -> None:
        told = Told(api, "values.csv", b"1,Ann\n2,Bob\n", has_header=True)
        assert (told.preview["has_header"], told.preview["columns"]) == (True, ["1", "Ann"])
        assert (told.imported["rows_imported"], list(told.imported["inferred_schema"])) == (1, ["1", "Ann"])
        assert "note" not in told.imported

    def test_of_a_workbook_likewise(self, api: Api) -> None:
        told = Told(api, "wb.xlsx", workbook(), has_header=False)
        assert told.status == (200, 200)
        assert (told.preview["has_header"], told.preview["rows_previewed"]) == (False, 2)
        assert told.imported["rows_imported"] == 2
        assert Told(api, "named.xlsx", workbook()).preview["has_header"] is True

    def test_of_a_workbook_is_told_by_both(self, api: Api) -> None:
        book, file = Workbook(), BytesIO()
        for row in ([1, "Ann"], [2, "Bob"]):
            book.active.append(row)
        book.save(file)
        told = Told(api, "values.xlsx", file.getvalue())
        assert (told.preview["has_header"], told.imported["rows_imported"]) == (False, 2)
        assert told.imported["note"] == told.preview["warning"]

    def test_of_another_format_cannot_be_said(self, api: Api) -> None:
        told = Told(api, "rows.parquet", columns(), has_header=False)
        assert (told.status[1], told.imported["errors"][0]["field"]) == (422, "has_header")


class TestANameThatSaysAnotherFormat:
    @pytest.mark.parametrize(("content", "format"), [(workbook(), "xlsx"), (columns(), "parquet")])
    def test_is_overruled_by_the_content(self, api: Api, content: bytes, format: str) -> None:
        told = Told(api, "wb.csv", content)
        assert told.status == (200, 200)
        assert told.preview["detected_format"] == format
        assert told.preview["preview_data"] == [{"id": 1, "name": "Ann"}]
        assert (told.imported["rows_imported"], list(told.imported["inferred_schema"])) == (1, ["id", "name"])
        assert "whatever its name says" in told.imported["note"]

    def test_of_a_workbook_whose_content_is_none_is_refused_by_both(self, api: Api) -> None:
        assert Told(api, "text.xlsx", b"id,name\n1,Ann\n").status == (422, 422)

    def test_an_archive_is_no_workbook(self, api: Api) -> None:
        told = Told(api, "archive.csv", b"PK\x03\x04" + b"x" * 100)
        assert told.status == (422, 422)
        assert "it is not an Excel workbook" in told.preview["detail"]
        assert "it is not an Excel workbook" in told.imported["detail"]

    def test_one_that_holds_a_table_is_told_to_be_unpacked(self, api: Api) -> None:
        file = BytesIO()
        with ZipFile(file, "w") as archive:
            archive.writestr("rows.csv", "id\n1\n")
        for name in ("archive.csv", "archive.xlsx"):
            told = Told(api, name, file.getvalue())
            assert told.status == (422, 422)
            for each in (told.preview, told.imported):
                assert "a ZIP archive that holds rows.csv: unpack it and give a file of it" in each["detail"]


class TestJsonWithoutRecords:
    @pytest.mark.parametrize("content", [b"42", b'"text"', b"null", b"[]", b"[1, 2]"])
    def test_is_refused_by_both_with_what_it_has_to_hold(self, api: Api, content: bytes) -> None:
        told = Told(api, "number.json", content)
        assert told.status == (422, 422)
        wanted = "a JSON file has to hold a list of objects, one object, or one object on each line"
        problem = {"field": "file_path", "message": f"it holds no records: {wanted}"}
        assert [each["errors"] for each in (told.preview, told.imported)] == [[problem], [problem]]

    def test_but_for_some_is_taken_by_both(self, api: Api) -> None:
        told = Told(api, "some.json", b'[1, {"id": 1}]')
        assert (told.status, told.preview["rows_set_aside"], told.imported["rows_rejected"]) == ((200, 200), 1, 1)


class TestAStrayCell:
    def test_far_below_in_a_workbook_is_a_row_of_both(self, api: Api) -> None:
        told = Told(api, "stray.xlsx", workbook(C300000="stray"))
        assert told.status == (200, 200)
        assert (told.preview["estimated_total_rows"], told.imported["rows_imported"]) == (2, 2)
        assert told.preview["preview_data"][1] == {"id": None, "name": None, "column_3": "stray"}
