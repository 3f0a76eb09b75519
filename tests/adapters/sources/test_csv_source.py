import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.csv.types import Kind, Proven, prove, typed
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Invalid, SourceError

FILE = Extraction(ExtractionType.FILE)


class Folder:
    """Files, and each of them as a source."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self, name: str, **settings: Any) -> CsvSource:
        made = Source("1", "s", "s", SourceType.CSV, "app", {"path": name, **settings})
        return CsvSource(made, [self.root])

    def file(self, content: str | bytes, name: str = "f.csv", **settings: Any) -> CsvSource:
        (self.root / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return self.source(name, **settings)

    def read(self, content: str | bytes, **settings: Any) -> tuple[pa.Table, list[RejectedRow]]:
        with self.file(content, **settings).read(FILE) as reading:
            return pa.Table.from_batches(reading.batches, reading.schema), reading.rejected


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def types(table: pa.Table) -> dict[str, str]:
    return {field.name: str(field.type) for field in table.schema}


class TestProvingTypes:
    def test_each_kind_of_column_is_what_all_its_values_are(self, folder: Folder):
        table, rejected = folder.read(
            "id,price,ratio,ok,day,at,moment,code,note\n"
            "1,1.50,1e-3,true,2020-02-29,2020-01-01 10:00,2020-01-01T10:00:00Z,007,x\n"
            "-2,22.125,2.5E3,FALSE,2020-12-31,2020-01-01T10:00:00.5,2020-01-01T10:00:00+02:00,42,1\n"
            ",,,,,,,,\n"
        )
        assert types(table) == {
            "id": "int64",
            "price": "decimal128(18, 3)",
            "ratio": "double",
            "ok": "bool",
            "day": "date32[day]",
            "at": "timestamp[us]",
            "moment": "timestamp[us, tz=UTC]",
            "code": "string",
            "note": "string",
        }
        assert table.to_pylist()[1] == {
            "id": -2,
            "price": Decimal("22.125"),
            "ratio": 2500.0,
            "ok": False,
            "day": date(2020, 12, 31),
            "at": datetime(2020, 1, 1, 10, 0, 0, 500000),
            "moment": datetime(2020, 1, 1, 8, tzinfo=UTC),
            "code": "42",
            "note": "1",
        }
        assert set(table.to_pylist()[2].values()) == {None}
        assert rejected == []

    @pytest.mark.parametrize(
        "values",
        [
            ["007", "42"],
            ["-01"],
            ["00.5"],
            ["+49", "5"],
            ["1,5"],
            ["0x1F"],
            ["1_000"],
            [" 1", "2"],
            ["nan", "1.5"],
            ["inf"],
            ["-"],
            ["."],
            ["1-2"],
            ["t", "f"],
            ["1", "yes"],
            ["31/12/2020"],
            ["2020-02-30"],
            ["2020-1-1"],
            ["0000-01-01"],
            ["2020-01-01 10"],
            ["2020-01-01 10:00:00.1234567"],
            ["2020-01-01T10:00:00Z", "2020-01-01T10:00:00"],
            ["12:30"],
            ["9" * 39],
            ["0." + "1" * 40],
            ["1E5", "10E4"],
            ["1e-3", "12345678901234567.89"],
            ["1", ""],
        ],
        ids=str,
    )
    def test_what_is_not_plainly_something_else_stays_text(self, values: list[str]):
        assert prove(pa.array(values)).kind is Kind.TEXT

    @pytest.mark.parametrize(
        ("values", "wanted"),
        [
            (["1", "9223372036854775807"], pa.int64()),
            (["1", "9223372036854775808"], pa.decimal128(38, 0)),
            (["0", "-0", "10"], pa.int64()),
            (["1", "2.50"], pa.decimal128(18, 2)),
            ([".5", "5.", "-0.25"], pa.decimal128(18, 2)),
            (["1234567890123456.789"], pa.decimal128(38, 3)),
            (["1", "1e+05"], pa.float64()),
            (["1.5E3", "2.25"], pa.float64()),
            (["2020-01-01", "2020-01-01 10:00"], pa.timestamp("us")),
            (["0001-01-01", "9999-12-31"], pa.date32()),
            ([None, None], pa.string()),
            ([None, "5"], pa.int64()),
        ],
        ids=str,
    )
    def test_numbers_and_times_get_the_narrowest_exact_type(self, values: list[str | None], wanted: pa.DataType):
        assert prove(pa.array(values, pa.string())).arrow == wanted

    def test_a_float_never_takes_in_a_number_whose_digits_it_would_lose(self):
        small, precise = prove(pa.array(["1e-3"])), prove(pa.array(["12345678901234567.89"]))
        assert small.joined(precise).kind is Kind.TEXT
        assert precise.joined(small).kind is Kind.TEXT
        assert small.joined(prove(pa.array(["12.5"]))).kind is Kind.FLOAT

    def test_a_type_is_proven_over_the_whole_file_not_a_sample(self, folder: Folder):
        rows = [f"{n},{n}.5" for n in range(300_000)]
        table, _ = folder.read("\n".join(["a,b", *rows, "x,1.2345", ""]))
        assert types(table) == {"a": "string", "b": "decimal128(18, 4)"}
        assert table["b"][0].as_py() == Decimal("0.5000")
        assert table["a"].to_pylist()[-2:] == ["299999", "x"]

    @given(st.lists(st.one_of(st.none(), st.decimals(allow_nan=False, allow_infinity=False, places=3)), min_size=1))
    def test_decimals_keep_every_digit(self, values: list[Decimal | None]):
        texts = pa.array([None if value is None else format(value, "f") for value in values], pa.string())
        proven = prove(texts)
        if proven.kind is Kind.DECIMAL:
            assert typed(texts, proven.arrow).to_pylist() == values

    @given(st.lists(st.text(alphabet="0123456789-+.eE:T Zxtrufals", max_size=28)), st.data())
    def test_a_column_is_the_same_in_one_piece_and_in_many(self, values: list[str], data: st.DataObject):
        cut = data.draw(st.integers(0, len(values)))
        pieces = [pa.array(part, pa.string()) for part in (values[:cut], values[cut:])]
        joined = prove(pieces[0]).joined(prove(pieces[1])) if values else Proven()
        whole = prove(pa.array(values, pa.string())) if values else Proven()
        # Pieces may miss that a plain number and an exponent far apart are one float; they never claim more.
        assert joined.arrow == whole.arrow or Kind.FLOAT in (joined.kind, whole.kind)
        for piece in pieces:
            assert len(typed(piece, joined.arrow)) == len(piece)


class TestReadingRows:
    def test_empty_is_null_and_quoted_empty_is_text(self, folder: Folder):
        table, _ = folder.read('a,b\n1,\n2,""\n3,x\n')
        assert table["b"].to_pylist() == [None, "", "x"]

    def test_quotes_hide_delimiters_newlines_and_quotes(self, folder: Folder):
        table, _ = folder.read('a,b\n1,"x, ""y""\nz"\n')
        assert table["b"].to_pylist() == ['x, "y"\nz']

    def test_ragged_rows_are_set_aside_with_number_and_reason(self, folder: Folder):
        table, rejected = folder.read("a,b\n1,2\n3\n\n4,5,6\n7,8\n")
        assert table["a"].to_pylist() == [1, 7]
        assert rejected == [
            RejectedRow(2, "expected 2 fields, found 1", raw={"line": "3"}),
            RejectedRow(3, "expected 2 fields, found 3", raw={"line": "4,5,6"}),
        ]

    def test_a_row_with_bytes_that_are_not_utf8_is_set_aside_alone(self, folder: Folder):
        table, rejected = folder.read(
            "a,b\n1,é\n2\n3,".encode() + b"\xff\xfe" + "\n4,ü\n5,ö\n".encode(), encoding="utf-8"
        )
        assert table["b"].to_pylist() == ["é", "ü", "ö"]
        assert [(each.number, each.reason) for each in rejected] == [
            (2, "expected 2 fields, found 1"),
            (3, "holds bytes that are not utf-8"),
        ]

    def test_rows_are_numbered_over_the_whole_file(self, folder: Folder):
        rows = [f"{n},x" for n in range(1, 200_001)]
        rows[149_999] = "bad"
        _, rejected = folder.read("\n".join(["a,b", *rows]))
        assert [each.number for each in rejected] == [150_000]

    def test_the_replacement_character_itself_is_text_like_any_other(self, folder: Folder):
        table, rejected = folder.read("a,b\n1,\ufffd\n")
        assert (table["b"].to_pylist(), rejected) == (["\ufffd"], [])

    def test_the_number_of_rows_is_known_before_the_first(self, folder: Folder):
        with folder.file("a,b\n1,2\n3\n4,5\n").read(FILE) as reading:
            assert reading.expected_rows == 3

    def test_repeated_and_empty_names_are_made_unique(self, folder: Folder):
        table, _ = folder.read("a,a,,a_2, a \n1,2,3,4,5\n")
        assert table.schema.names == ["a", "a_3", "column_3", "a_2", "a_4"]

    def test_a_file_with_names_only_has_no_rows(self, folder: Folder):
        table, _ = folder.read("a,b\n")
        assert (table.num_rows, types(table)) == (0, {"a": "string", "b": "string"})

    def test_a_long_row_passes_in_larger_blocks(self, folder: Folder):
        table, _ = folder.read("a,b\n1," + "x" * 3_000_000 + "\n2,y\n")
        assert [len(text) for text in table["b"].to_pylist()] == [3_000_000, 1]

    def test_a_file_that_changes_meanwhile_is_no_result(self, folder: Folder):
        with folder.file("a,b\n1,2\n3,4\n").read(FILE) as reading:
            (folder.root / "f.csv").write_text("a,b\nx,2\n3,4\n5,6\n")
            with pytest.raises(SourceError, match="changed while"):
                list(reading.batches)

    @pytest.mark.parametrize("end", ["", "\n", "y,z\n" * 10])
    def test_a_quote_left_open_is_an_error_not_a_value(self, folder: Folder, end: str):
        with pytest.raises(SourceError, match="quote is left open"):
            folder.read('a,b\n1,"x\n' + end)

    def test_a_quote_closed_at_the_very_end_is_fine(self, folder: Folder):
        table, _ = folder.read('a,b\n1,"x\ny"')
        assert table["b"].to_pylist() == ["x\ny"]


class TestTellingTheDialect:
    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    def test_the_delimiter_is_told_from_the_rows(self, folder: Folder, mark: str):
        table, _ = folder.read(mark.join(["a", "b", "c"]) + "\n" + mark.join(["1", "x, y; z", "3"]) + "\n")
        assert table.schema.names == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("content", "width"),
        [
            ("Ann;1,50\nBob;2,75\nCid;3,10\n", 2),
            ("1;1,50;2,50\n2;2,50;3,50\n", 3),
            ("1,5;2,5;3,5\n4,5;5,5;6,5\n", 3),
            ("01.01.2024;1.234,50\n02.01.2024;99,00\n", 2),
            ("preis, eur;menge\n1,50;2\n2,50;3\n", 2),
            ("a, b\tc, d\n1, 2\t3, 4\n", 2),
            ("1,2\n3,4\n", 2),
            ("Preis\n1,50\n2,50\n", 1),
            ("Name, Vorname;Alter\nMüller, Hans;15\nMeier, Eva;16\n", 2),
            ("a, b, c\n1, 2, 3\n", 3),
            ("a,b;c,d\n1,2;3,4\nx,y;z,1\n", 3),
        ],
    )
    def test_a_comma_between_digits_is_one_of_a_number_where_another_mark_fits(
        self, folder: Folder, content: str, width: int
    ) -> None:
        table, rejected = folder.read(content)
        assert (table.num_columns, rejected) == (width, [])

    @pytest.mark.parametrize("before", ["sep=;\n", '"sep=;"\n', "SEP=;\r\n", "\ufeffsep=;\n", "\nsep=;\n"])
    def test_the_line_by_which_excel_names_the_delimiter_is_no_row(self, folder: Folder, before: str) -> None:
        table, rejected = folder.read(before + "name;note\nAnn;a,b\nBob;\n")
        assert table.to_pylist() == [{"name": "Ann", "note": "a,b"}, {"name": "Bob", "note": None}]
        assert rejected == []

    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1251", "shift_jis"]
    )
    def test_the_encoding_is_told_from_the_bytes(self, folder: Folder, encoding: str):
        text = {"cp1251": "Пётр Ильич Чайковский", "shift_jis": "東京都千代田区の名前"}.get(
            encoding, "Jürgen Müller aus Köln"
        )
        rows = "".join(f"{n},{text} {n}\n" for n in range(30))
        table, rejected = folder.read(f"id,name\n{rows}".encode(encoding))
        assert table["name"][0].as_py() == f"{text} 0"
        assert (table.num_rows, rejected) == (30, [])

    def test_a_given_encoding_is_taken_as_given(self, folder: Folder):
        table, _ = folder.read("a,b\n1,é\n".encode("cp850"), encoding="cp850")
        assert table["b"].to_pylist() == ["é"]

    def test_a_few_bad_bytes_do_not_turn_utf8_into_something_else(self, folder: Folder):
        rows = "".join(f"{n},Müller {n}\n" for n in range(50)).encode()
        table, rejected = folder.read(b"id,name\n" + rows + b"50,\xff\n")
        assert table["name"][0].as_py() == "Müller 0"
        assert [each.number for each in rejected] == [51]

    def test_a_wholly_wrong_encoding_is_one_sentence(self, folder: Folder):
        rows = "".join(f"{n},Müller\n" for n in range(100)).encode("cp1252")
        with pytest.raises(SourceError, match="the file is not utf-8"):
            folder.read(b"id,name\n" + rows, encoding="utf-8")

    @pytest.mark.parametrize("encoding", ["utf-7", "rot13", "unicode_escape", "base64", "no such", "idna"])
    def test_an_encoding_off_the_list_is_refused(self, folder: Folder, encoding: str):
        with pytest.raises(Invalid) as refused:
            folder.read("a,b\n1,2\n", encoding=encoding)
        assert refused.value.fields[0].field == "connection.encoding"

    @pytest.mark.parametrize("delimiter", ["ab", "\n", '"', "a", "1", ".", "-", "é"])
    def test_a_delimiter_that_could_be_part_of_a_value_is_refused(self, folder: Folder, delimiter: str):
        with pytest.raises(Invalid) as refused:
            folder.read("a,b\n1,2\n", delimiter=delimiter)
        assert refused.value.fields[0].field == "connection.delimiter"

    @pytest.mark.parametrize(
        ("content", "said"),
        [(b"", "empty"), (b"\n\n", "no rows"), (os.urandom(64).join([b"\x00" * 64] * 40), "no text")],
    )
    def test_what_is_no_csv_is_one_sentence(self, folder: Folder, content: bytes, said: str):
        with pytest.raises(SourceError, match=said):
            folder.read(content)

    def test_a_million_columns_are_refused(self, folder: Folder):
        with pytest.raises(SourceError, match=r"columns|longer than"):
            folder.read(",".join(f"c{n}" for n in range(1_000_000)) + "\n1\n")


class TestAFolderAsSource:
    def test_the_extraction_names_the_file_in_it(self, folder: Folder):
        folder.file("a,b\n1,2\n", name="one.csv")
        source = folder.source(str(folder.root))
        assert source.test() == f"folder {folder.root} holds 1 file"
        with source.read(Extraction(ExtractionType.FILE, path="one.csv")) as reading:
            assert sum(batch.num_rows for batch in reading.batches) == 1

    @pytest.mark.parametrize("path", [None, "/etc/passwd", "../x.csv", "a/../../x.csv"])
    def test_a_path_that_leads_outside_names_the_field(self, folder: Folder, path: str | None):
        with (
            pytest.raises(Invalid) as refused,
            folder.source(str(folder.root)).read(Extraction(ExtractionType.FILE, path=path)),
        ):
            pass
        assert refused.value.fields[0].field == "extraction.path"

    def test_a_source_that_is_a_file_takes_no_path(self, folder: Folder):
        source = folder.file("a,b\n1,2\n")
        with pytest.raises(Invalid), source.read(Extraction(ExtractionType.FILE, path="f.csv")):
            pass

    def test_a_missing_file_is_named_as_it_was_given(self, folder: Folder):
        with pytest.raises(SourceError) as refused:
            folder.source("nope.csv").test()
        assert str(refused.value) == "no such file: nope.csv"


class TestPreviewing:
    def test_rows_types_and_whether_there_is_more(self, folder: Folder):
        shown = folder.file("id,price,code\n1,2.50,007\n2,3,08\n3,4,9\n").preview(FILE, 2)
        assert shown.rows == [{"id": 1, "price": "2.50", "code": "007"}, {"id": 2, "price": "3.00", "code": "08"}]
        assert [(each.name, each.type) for each in shown.columns] == [
            ("id", "int64"),
            ("price", "decimal128(18, 2)"),
            ("code", "string"),
        ]
        assert shown.truncated

    def test_only_the_beginning_of_a_large_file_is_read(self, folder: Folder):
        source = folder.file("a,b\n" + "1,x\n" * 100_000)
        with (folder.root / "f.csv").open("ab") as file:
            file.truncate(3 * 2**30)  # a hole: reading it all would take seconds and fail
        shown = source.preview(FILE, 100)
        assert (len(shown.rows), shown.truncated) == (100, True)

    def test_the_number_of_rows_is_estimated(self, folder: Folder):
        source = folder.file("id,name\n" + "".join(f"{n},name {n}\n" for n in range(200_000)))
        assert 180_000 < source.estimated_rows(FILE) < 230_000

    def test_the_number_of_rows_of_a_small_file_is_exact(self, folder: Folder):
        assert folder.file("a,b\n1,2\n3,4\n").estimated_rows(FILE) == 2

    def test_the_test_says_what_was_found(self, folder: Folder):
        assert folder.file("a,b\n1,2\n").test() == "file f.csv has 2 columns, in utf-8"


class TestOddFiles:
    def test_a_header_without_an_end_has_no_rows(self, folder: Folder):
        table, rejected = folder.read("a,b")
        assert (table.num_rows, table.schema.names, rejected) == (0, ["a", "b"], [])

    def test_a_ragged_row_of_undecodable_bytes_is_one_rejected_row(self, folder: Folder):
        table, rejected = folder.read(b"a,b\n1,x\n\xff\xfe\xff,2,3\n4,y\n")
        assert table.to_pydict() == {"a": [1, 4], "b": ["x", "y"]}
        assert [row.number for row in rejected] == [2]
        assert folder.source("f.csv").preview(FILE, 5).rows == [{"a": 1, "b": "x"}, {"a": 4, "b": "y"}]

    def test_a_preview_of_a_header_without_an_end_is_empty(self, folder: Folder):
        shown = folder.file("a,b").preview(FILE, 5)
        assert ([column.name for column in shown.columns], list(shown.rows)) == (["a", "b"], [])
