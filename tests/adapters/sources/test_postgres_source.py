import json
import threading
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pyarrow as pa
import pytest

from dataops_defs.adapters.sources.postgres.source import PostgresSource
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable, UnsafeQuery
from dataops_defs.services.embedded import free_port


class Operations:
    """A user's database: fill it, open it as a source."""

    def __init__(self, url: str) -> None:
        self._url = libpq_url(url)
        parts = urlsplit(self._url)
        self.connection: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port,
            "database": parts.path[1:],
            "username": unquote(parts.username or ""),
        }
        self.password = unquote(parts.password or "")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def source(self, password: str | None = None, **other: Any) -> Source:
        secrets = {"password": self.password if password is None else password}
        return Source("1", "ops", "ops", SourceType.POSTGRES, "app", self.connection | other, secrets)

    def open(self, **other: Any) -> PostgresSource:
        found = open_source(self.source(**other), roots=(), allowed_hosts="127.0.0.1,localhost,*")
        assert isinstance(found, PostgresSource)
        return found

    def read(self, query: str) -> pa.Table:
        with self.open().read(sql(query)) as reading:
            return pa.Table.from_batches(reading.batches, reading.schema)


def sql(query: str) -> Extraction:
    return Extraction(ExtractionType.SQL, query=query)


@pytest.fixture
def operations(operations_url: str) -> Operations:
    return Operations(operations_url)


