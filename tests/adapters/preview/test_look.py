"""Looks into files of every form: what they are, their types, their first rows, and how many rows they have."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from dataops_defs.adapters.preview import tables
from dataops_defs.adapters.preview.look import HEAD_BYTES, Content, look_into
from dataops_defs.adapters.preview.shown import Asked, RowCount, Shown
from dataops_defs.errors import Invalid, SourceUnavailable

ORDERS = "id,code,amount,born,at,ok\n" + "".join(
    f"{i},00{i},{i}.50,2024-01-{1 + i % 28:02},2024-01-15T10:00:{i % 60:02}Z,true\n" for i in range(1, 201)
)
RUSSIAN = "имя;город\nЗоя;Москва\nАнна;Тверь\n"  # noqa: RUF001
TYPES = {"id": "integer", "code": "string", "amount": "number", "born": "date", "at": "datetime", "ok": "boolean"}


@pytest.fixture
def look(tmp_path: Path) -> Any:
    """Looks into bytes; ``there`` are so many of them at hand, as of a remote file's copied beginning."""

    def at(name: str, content: bytes | str, limit: int = 100, *, there: int | None = None, **known: Any) -> Shown:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / "content"

        @contextmanager
        def opened(head: int | None) -> Any:
            path.write_bytes(data if head is None or there is None else data[:there])
            with path.open("rb") as file:
                yield file

        lines = known.pop("lines", None)
        return look_into(Content(name, len(data), opened, lines), Asked(limit, **known), "file")

    return at


def refusal(look: Any, *given: Any, **known: Any) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        look(*given, **known)
    [problem] = refused.value.fields
    return problem.field, problem.message


class TestText:
    def test_types_and_values(self, look):
        shown = look("orders.csv", ORDERS, 1)
        assert (shown.format, shown.encoding, shown.delimiter) == ("csv", "utf-8", ",")
        assert shown.types == TYPES
        assert shown.rows == [
            {"id": 1, "code": "001", "amount": 1.5, "born": "2024-01-02", "at": "2024-01-15T10:00:01Z", "ok": True}
        ]
        assert shown.count == RowCount(200, exact=True)

    def test_tabs_make_another_format(self, look):
        assert look("x.txt", "a\tb\n1\t2\n").format == "tsv"

    @pytest.mark.parametrize(
        ("encoding", "told"),
        [("utf-16", "utf-16-le"), ("cp1251", "cp1251"), ("cp1252", "cp1252"), ("utf-8-sig", "utf-8")],
    )
    def test_encodings_are_told(self, look, encoding, told):
        words = RUSSIAN if encoding == "cp1251" else "name;ort\nMüller;Zürich\nGröße;Köln\n"
        shown = look("x.csv", words.encode(encoding))
        assert (shown.encoding, shown.delimiter) == (told, ";")
        assert list(shown.rows[0].values()) == words.splitlines()[1].split(";")

    def test_what_is_known_counts(self, look):
        shown = look("x.csv", "a|b,c\n1|é,2\n".encode("cp1252"), delimiter="|", encoding="cp1252")
        assert shown.rows == [{"a": 1, "b,c": "é,2"}]
        assert refusal(look, "x.csv", "a\n1\n", encoding="utf-7")[0] == "encoding"
        assert refusal(look, "x.csv", "a\n1\n", delimiter="ab")[0] == "delimiter"

    def test_no_more_rows_than_asked_for(self, look):
        assert len(look("x.csv", ORDERS, 7).rows) == 7

    def test_fewer_rows_of_a_wide_file(self, look):
        wide = ",".join(f"c{i}" for i in range(5000)) + "\n" + (",".join("1" * 5000) + "\n") * 100
        assert len(look("wide.csv", wide, 1000).rows) == 20

    def test_numbers_lose_no_digits(self, look):
        shown = look("x.csv", "a,b\n9007199254740993,0.1234567890123456789\n")
        assert shown.rows == [{"a": "9007199254740993", "b": "0.1234567890123456789"}]

    @pytest.mark.parametrize("there", [None, HEAD_BYTES])
    def test_rows_of_a_large_file_are_estimated(self, look, there):
        rows = ORDERS.partition("\n")[2] * 700
        shown = look("x.csv", ORDERS.partition("\n")[0] + "\n" + rows, there=there)
        assert not shown.count.exact
        assert abs(shown.count.rows - 140_000) < 3_000
        assert shown.types == TYPES

    def test_counted_lines_are_better_than_an_estimate(self, look):
        rows = "1,short\n" * 600_000 + f"2,{'long' * 20}\n" * 100_000
        text = "a,b\n" + rows
        assert look("x.csv", text, there=HEAD_BYTES, lines=text.count("\n")).count == RowCount(700_000, exact=False)

    def test_ends_of_lines_in_quotes_are_no_rows(self, look):
        text = "a,b\n" + '1,"one\ntwo\nthree"\n' * 400_000
        found = look("x.csv", text).count
        assert abs(found.rows - 400_000) < 4_000


