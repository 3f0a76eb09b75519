"""Rows of MySQL: all of them, once and in order; what ends a reading early is never taken for their end."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext

import pymysql
import pytest

from dataops_defs.adapters.line import Line
from dataops_defs.adapters.sources.mysql import rows as mysql_rows
from dataops_defs.adapters.sources.mysql import session as mysql_session
from dataops_defs.adapters.sources.mysql.protocol import Statement
from dataops_defs.adapters.sources.mysql.session import session
from dataops_defs.adapters.sources.mysql.source import MysqlSource
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable, UnsafeQuery
from dataops_defs.services.processes import wait_until
from tests.adapters.sources.mysql_scenes import read
from tests.mariadb import Shop, query
from tests.relay import Relay

LONGEST_WAIT = 30.0


class TestReadingRows:
    @pytest.fixture
    def filled(self, shop: Shop) -> Shop:
        shop.sql("CREATE TABLE numbers AS SELECT seq AS n, CONCAT('name ', seq) AS name FROM seq_1_to_200000")
        return shop

    def test_all_rows_come_once_and_in_order_in_batches(self, filled: Shop):
        with filled.open().read(query("SELECT n FROM numbers ORDER BY n")) as reading:
            batches = list(reading.batches)
        assert max(batch.num_rows for batch in batches) <= 65_536
        assert [n for batch in batches for n in batch["n"].to_pylist()] == list(range(1, 200_001))
        assert filled.sessions() == ()

    def test_an_empty_result_has_columns(self, filled: Shop):
        table = read(filled, "SELECT n, name FROM numbers WHERE n < 0")
        assert (table.num_rows, table.schema.names) == (0, ["n", "name"])

    def test_leaving_early_ends_the_query_and_the_connection(self, filled: Shop):
        with filled.open().read(query("SELECT a.n FROM numbers AS a CROSS JOIN numbers AS b")) as reading:
            assert next(reading.batches).num_rows > 0
        assert wait_until(lambda: filled.sessions() == (), LONGEST_WAIT)
        assert not [each for each in threading.enumerate() if each.name == "ahead"]

    @pytest.mark.timeout(60)
    def test_leaving_does_not_wait_for_a_server_that_sends_no_more(self, filled: Shop):
        filled.sql(
            "CREATE VIEW slow AS SELECT REPEAT('x', 100) AS t, SLEEP(IF(n = 100000, 600, 0)) AS pause FROM numbers"
        )
        with filled.open().read(query("SELECT t, pause FROM slow")) as reading:
            next(reading.batches)
            assert wait_until(lambda: "User sleep" in str(filled.sessions()), LONGEST_WAIT)
        assert wait_until(lambda: filled.sessions() == (), LONGEST_WAIT)

    def test_a_query_that_has_nothing_to_send_yet_is_ended_on_the_server(self, filled: Shop):
        lines: list[Line] = []

        @contextmanager
        def noted(line: Line) -> Iterator[None]:
            lines.append(line)
            yield

        source = MysqlSource(filled.source(), during=noted)
        endless = "SELECT COUNT(*) AS c FROM numbers AS a JOIN numbers AS b ON a.name <> b.name"
        errors: list[BaseException] = []

        def extraction() -> None:
            try:
                with source.read(query(endless)) as reading:
                    list(reading.batches)
            except BaseException as error:
                errors.append(error)

        reader = threading.Thread(target=extraction)
        reader.start()
        assert wait_until(lambda: "JOIN" in str(filled.sessions()), LONGEST_WAIT)
        lines[0].cut()
        reader.join(LONGEST_WAIT)
        assert [type(error) for error in errors] == [SourceUnavailable]
        assert wait_until(lambda: filled.sessions() == (), LONGEST_WAIT)

    def test_a_table_changed_just_before_is_read_as_it_is_now(self, filled: Shop):
        with session(filled.source(), 5, during=nullcontext) as made:
            made.connection.query("COMMIT")
            statement = Statement(made.connection, "SELECT * FROM numbers WHERE n = 7")
            filled.sql("ALTER TABLE numbers MODIFY n DOUBLE, ADD more INT DEFAULT 5")
            statement.execute()
            [batch] = mysql_rows.Rows(statement.columns).batches(statement.rows())
        assert batch.to_pylist() == [{"n": 7.0, "name": "name 7", "more": 5}]

    def test_an_error_midway_is_never_taken_for_the_end(self, filled: Shop):
        filled.sql("CREATE VIEW bad AS SELECT n, IF(n = 150000, (SELECT 1 UNION SELECT 2), 0) AS x FROM numbers")
        with pytest.raises(SourceError, match="Subquery returns more than 1 row"):
            read(filled, "SELECT n, x FROM bad")

    def test_a_connection_killed_in_mid_fetch_is_never_taken_for_the_end(self, filled: Shop):
        with filled.open().read(query("SELECT a.n, a.name FROM numbers AS a CROSS JOIN numbers AS b")) as reading:
            next(reading.batches)
            [(id, *_)] = filled.sessions()
            filled.server.sql(f"KILL {id}")
            with pytest.raises(SourceUnavailable) as lost:
                list(reading.batches)
        assert lost.value.retryable

    def test_a_line_cut_between_two_rows_is_never_taken_for_the_end(self, filled: Shop):
        with closing(Relay("127.0.0.1", filled.server.port)) as relay:
            with filled.open(port=relay.port).read(query("SELECT n, name FROM numbers")) as reading:
                pass
            relay.cut_after(1_000_000)
            with (
                pytest.raises(SourceUnavailable, match="connection to MariaDB was lost"),
                filled.open(port=relay.port).read(query("SELECT n, name FROM numbers")) as reading,
            ):
                list(reading.batches)
        assert relay.cuts == 1

    def test_a_slow_query_is_ended(self, filled: Shop):
        source = MysqlSource(filled.source(), preview_seconds=0.3)
        with pytest.raises(SourceError, match=r"longer than 0\.3 s") as ended:
            source.preview(query("SELECT COUNT(*) AS c FROM numbers AS a JOIN numbers AS b ON a.name <> b.name"), 1)
        assert not ended.value.retryable

    def test_a_locked_table_is_not_waited_for_without_end(self, filled: Shop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(mysql_session, "LOCK_SECONDS", 1)
        given = {"host": "127.0.0.1", "port": filled.server.port, "user": "root", "database": filled.name}
        with closing(pymysql.connect(**given)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLES numbers WRITE")
            with pytest.raises(SourceUnavailable, match="Lock wait timeout"):
                read(filled, "SELECT n FROM numbers")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("SELECT * FROM nope", "Table 'SHOP.nope' doesn't exist"),
            ("SELECT nope FROM numbers", "Unknown column 'nope' in 'SELECT'"),
            ("SELECT * FROM mine.secrets", "SELECT command denied to user"),
            ("SELECT n FROM numbers WHERE", "simply"),
        ],
    )
    def test_what_is_missing_is_said(self, filled: Shop, text: str, said: str):
        with pytest.raises((SourceError, UnsafeQuery)) as refused:
            read(filled, text)
        assert said.lower() in str(refused.value).replace(filled.name, "SHOP").lower()

    @pytest.mark.parametrize("text", ["SELECT n, n FROM numbers", "SELECT 1, 1"])
    def test_columns_need_names_of_their_own(self, filled: Shop, text: str):
        with pytest.raises(Invalid) as refused:
            read(filled, text)
        assert refused.value.fields[0].field == "extraction.query"
