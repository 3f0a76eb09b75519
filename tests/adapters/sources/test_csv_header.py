"""Files whose first row names no columns: it is a row like the others."""

from pathlib import Path

import pytest

from dataops_defs.adapters.sources import header
from dataops_defs.adapters.sources.header import Verdict, cell_of_text, verdict
from dataops_defs.domain.columns import RejectedRow
from tests.adapters.sources.test_csv_source import FILE, Folder

SURE = [
    ("id,day,name", ["1,2024-01-01,Ann"]),
    ("name,city", ["Ann,Rome"]),
    ("name,city", ["Ann,Rome", "Bob,Rome"]),
    ("a,b", []),
    ("name,score", ["Ann,n/a", "Bob,7"]),
    ("2024_q1,1st,€", ["1,2,3"]),
    ("Q1,Q2", ["a,b"]),
    ("region,FY19,FY20", ["N,5,6"]),
]
DOUBTED = [
    ("2024-01-01,2024-02-01", ["1,2"]),
    ("id,n/a", ["1,7"]),
    ("id,250.00,401.9,427.31", ["1,1,0,0", "2,0,1,1"]),
    ("date,101,205,150", ["2024-01-01,1.5,2.5,3", "2024-01-02,1,2,3"]),
    ("stat,mean,25%,50%,75%", ["x,1,2,3,4", "y,1,2,3,4"]),
    (",25%,50%", ["age,1,2"]),
    ("age,0-9,10-19", ["Bern,12,10", "Thun,3,10"]),
    ("name,value", ["name,5", "age,7", "name,8"]),
    ("ID,Q1", ["7,A1", "8,B2"]),
    ("Report,,", ["Ann,5,6", "Bob,7,8"]),
    (",2024", ["Ann,5"]),
    ("country,2023,2024", ["FR,1,2", "DE,3,4"]),
    ("country,2023,2024", []),
    ("country,2024,2023", ["FR,1,2"]),
    ("country,2010,2015,2020", ["FR,1,2,3"]),
    ("code,1,2,3,4", ["A,5,6,7,8"]),
    ("0,1,2", ["5,6,7"]),
    ("name,0,1,2", ["Ann,5,6,7"]),
    ("id,1,2", ["7,5,6"]),
    ("id,18,25,40", ["7,5,6,1"]),
    ("id,name,2024", ["7,Ann,6", "8,Bob,9"]),
    ("Ann,5", ["Bob,x", "Cid,y"]),
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
    ("1,2,3", ["4,5,6", "7,8,9"]),
    ("1,2,3", []),
    ("0001,Ann", ["0002,Bob"]),
    ("01234,Ann", ["98765,Bob"]),
    ("A-17,Ann", ["A-4,Bob", "A-250,Cid"]),
    ("ORD-1001,Ann", ["INV-1002,Bob", "ORD-1003,Cid"]),
    ("CH0012032048,Roche", ["US0378331005,Apple"]),
    ("1,Ann,12227-000", ["2,Bob,70174", "3,Cid,0171"]),
    ("red", ["blue", "red", "green", "red"]),
    ("red,small", ["blue,large", "red,large", "red,small"]),
    ("inf,Ann", ["2.5,Bob", "3.5,Cid"]),
    ("NULL,Ann", ["1,Bob", "2,Cid"]),
    ("NULL,NULL", ["1,2", "3,4"]),
    ("31.12.2024,Ann", ["30.11.2024,Bob"]),
    ("Ann,Rome", ["Bob,Paris", "Cid,Rome", "Dan,Rome"]),
    ("x,5,2024-01-01", ["1,6,2024-01-02", "2,7,2024-01-03"]),
    ("Ann,5", ["Bob,n/a", "Cid,7"]),
    ("Ann,5", ["Bob,6", "Cid,unknown", "Dan,7"]),
    *((f"2024-01-01,5,{nothing}", ["2024-01-02,6,1.5", "2024-01-03,7,2.5"]) for nothing in ("NaN", "N/A", "-", "\\N")),
    *((f"{nothing},5,2024-01-01", ["1,6,2024-01-02"]) for nothing in ("NULL", "#N/A", "")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def told(first: str, below: list[str]) -> Verdict:
    return verdict(first.split(","), [row.split(",") for row in below], cell_of_text)


@pytest.mark.parametrize(("first", "below"), SURE)
def test_texts_above_values_are_names(first: str, below: list[str]) -> None:
    assert told(first, below) == Verdict(True)


@pytest.mark.parametrize(("first", "below"), DOUBTED)
def test_years_and_places_are_names_and_that_is_said(first: str, below: list[str]) -> None:
    assert told(first, below) == Verdict(True, header.DOUBTED)


@pytest.mark.parametrize(("first", "below"), VALUES)
def test_values_above_values_of_their_kind_are_data(first: str, below: list[str]) -> None:
    assert told(first, below) == Verdict(False, header.HEADLESS)


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