class TestJson:
    def test_an_array(self, look):
        records = [{"a": i, "b": {"c": [1, 2]}, "d": 1.5, "e": [1], "f": None} for i in range(300)]
        shown = look("x.json", json.dumps(records), 1)
        assert shown.format == "json"
        assert shown.types["b"] == "object"
        assert shown.types["e"] == "array"
        assert shown.rows[0]["b"] == {"c": [1, 2]}
        assert shown.count == RowCount(300, exact=True)

    def test_lines(self, look):
        shown = look("x.jsonl", "\n".join(json.dumps({"a": i}) for i in range(300)), 2)
        assert (shown.format, shown.rows, shown.count) == ("jsonl", [{"a": 0}, {"a": 1}], RowCount(300, exact=True))

    @pytest.mark.parametrize("kind", ["json", "jsonl"])
    @pytest.mark.parametrize("there", [None, HEAD_BYTES])
    def test_a_large_one_is_read_to_its_first_records(self, look, kind, there):
        records = [json.dumps({"number": i, "text": "x" * 100}) for i in range(60_000)]
        text = "\n".join(records) if kind == "jsonl" else f"[{','.join(records)}]"
        shown = look(f"x.{kind}", text, 3, there=there)
        assert [each["number"] for each in shown.rows] == [0, 1, 2]
        assert not shown.count.exact
        assert abs(shown.count.rows - 60_000) < 1_500

    def test_without_a_name_its_content_tells(self, look):
        assert look("download", '[{"a": 1}]').format == "json"
        assert look("download", "a,b\n1,2\n").format == "csv"

    def test_one_that_is_too_deep_or_too_long(self, look):
        assert refusal(look, "x.json", "[" * 100_000) == ("file", "it is nested too deeply, after character 1")
        long = '[{"a": "' + "x" * (5 * 1024 * 1024) + '"}]'
        assert refusal(look, "x.json", long) == ("file", "its first record is longer than 4 MB")


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "name", "day"])
    for i in range(30):
        sheet.append([i, "x", date(2024, 1, 1)])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def _parquet() -> bytes:
    moments = [datetime(2024, 1, 1, tzinfo=UTC)] * 3
    data = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2, 3], "at": moments, "deep": [{"x": 1}] * 3}), data)
    return data.getvalue()


