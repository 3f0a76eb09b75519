"""Files whose first row names no columns: it is a row like the others."""

from pathlib import Path

import pytest

from dataops_defs.adapters.sources.csv.header import names_columns
from dataops_defs.domain.columns import RejectedRow
from tests.adapters.sources.test_csv_source import FILE, Folder

NAMES = [
    ("id,day,name", ["1,2024-01-01,Ann"]),
    ("name,city", ["Ann,Rome"]),
    ("a,b", []),
    ("code,01", ["A,5"]),
    (",2024", ["Ann,5"]),
    ("country,2023,2024", ["FR,1,2", "DE,3,4"]),
    ("country,2023,2024", []),
    ("2024-01-01,2024-02-01", ["1,2"]),
    ("0,1,2", ["5,6,7"]),
    ("id,1,2", ["7,5,6"]),
]
VALUES = [
    ("1,2024-01-01,Ann", ["2,2024-01-02,Bob"]),
    ("1,2024-01-01", []),
    ("N1,1.5", ["N2,2.5"]),
    ("N1,.5", ["N2,2.5"]),
    ("true,x", ["false,y"]),
    ("FR,2023", ["DE,2024", "IT,2022"]),
    ("0,1", ["0,2", "1,5"]),
    ("2023", ["2024"]),
    ("1,,x", ["2,,y"]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(("first", "below"), NAMES)
def test_texts_above_values_are_names_and_so_are_years_and_places(first: str, below: list[str]) -> None:
    assert names_columns(first.split(","), [row.split(",") for row in below])


@pytest.mark.parametrize(("first", "below"), VALUES)
def test_values_above_values_of_their_kind_are_data(first: str, below: list[str]) -> None:
    assert not names_columns(first.split(","), [row.split(",") for row in below])


class TestAFileWithoutNames:
    def test_has_all_its_rows(self, folder: Folder) -> None:
        table, rejected = folder.read("1,2024-01-01,Ann\n2,2024-01-02,Bob\n")
        assert table.schema.names == ["column_1", "column_2", "column_3"]
        assert (table["column_1"].to_pylist(), rejected) == ([1, 2], [])

    @pytest.mark.parametrize("content", ["1,x", "\ufeff\n1,x\r\n", "\n\n1,x\n"])
    def test_may_have_one_only(self, folder: Folder, content: str) -> None:
        table, _ = folder.read(content)
        assert table.to_pylist() == [{"column_1": 1, "column_2": "x"}]

    def test_numbers_its_rejects_from_its_first_row(self, folder: Folder) -> None:
        _, rejected = folder.read("1,a\n2\n3,b\n")
        assert rejected == [RejectedRow(2, "expected 2 fields, found 1", raw={"line": "2"})]

    def test_says_so(self, folder: Folder) -> None:
        with folder.file("1,a\n2,b\n").read(FILE) as reading:
            [note] = reading.notes
        assert note.startswith("its first row is read as data")

    def test_is_estimated_with_its_first_row(self, folder: Folder) -> None:
        assert folder.file("1,a\n2,b\n3,c\n").estimated_rows(FILE) == 3


class TestWhoSaysIt:
    def test_is_believed(self, folder: Folder) -> None:
        named, _ = folder.read("1,a\n2,b\n", hasHeader=True)
        assert named.to_pylist() == [{"1": 2, "a": "b"}]
        unnamed, _ = folder.read("id,name\n2,b\n", hasHeader=False)
        assert unnamed.to_pylist() == [
            {"column_1": "id", "column_2": "name"},
            {"column_1": "2", "column_2": "b"},
        ]
        with folder.file("1,a\n", hasHeader=False).read(FILE) as reading:
            assert reading.notes == []