class TestTestingAConnection:
    def test_the_version_and_the_database_answer(self, operations: Operations):
        said = operations.open().test()
        assert said.startswith("PostgreSQL 18")
        assert said.endswith(f"answered in database {operations.connection['database']}")

    def test_a_wrong_password_is_for_a_person_to_mend(self, operations: Operations):
        with pytest.raises(SourceError, match="password authentication failed") as refused:
            operations.open(password="not-the-password").test()
        assert not refused.value.retryable
        assert "not-the-password" not in str(refused.value)

    def test_an_unknown_database_is_named(self, operations: Operations):
        with pytest.raises(SourceError, match='database "nope" does not exist'):
            operations.open(database="nope").test()

    def test_a_server_that_does_not_answer_may_later(self, operations: Operations):
        with pytest.raises(SourceUnavailable, match="did not answer") as refused:
            operations.open(port=free_port()).test()
        assert refused.value.retryable

    @pytest.mark.parametrize("host", ["@abstract", "/tmp", "127.0.0.1,example.org", ""])
    def test_a_host_is_one_host_and_no_socket(self, operations: Operations, host: str):
        with pytest.raises(Invalid) as refused:
            operations.open(host=host).test()
        assert refused.value.fields[0].field == "connection.host"

    def test_the_password_of_this_process_is_not_lent(self, operations: Operations, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("PGPASSWORD", operations.password)
        with pytest.raises(SourceError):
            operations.open(password="").test()

    def test_encryption_that_the_server_has_not_is_said(self, operations: Operations):
        with pytest.raises(SourceError, match="TLS"):
            operations.open(sslmode="require").test()

    def test_a_host_off_the_list_is_refused(self, operations: Operations):
        with pytest.raises(Invalid):
            open_source(operations.source(), roots=(), allowed_hosts=["db.example.org"])
        for allowed in ("127.0.0.1", f"127.0.0.1:{operations.connection['port']}"):
            open_source(operations.source(), roots=(), allowed_hosts=[allowed])

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0.0.0.0", "::1"])
    def test_this_machine_is_reached_only_where_it_is_listed(self, operations: Operations, host: str):
        for allowed in ("", "*", "db.example.org,*"):
            with pytest.raises(Invalid, match="not a host that sources may name"):
                open_source(operations.source(host=host), roots=(), allowed_hosts=allowed).test()


class TestReadingTypes:
    def test_every_type_arrives_exactly(self, operations: Operations):
        table = operations.read("""
            SELECT 1::smallint AS s, 2::int AS i, 3::bigint AS b, 1.5::real AS r, 0.1::float8 AS d,
                12.50::numeric(12, 2) AS n, 'x'::text AS t, 'y'::varchar(5) AS v, true AS yes,
                date '2020-02-29' AS day, timestamp '2020-01-01 10:00:00.123456' AS at,
                timestamptz '2020-01-01 10:00:00+02' AS moment, time '10:30' AS clock,
                'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, '{"a": [1]}'::jsonb AS j, '\\x00ff'::bytea AS raw,
                ARRAY[1, NULL, 3] AS list, ARRAY['a,b', '"'] AS words, '12.30'::money AS money""")
        types = {field.name: str(field.type) for field in table.schema}
        assert types == {
            "s": "int16",
            "i": "int32",
            "b": "int64",
            "r": "float",
            "d": "double",
            "n": "decimal128(12, 2)",
            "t": "string",
            "v": "string",
            "yes": "bool",
            "day": "date32[day]",
            "at": "timestamp[us]",
            "moment": "timestamp[us, tz=UTC]",
            "clock": "time64[us]",
            "u": "string",
            "j": "string",
            "raw": "binary",
            "list": "string",
            "words": "string",
            "money": "decimal128(19, 2)",
        }
        row = table.to_pylist()[0]
        assert (row["n"], row["money"], row["d"]) == (Decimal("12.50"), Decimal("12.30"), 0.1)
        assert row["day"] == date(2020, 2, 29)
        assert row["at"] == datetime(2020, 1, 1, 10, 0, 0, 123456)
        assert row["moment"] == datetime(2020, 1, 1, 8, tzinfo=UTC)
        assert (row["clock"], row["raw"]) == (time(10, 30), b"\x00\xff")
        assert [json.loads(row[name]) for name in ("j", "list", "words")] == [{"a": [1]}, [1, None, 3], ["a,b", '"']]

    def test_empty_text_and_null_are_two_things(self, operations: Operations):
        query = "SELECT * FROM (VALUES ('', 1), (NULL, NULL), ('NULL', 3), ('\\N', 4), ('\\.', 5)) AS v (t, n)"
        assert operations.read(query)["t"].to_pylist() == ["", None, "NULL", "\\N", "\\."]

    def test_a_single_column_of_nulls_keeps_its_rows(self, operations: Operations):
        assert operations.read("SELECT NULL::text AS t FROM generate_series(1, 3)")["t"].to_pylist() == [None] * 3

    def test_text_with_quotes_and_newlines_stays_whole(self, operations: Operations):
        assert operations.read("SELECT E'a\\n\"b\",\\\\,ü\\r\\n' AS t")["t"].to_pylist() == ['a\n"b",\\,ü\r\n']

    def test_a_numeric_without_limits_gets_the_digits_of_its_values(self, operations: Operations):
        table = operations.read("SELECT n FROM (VALUES (1.5::numeric), (-1234567.25), (0.001), (NULL)) AS v (n)")
        assert table.schema.field("n").type == pa.decimal128(10, 3)
        assert table["n"].to_pylist() == [Decimal("1.500"), Decimal("-1234567.250"), Decimal("0.001"), None]

    @pytest.mark.parametrize("value", ["'NaN'::numeric", "1e90::numeric + 0.5"])
    def test_a_numeric_that_no_decimal_keeps_is_text(self, operations: Operations, value: str):
        table = operations.read(f"SELECT {value} AS n")
        assert table.schema.field("n").type == pa.string()

    @pytest.mark.parametrize("form", ["numeric", "numeric(60, 30)"])
    def test_more_digits_than_a_decimal_has_arrive_as_text(self, operations: Operations, form: str):
        digits = "12345678901234567890123456789.123456789012345678901234567890"
        table = operations.read(f"SELECT {digits}::{form} AS n UNION ALL SELECT 1e-30::{form}")
        assert sorted(table["n"].to_pylist())[-1] == digits
        shown = operations.open().preview(sql(f"SELECT {digits}::{form} AS n"), 5)
        assert shown.rows == [{"n": digits}]

    def test_floats_may_be_no_number_and_endless(self, operations: Operations):
        values = operations.read("SELECT unnest(ARRAY['NaN', 'Infinity', '-Infinity']::float8[]) AS f")["f"].to_pylist()
        assert str(values) == "[nan, inf, -inf]"

    def test_a_row_longer_than_a_block_passes(self, operations: Operations):
        table = operations.read("SELECT repeat('x', 5000000) AS t, n FROM generate_series(1, 2) AS n")
        assert [len(text) for text in table["t"].to_pylist()] == [5_000_000] * 2


class TestReadingRows:
    @pytest.fixture
    def filled(self, operations: Operations) -> Operations:
        operations.sql("CREATE TABLE numbers AS SELECT n, 'name ' || n AS name FROM generate_series(1, 200000) AS n")
        return operations

    def test_all_rows_come_once_and_in_order_in_batches(self, filled: Operations):
        with filled.open().read(sql("SELECT n FROM numbers ORDER BY n")) as reading:
            batches = list(reading.batches)
        assert max(batch.num_rows for batch in batches) <= 65_536
        assert [n for batch in batches for n in batch["n"].to_pylist()] == list(range(1, 200_001))

    def test_an_empty_result_has_columns(self, filled: Operations):
        table = filled.read("SELECT n, name FROM numbers WHERE n < 0")
        assert (table.num_rows, table.schema.names) == (0, ["n", "name"])

    def test_leaving_early_ends_the_query_and_the_connection(self, filled: Operations):
        with filled.open().read(sql("SELECT a.n FROM numbers AS a CROSS JOIN numbers AS b")) as reading:
            assert next(reading.batches).num_rows > 0
        running = filled.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dataops' AND datname = current_database()"
        )
        assert running == [(0,)]
        assert not [each for each in threading.enumerate() if each.name == "copy"]

    def test_an_error_midway_is_never_taken_for_the_end(self, filled: Operations):
        with pytest.raises(SourceError, match="division by zero"):
            filled.read("SELECT 1 / (n - 150000) AS x FROM numbers ORDER BY n")

    def test_a_cut_connection_is_never_taken_for_the_end(self, filled: Operations):
        with filled.open().read(sql("SELECT a.n, a.name FROM numbers AS a CROSS JOIN numbers AS b")) as reading:
            next(reading.batches)
            filled.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'dataops' AND datname = current_database()"
            )
            with pytest.raises(SourceUnavailable):
                list(reading.batches)

    def test_a_slow_query_is_ended(self, filled: Operations):
        source = PostgresSource(filled.source(), preview_seconds=0.3)
        with pytest.raises(SourceError, match=r"longer than 0\.3 s"):
            source.preview(sql("SELECT count(*) AS c FROM numbers AS a JOIN numbers AS b ON a.name <> b.name"), 1)

    def test_a_locked_table_is_not_waited_for_without_end(self, filled: Operations, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("dataops_defs.adapters.sources.postgres.source.LOCK_SECONDS", 0.2)
        with closing(psycopg2.connect(filled._url)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(SourceError, match="somebody has locked"):
                filled.read("SELECT n FROM numbers")

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("SELECT * FROM nope", 'relation "nope" does not exist'),
            ("SELECT nope FROM numbers", 'column "nope" does not exist'),
        ],
    )
    def test_postgresql_says_itself_what_is_missing(self, filled: Operations, query: str, said: str):
        with pytest.raises(SourceError) as refused:
            filled.read(query)
        assert str(refused.value) == f"PostgreSQL: {said}"

    @pytest.mark.parametrize("query", ["SELECT n, n FROM numbers", "SELECT 1, 2", "SELECT FROM numbers"])
    def test_columns_need_names_of_their_own(self, filled: Operations, query: str):
        with pytest.raises(Invalid) as refused:
            filled.read(query)
        assert refused.value.fields[0].field == "extraction.query"

    def test_a_query_that_writes_never_reaches_the_server(self, filled: Operations):
        for query in ("DELETE FROM numbers", "WITH d AS (DELETE FROM numbers RETURNING n) SELECT * FROM d"):
            with pytest.raises(UnsafeQuery):
                filled.read(query)
        assert filled.sql("SELECT count(*) FROM numbers") == [(200_000,)]

    def test_even_an_allowed_function_cannot_write(self, filled: Operations):
        filled.sql("CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'DELETE FROM numbers RETURNING 1'")
        source = open_source(filled.source(), roots=(), allowed_hosts="127.0.0.1", allowed_functions=frozenset({"sly"}))
        with (
            pytest.raises(SourceError, match="read-only transaction"),
            source.read(sql("SELECT sly() AS x")) as reading,
        ):
            list(reading.batches)