class TestTables:
    def test_a_workbook(self, look):
        shown = look("x.xlsx", _workbook(), 2)
        assert (shown.format, shown.encoding, shown.delimiter) == ("xlsx", None, None)
        assert shown.types == {"id": "integer", "name": "string", "day": "date"}
        assert shown.rows[1] == {"id": 1, "name": "x", "day": "2024-01-01"}
        assert shown.count == RowCount(30, exact=True)

    def test_a_parquet_file_under_any_name(self, look):
        shown = look("data.csv", _parquet(), 2)
        assert shown.format == "parquet"
        assert shown.types == {"a": "integer", "at": "datetime", "deep": "object"}
        assert shown.rows[1] == {"a": 2, "at": "2024-01-01T00:00:00Z", "deep": {"x": 1}}
        assert shown.count == RowCount(3, exact=True)

    def test_the_whole_is_fetched_where_the_beginning_is_not_enough(self, look):
        assert look("x.parquet", _parquet(), 1, there=50).count.rows == 3

    def test_one_that_unfolds_without_end(self, look, monkeypatch):
        """Four megabytes that stand for 20 GB: a row of the page's one text, a million times."""
        monkeypatch.setattr(tables, "MEMORY", 400 * 1024**2)
        texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * 20_000_000])
        data = io.BytesIO()
        pq.write_table(pa.table({"a": texts}), data, compression="zstd")
        field, message = refusal(look, "x.parquet", data.getvalue(), 1000)
        assert field == "file"
        assert "memory" in message or "cannot be read" in message or "damaged" in message

    def test_a_workbook_of_very_long_texts_is_refused_before_a_worker_is_begun(self, look, monkeypatch):
        monkeypatch.setattr(tables, "sheet_in", lambda *_: pytest.fail("a worker was begun"))
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as book:
            book.writestr("xl/workbook.xml", "<workbook/>")
            book.writestr("xl/sharedStrings.xml", b"a" * (40 * 1024**2))
        assert refusal(look, "x.xlsx", data.getvalue()) == ("file", "it unfolds to 40 MB, more than is read")


PACKINGS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress}


class TestPackedFiles:
    @pytest.mark.parametrize("kind", PACKINGS)
    def test_are_shown_as_what_they_hold(self, look, kind):
        shown = look(f"orders.csv.{kind}", PACKINGS[kind](ORDERS.encode()), 1)
        assert (shown.format, shown.packing, shown.types) == ("csv", kind, TYPES)
        assert shown.count == RowCount(200, exact=True)

    def test_rows_of_a_large_one_are_estimated(self, look):
        rows = "".join(f"{i},{i * 7919 % 104729},x{i * 31 % 9973}\n" for i in range(500_000))
        shown = look("x.csv.gz", gzip.compress(("a,b,c\n" + rows).encode(), 6), 1)
        assert not shown.count.exact
        assert 400_000 < shown.count.rows < 600_000

    def test_tables_too(self, look):
        assert look("x.parquet.gz", gzip.compress(_parquet())).count.rows == 3


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("x.csv", b"", "the file is empty"),
            ("x.xlsx", b"random" * 100, "its name says excel, but its content is none"),
            ("x.parquet", b"random" * 100, "its name says parquet, but its content is none"),
            (
                "x.csv",
                b"\x00\x01\x02" * 3000,
                "it is no text: it holds NUL or other control characters; if it is UTF-16, name the encoding",
            ),
            ("x.csv", b"PK\x03\x04" + b"x" * 100, "it is not an Excel workbook"),
            ("x.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9] + b"damaged!!", None),
        ],
    )
    def test_name_the_file(self, look, name, content, said):
        field, message = refusal(look, name, content)
        assert field == "file"
        assert said is None or message == said

    def test_a_place_that_breaks_off_is_no_fault_of_the_file(self):
        @contextmanager
        def opened(_head: int | None) -> Any:
            raise SourceUnavailable("broke off")
            yield

        with pytest.raises(SourceUnavailable):
            look_into(Content("x.csv", 5, opened), Asked(), "file")


