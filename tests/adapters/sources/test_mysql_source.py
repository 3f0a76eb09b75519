"""A MySQL source before it is read: its connection is tested, its first rows are shown."""

import socket
from contextlib import closing, nullcontext

import pytest

from dataops_defs.adapters.sources.mysql import session as mysql_session
from dataops_defs.adapters.sources.mysql.protocol import Statement
from dataops_defs.adapters.sources.mysql.session import session
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable
from dataops_defs.services.embedded import free_port
from tests.mariadb import Shop, query


class TestTestingAConnection:
    def test_the_version_and_the_database_answer(self, shop: Shop):
        said = shop.open().test()
        assert said.startswith("MariaDB 1")
        assert said.endswith(f"answered in database {shop.name}")

    def test_a_wrong_password_is_for_a_person_to_mend(self, shop: Shop):
        with pytest.raises(SourceError, match="Access denied") as refused:
            shop.open(password="not-the-password").test()
        assert not refused.value.retryable
        assert "not-the-password" not in str(refused.value)

    def test_a_database_that_is_unknown_or_closed_to_the_login_is_named(self, shop: Shop):
        for name in ("nope", "mysql"):
            with pytest.raises(SourceError, match=f"'{name}'") as refused:
                shop.open(database=name).test()
            assert not refused.value.retryable

    def test_a_server_that_does_not_answer_may_later(self, shop: Shop):
        for host, port in (("127.0.0.1", free_port()), ("no-such-host.invalid", 3306)):
            with pytest.raises(SourceUnavailable, match=f"MySQL at {host}:{port} did not answer"):
                shop.open(host=host, port=port).test()

    def test_a_server_that_keeps_silent_is_given_up(self, shop: Shop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(mysql_session, "CONNECT_SECONDS", 0.5)
        with (
            closing(socket.create_server(("127.0.0.1", 0))) as silent,
            pytest.raises(SourceUnavailable, match="did not answer: timed out"),
        ):
            shop.open(port=silent.getsockname()[1]).test()

    def test_too_many_connections_are_for_later(self, shop: Shop):
        shop.server.sql(f"ALTER USER {shop.name} WITH MAX_USER_CONNECTIONS 1")
        with session(shop.source(), 5, during=nullcontext), pytest.raises(SourceUnavailable, match="max_user_conn"):
            shop.open().test()

    def test_a_host_off_the_list_is_refused(self, shop: Shop):
        with pytest.raises(Invalid):
            open_source(shop.source(), roots=(), allowed_hosts=["db.example.org"])
        for allowed in ("127.0.0.1", f"127.0.0.1:{shop.server.port}"):
            open_source(shop.source(), roots=(), allowed_hosts=[allowed])
        given = {name: value for name, value in shop.connection.items() if name != "port"}
        shop.connection = given
        assert open_source(shop.source(), roots=(), allowed_hosts=["127.0.0.1:3306"])

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
    def test_this_machine_is_reached_only_where_it_is_listed(self, shop: Shop, host: str):
        with pytest.raises(Invalid, match="not a host that sources may name"):
            open_source(shop.source(host=host), roots=()).test()


class TestPreviewing:
    @pytest.fixture
    def filled(self, shop: Shop) -> Shop:
        shop.sql("CREATE TABLE t AS SELECT seq AS n, seq * 1.10 AS price FROM seq_1_to_20")
        return shop

    def test_the_first_rows_with_json_ready_values(self, filled: Shop):
        shown = filled.open().preview(query("SELECT n, price, TIME('10:30') AS clock FROM t ORDER BY n DESC"), 2)
        assert shown.rows == [
            {"n": 20, "price": "22.00", "clock": "10:30:00"},
            {"n": 19, "price": "20.90", "clock": "10:30:00"},
        ]
        assert shown.truncated

    def test_as_many_rows_as_there_are_is_not_truncated(self, filled: Shop):
        assert not filled.open().preview(query("SELECT n FROM t"), 20).truncated
        assert filled.open().preview(query("SELECT n FROM t"), 19).truncated
        assert filled.open().preview(query("SELECT n FROM t LIMIT 20"), 5).truncated

    def test_the_server_is_asked_for_no_more_than_is_shown(self, filled: Shop):
        with session(filled.source(), 5, during=nullcontext, most_rows=3) as made:
            statement = Statement(made.connection, "SELECT n FROM t ORDER BY n")
            statement.execute()
            blocks = list(statement.rows())
        assert sum(len(block.starts) for block in blocks) == 3

    def test_a_union_and_a_with_query_are_previewed_too(self, filled: Shop):
        for text in (
            "SELECT n FROM t UNION ALL SELECT n FROM t ORDER BY n",
            "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 50) SELECT n FROM r",
        ):
            shown = filled.open().preview(query(text), 2)
            assert (len(shown.rows), shown.rows[0]["n"], shown.truncated) == (2, 1, True)
