import csv
import io
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dataops_defs.adapters.sinks import csv_load
from dataops_defs.adapters.sinks.csv_load import load_source
from dataops_defs.adapters.sinks.table import load_table
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.csv.plain_text import FEW
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Conflict, Invalid, RunStopped, SourceError

FILE = Extraction(ExtractionType.FILE)
EVERYTHING = "SELECT a::text, b::text, c::text FROM raw.t ORDER BY 1, 2, 3"


class Database:
    """An empty database with a schema ``raw``, and a folder of files."""

    def __init__(self, url: str, root: Path) -> None:
        self.connection = psycopg2.connect(libpq_url(url))
        self.root = root
        self.sql("CREATE SCHEMA raw")

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def types(self, table: str = "t") -> dict[str, str]:
        found = self.sql(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            f"raw.{table}",
        )
        return dict(found)

    def load(self, reading: Reading, mode: Any = "replace", **more: Any) -> tuple[Ledger, list[RejectedRow]]:
        with self.connection:
            return load_table(self.connection, "raw", "t", reading, mode=mode, **more)

    def load_the_long_way(self) -> None:
        source = CsvSource(Source("1", "s", "s", SourceType.CSV, "app", {"path": "f.csv"}), [self.root])
        with source.read(FILE) as rows:
            self.load(rows)

    def load_csv(self, content: str | bytes, mode: Any = "replace", **more: Any) -> tuple[Ledger, list[RejectedRow]]:
        (self.root / "f.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        source = CsvSource(Source("1", "s", "s", SourceType.CSV, "app", {"path": "f.csv"}), [self.root])
        with self.connection:
            return load_source(self.connection, "raw", "t", source, FILE, mode=mode, **more)[0]


@pytest.fixture
def database(operations_url: str, tmp_path: Path) -> Iterator[Database]:
    made = Database(operations_url, tmp_path)
    with closing(made.connection):
        yield made


@pytest.fixture
def the_long_way(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names the tables that went through Arrow."""
    seen: list[str] = []
    load = csv_load.load_table

    def noted(connection: Any, schema: str, table: str, reading: Reading, **more: Any) -> Any:
        seen.append(table)
        return load(connection, schema, table, reading, **more)

    monkeypatch.setattr(csv_load, "load_table", noted)
    return seen


def reading(rejected: list[RejectedRow] | None = None, /, **columns: pa.Array | list[Any]) -> Reading:
    batch = pa.record_batch(columns)
    return Reading(batch.schema, iter([batch]), rejected or [])


class TestLoadingAReading:
    def test_every_type_has_its_exact_column(self, database: Database):
        values: dict[str, pa.Array] = {
            "s": pa.array([1], pa.int16()),
            "i": pa.array([2], pa.int32()),
            "b": pa.array([2**62], pa.int64()),
            "u": pa.array([2**64 - 1], pa.uint64()),
            "r": pa.array([1.5], pa.float32()),
            "d": pa.array([0.1], pa.float64()),
            "n": pa.array([Decimal("-12345678901234567890.123")], pa.decimal128(38, 3)),
            "wide": pa.array([Decimal("1" * 60)], pa.decimal256(60, 0)),
            "ok": pa.array([True]),
            "t": pa.array(['a"b,c\n\\.']),
            "c": pa.array(["x"]).dictionary_encode(),
            "day": pa.array([date(2020, 2, 29)]),
            "at": pa.array([datetime(2020, 1, 1, 10, 0, 0, 123456)], pa.timestamp("us")),
            "moment": pa.array([datetime(2020, 1, 1, 8, tzinfo=UTC)], pa.timestamp("us", tz="UTC")),
            "clock": pa.array([time(8, 15, 0, 5)], pa.time64("us")),
            "raw": pa.array([b"\x00\xff"]),
        }
        ledger, _ = database.load(reading(**values))
        assert ledger == Ledger(read=1, inserted=1)
        assert database.types() == {
            "s": "smallint",
            "i": "integer",
            "b": "bigint",
            "u": "numeric(20,0)",
            "r": "real",
            "d": "double precision",
            "n": "numeric(38,3)",
            "wide": "numeric(60,0)",
            "ok": "boolean",
            "t": "text",
            "c": "text",
            "day": "date",
            "at": "timestamp without time zone",
            "moment": "timestamp with time zone",
            "clock": "time without time zone",
            "raw": "bytea",
        }
        row = database.sql("SELECT * FROM raw.t")[0]
        shown = [bytes(each) if isinstance(each, memoryview) else each for each in row]
        assert shown == [each[0].as_py() for each in values.values()]

    def test_null_and_empty_text_are_two_things(self, database: Database):
        database.load(reading(t=["", None, "NULL", "\\N"], n=[1, None, 3, 4]))
        assert database.sql("SELECT t FROM raw.t ORDER BY n NULLS FIRST") == [(None,), ("",), ("NULL",), ("\\N",)]

    def test_rows_that_were_rejected_before_are_in_the_balance(self, database: Database):
        before = [RejectedRow(2, "expected 2 fields, found 1", raw={"line": "x"})]
        ledger, rejected = database.load(reading(before, n=[1, 2]))
        assert (ledger, rejected) == (Ledger(read=3, inserted=2, rejected=1), before)

    def test_text_with_a_nul_is_set_aside_under_its_number(self, database: Database):
        before = [RejectedRow(1, "ragged")]
        ledger, rejected = database.load(reading(before, n=[1, 2, 3], t=["a", "b\x00c", "d"]))
        assert ledger == Ledger(read=4, inserted=2, rejected=2)
        assert rejected[1] == RejectedRow(3, "holds a NUL character", "t", {"n": 2, "t": "b\x00c"})
        assert database.sql("SELECT n FROM raw.t ORDER BY n") == [(1,), (3,)]

    def test_names_are_quoted_and_made_to_fit(self, database: Database):
        long = "x" * 70
        database.load(
            reading(**{'a"; DROP TABLE t; --': [1], "Ünïcode Name": [2], "ctid": [3], long: [4], long + "y": [5]})
        )
        assert list(database.types()) == ['a"; DROP TABLE t; --', "Ünïcode Name", "ctid_2", "x" * 63, "x" * 61 + "_2"]

    def test_progress_is_told(self, database: Database):
        told: list[int] = []
        database.load(reading(n=list(range(1000))), progress=told.append)
        assert told == [1000]

    @pytest.mark.parametrize("schema", ["pg_catalog", "information_schema", "nowhere"])
    def test_a_schema_that_is_none_of_ours_is_refused(self, database: Database, schema: str):
        with pytest.raises(Invalid) as refused, database.connection:
            load_table(database.connection, schema, "t", reading(n=[1]), mode="replace")
        assert refused.value.fields[0].field == "target_table"


class TestAllOrNothing:
    def test_an_error_of_the_source_leaves_the_old_rows(self, database: Database):
        database.load(reading(n=[1]))

        def breaks() -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"n": [2]})
            raise SourceError("the source broke off")

        with pytest.raises(SourceError, match="broke off"):
            database.load(Reading(pa.schema([("n", pa.int64())]), breaks()))
        assert database.sql("SELECT n FROM raw.t") == [(1,)]

    def test_a_run_that_is_stopped_leaves_the_old_rows(self, database: Database):
        database.load(reading(n=[1]))

        def stop(_rows: int) -> None:
            raise RunStopped("stop")

        with pytest.raises(RunStopped):
            database.load(reading(n=[2]), progress=stop)
        with pytest.raises(RunStopped):
            database.load_csv("n,m\n2,3\n", progress=stop)
        assert database.sql("SELECT n FROM raw.t") == [(1,)]
        assert not [each for each in threading.enumerate() if each.name.startswith(("ahead", "prove"))]

    def test_nothing_is_committed_for_the_caller(self, database: Database):
        load_table(database.connection, "raw", "t", reading(n=[1]), mode="replace")
        database.connection.rollback()
        assert database.sql("SELECT to_regclass('raw.t')") == [(None,)]


class TestReplacing:
    def test_the_same_columns_keep_grants_and_views(self, database: Database):
        database.load(reading(n=[1, 2]))
        database.sql("CREATE VIEW raw.v AS SELECT sum(n) AS total FROM raw.t; GRANT SELECT ON raw.t TO PUBLIC")
        database.load(reading(n=[5]))
        assert database.sql("SELECT total FROM raw.v") == [(5,)]
        assert database.sql("SELECT has_table_privilege('pg_monitor', 'raw.t', 'SELECT')") == [(True,)]

    def test_other_columns_make_another_table(self, database: Database):
        database.load(reading(n=[1]))
        database.load(reading(a=["x"]))
        assert database.types() == {"a": "text"}

    def test_views_hold_on_to_the_columns_they_need(self, database: Database):
        database.load(reading(n=[1]))
        database.sql("CREATE VIEW raw.v AS SELECT n FROM raw.t")
        with pytest.raises(Conflict, match=r"views need them \(view raw\.v depends on table raw\.t\)"):
            database.load(reading(a=["x"]))
        assert database.sql("SELECT * FROM raw.v") == [(1,)]

    def test_a_view_of_that_name_is_not_replaced(self, database: Database):
        database.sql("CREATE VIEW raw.t AS SELECT 'x' AS a")
        with pytest.raises(Conflict, match="is no table"):
            database.load(reading(n=[1]))


class TestAppending:
    def test_rows_are_added_and_lacking_columns_too(self, database: Database):
        database.load(reading(n=[1]), "append")
        database.load(reading(a=["x"], n=[2]), "append")
        assert database.sql("SELECT n, a FROM raw.t ORDER BY n") == [(1, None), (2, "x")]

    def test_numbers_are_widened_never_rounded(self, database: Database):
        database.load(reading(n=[1], m=pa.array([Decimal("1.25")], pa.decimal128(18, 2))))
        database.load(
            reading(
                n=pa.array([Decimal("2.5")], pa.decimal128(18, 1)), m=pa.array([Decimal("0.125")], pa.decimal128(18, 3))
            ),
            "append",
        )
        assert database.types() == {"n": "numeric(20,1)", "m": "numeric(19,3)"}
        assert database.sql("SELECT n, m FROM raw.t ORDER BY n")[1] == (Decimal("2.5"), Decimal("0.125"))

    @pytest.mark.parametrize(
        ("present", "values"),
        [
            ("date", pa.array([datetime(2020, 1, 1, 10)], pa.timestamp("us"))),
            ("bigint", pa.array([0.5])),
            ("numeric(18,2)", pa.array([0.125])),
            ("boolean", pa.array([1])),
            ("timestamp", pa.array([datetime(2020, 1, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))),
        ],
    )
    def test_a_column_that_would_lose_something_is_a_conflict(self, database: Database, present: str, values: pa.Array):
        database.sql(f"CREATE TABLE raw.t (v {present})")
        with pytest.raises(Conflict, match=r"column 'v' of raw\.t is .* without loss"):
            database.load(reading(v=values), "append")

    def test_a_column_that_was_empty_this_time_fits_anywhere(self, database: Database):
        database.load(reading(n=[1], v=[5]))
        database.load_csv("n,v\n2,\n", "append")
        assert database.sql("SELECT n, v FROM raw.t ORDER BY n") == [(1, 5), (2, None)]

    def test_a_value_that_does_not_fit_says_so(self, database: Database):
        database.sql("CREATE TABLE raw.t (n smallint)")
        with pytest.raises(Conflict, match="out of range"):
            database.load(reading(n=[100_000]), "append")


class TestLoadingACsvFile:
    def test_a_clean_file_goes_straight(self, database: Database, the_long_way: list[str]):
        ledger, rejected = database.load_csv('id,price,day,name\n1,2.50,2020-01-01,x\n2,,,"y, z"\n')
        assert (ledger, rejected, the_long_way) == (Ledger(read=2, inserted=2), [], [])
        assert database.types() == {"id": "bigint", "price": "numeric(18,2)", "day": "date", "name": "text"}
        assert database.sql("SELECT name FROM raw.t ORDER BY id") == [("x",), ("y, z",)]

    def test_a_wrong_first_impression_is_undone(self, database: Database, the_long_way: list[str]):
        rows = [f"{n},{n}" for n in range(300_000)]
        rows[150_001] = "150001,0.125"
        ledger, _ = database.load_csv("\n".join(["id,v", *rows, ""]))
        assert (ledger.inserted, the_long_way) == (300_000, [])
        assert database.types() == {"id": "bigint", "v": "numeric(18,3)"}
        assert database.sql("SELECT v FROM raw.t WHERE id IN (1, 150001) ORDER BY id") == [(1,), (Decimal("0.125"),)]

    def test_bad_rows_are_set_aside_and_the_rest_goes_in(self, database: Database, the_long_way: list[str]):
        ledger, rejected = database.load_csv(
            b"id,name\n1,x\n2\n3,\xff\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n4,y\n5,a\x00b\n"
        )
        assert ledger == Ledger(read=5, inserted=2, rejected=3)
        assert [(each.number, each.reason) for each in rejected] == [
            (2, "expected 2 fields, found 1"),
            (3, "holds bytes that are not utf-8"),
            (5, "holds a NUL character"),
        ]
        assert the_long_way == ["t"]
        assert database.sql("SELECT id FROM raw.t ORDER BY id") == [(1,), (4,)]

    def test_a_quote_that_postgresql_reads_otherwise_goes_the_long_way(
        self, database: Database, the_long_way: list[str]
    ):
        database.load_csv('id,name\n1,5" pipe\n2,a"b"c\n3,"d ""e"""\n')
        assert the_long_way == ["t"]
        assert database.sql("SELECT name FROM raw.t ORDER BY id") == [('5" pipe',), ('a"b"c',), ('d "e"',)]

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbfid;name\r\n1;x\r\n2;y\r\n",
            "id,name\n1,x\n\n2,y\n",
            "id,name\n1,x\n2,y",
            'id,name\n"1",x\n"2",y\n',
            "id\tname\n1\tx\n2\ty\n",
            "id,name\n1,x\n2,y\n".encode("utf-16"),
            "id,name\r1,x\r2,y\r",
        ],
        ids=["bom and crlf", "empty line", "no last newline", "quoted", "tabs", "utf-16", "old mac"],
    )
    def test_however_it_is_written_the_rows_are_the_same(self, database: Database, content: str | bytes):
        ledger, _ = database.load_csv(content)
        assert ledger == Ledger(read=2, inserted=2)
        assert database.sql("SELECT id, name FROM raw.t ORDER BY id") == [(1, "x"), (2, "y")]

    def test_a_single_column_with_empty_lines_counts_its_values(self, database: Database):
        ledger, _ = database.load_csv("n\n1\n\n2\n")
        assert ledger == Ledger(read=2, inserted=2)

    def test_appending_a_file_twice_doubles_its_rows(self, database: Database, the_long_way: list[str]):
        for _ in range(2):
            database.load_csv("id,name\n1,x\n", "append")
        assert (database.sql("SELECT count(*) FROM raw.t"), the_long_way) == ([(2,)], [])

    def test_a_broken_file_leaves_the_old_rows(self, database: Database):
        database.load_csv("id,name\n1,x\n")
        with pytest.raises(SourceError):
            database.load_csv('id,name\n1,"x\n2,y\n')
        assert database.sql("SELECT name FROM raw.t") == [("x",)]

    def test_a_file_without_rows_makes_its_table(self, database: Database):
        ledger, _ = database.load_csv("id,name\n")
        assert (ledger, database.types()) == (Ledger(), {"id": "text", "name": "text"})

    cells = st.one_of(
        st.sampled_from(["", "1", "-2", "0.50", "007", "1e5", "true", "2020-01-01", "2020-01-01 10:00", "\\.", "\\N"]),
        st.text(alphabet="ab \"',;\n\r\\é\x00", max_size=4),
    )

    @given(rows=st.lists(st.tuples(cells, cells, cells), max_size=6), quoting=st.sampled_from([0, 1]))
    @example(rows=[("\\.", "", "")], quoting=0)
    @examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_straight_or_not_the_result_is_what_the_file_says(
        self, database: Database, rows: list[tuple[str, ...]], quoting: Any
    ):
        if any("\r" in cell for row in rows for cell in row):
            quoting = csv.QUOTE_ALL  # the writer leaves a lone carriage return unquoted
        text = io.StringIO()
        csv.writer(text, quoting=quoting, lineterminator="\n").writerows([("a", "b", "c"), *rows])
        assume(text.getvalue().count("\x00") <= FEW)  # a small file that is full of them is no text
        ledger, rejected = database.load_csv(text.getvalue())
        wanted = [row for row in rows if "\x00" not in "".join(row)]
        assert (ledger.inserted, len(rejected)) == (len(wanted), len(rows) - len(wanted))
        if set(database.types().values()) == {"text"}:
            found = database.sql("SELECT coalesce(a, ''), coalesce(b, ''), coalesce(c, '') FROM raw.t")
            assert sorted(found) == sorted(wanted)
        straight = database.types(), database.sql(EVERYTHING)
        database.load_the_long_way()
        assert (database.types(), database.sql(EVERYTHING)) == straight


class TestDurations:
    def test_a_span_becomes_what_postgresql_reads(self, database: Database):
        database.load(reading(span=pa.array([timedelta(hours=1)])))
        assert database.sql("SELECT span FROM raw.t") == [("3600.0",)]