class TestPreviewing:
    @pytest.fixture
    def filled(self, operations: Operations) -> Operations:
        operations.sql("CREATE TABLE t AS SELECT n, n * 1.10::numeric(8, 2) AS price FROM generate_series(1, 20) AS n")
        return operations

    def test_the_first_rows_with_json_ready_values(self, filled: Operations):
        shown = filled.open().preview(sql("SELECT n, price, now() - now() AS span FROM t ORDER BY n"), 2)
        assert shown.rows[1]["price"] == "2.20"
        assert [column.name for column in shown.columns] == ["n", "price", "span"]
        assert (len(shown.rows), shown.truncated) == (2, True)

    def test_as_many_rows_as_there_are_is_not_truncated(self, filled: Operations):
        assert not filled.open().preview(sql("SELECT n FROM t"), 20).truncated
        assert filled.open().preview(sql("SELECT n FROM t"), 19).truncated

    def test_a_type_is_shown_as_it_will_be_read(self, filled: Operations):
        query = "SELECT n, price, price::numeric(20, 4) AS exact FROM t"
        with filled.open().read(sql(query)) as reading:
            wanted = [str(field.type) for field in reading.schema if field.name != "price"]
        shown = filled.open().preview(sql(query), 5)
        assert [column.type for column in shown.columns if column.name != "price"] == wanted