class TestWhatIsWrongIsTold:
    def test_of_a_packed_file_that_breaks_off(self, look):
        packed = gzip.compress(("id,n\n" + "".join(f"{i},{i * 7919 % 10007}\n" for i in range(20_000))).encode())
        assert (look("x.csv.gz", packed).warning, look("x.csv.gz", packed).count.exact) == (None, True)

        shown = look("x.csv.gz", packed[: len(packed) // 2])
        assert (shown.count.exact, shown.warning) == (
            False,
            "x.csv.gz breaks off: it is not the whole of a gzip file",
        )
        assert len(shown.rows) == 100

    def test_of_rows_that_are_set_aside(self, look):
        assert look("x.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n").set_aside == 2
        assert look("x.csv", "a,b\n1,2\n").set_aside == 0
        alone = look("x.csv", "a,b\n1\n2\n")
        assert (alone.rows, alone.count) == ([], RowCount(2, exact=True))
        assert "none that was looked at can be read" in alone.warning

    def test_of_a_first_row_that_may_be_data(self, look):
        assert "is read as data" in look("x.csv", "1,a\n2,b\n").warning
        assert "is read as the names" in look("x.csv", "item,2024,2025\na,1,2\n").warning
        assert look("x.csv", "1,a\n2,b\n", has_header=True).warning is None

    @pytest.mark.parametrize(("name", "packed"), [("x.csv", bytes), ("x.csv.gz", gzip.compress)])
    def test_of_a_first_row_that_is_longer_than_what_is_read(self, look, name, packed):
        shown = look(name, packed(b"a,b\n" + b"t" * (5 * 1024**2) + b",1\n"))
        assert (list(shown.types), shown.rows, shown.count) == (["a", "b"], [], RowCount(1, exact=False))
        assert shown.warning == (
            "its first row of values is longer than the 4 MB that a preview reads, so no row is shown; "
            "an import takes rows of up to 16 MB"
        )
        assert look(name, packed(b"a,b\n")).warning is None

    def test_of_rows_of_other_bytes_than_their_encoding_has(self, look):
        content = "a,b\n1,é\n2,x\n3,ü\n".encode("cp1252")
        shown = look("x.csv", content, encoding="ascii")
        assert (shown.count.rows, shown.set_aside) == (3, 2)
        assert shown.warning == (
            "2 rows hold bytes that are not utf-8, and cannot be read: "
            "leave the encoding out to have it told by the file"
        )
        assert (look("x.csv", content).count.rows, look("x.csv", content).warning) == (3, None)
        damaged = look("x.csv", "a,b\n1,éüöäßñ\n".encode() + b"2,\xff\n")
        assert damaged.warning == (
            "1 row holds bytes that are not utf-8, and cannot be read: name its encoding, or mend them"
        )

    def test_of_records_that_are_no_objects(self, look):
        shown = look("x.json", '[1, {"a": 1}]')
        assert (shown.rows, shown.set_aside) == ([{"a": 1}], 1)
        later = look("x.json", '[1, 2, {"a": 1}]', 2)
        assert (later.rows, later.warning) == (
            [],
            "none of its first 2 records is an object, so no row is shown",
        )

    @pytest.mark.parametrize(
        "content",
        [
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x00\x00\x00\x01\x00\x08\x06",
            bytes(range(256)) * 1000,
            b"\x00" * 100_000,
            b"a,b\n" + b"\x00\x01\x02" * 50,
        ],
    )
    @pytest.mark.parametrize("name", ["x.csv", "x.png"])
    def test_of_what_is_no_text(self, look, name, content):
        field, message = refusal(look, name, content)
        assert (field, message.partition(":")[0]) == ("file", "it is no text")

    def test_a_stray_control_character_is_text(self, look):
        assert look("x.csv", "a,b\n" + "1,2\n" * 100 + "3,x\x01\n").count.rows == 101

    @pytest.mark.parametrize("encoding", ["utf-16", "UTF_16_LE"])
    def test_of_an_encoding_that_it_is_not_of(self, look, encoding):
        field, message = refusal(look, "x.csv", "a,b\n1,2\n", encoding=encoding)
        assert (field, message.partition(";")[0]) == ("encoding", "the file is not in UTF-16")
        assert look("x.csv", "Я,Ж\n1,2\n".encode("utf-16-le"), encoding=encoding).count.rows == 1

    @pytest.mark.parametrize("form", ['[{{"a":{}}}]', '{{"a":{}}}\n{{"a":1}}\n'])
    def test_of_a_number_without_end_in_our_words(self, look, form):
        with pytest.raises(Invalid) as refused:
            look("n.json", form.format("9" * 200_000))
        assert "sys." not in str(refused.value)
