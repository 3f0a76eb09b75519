"""What a query cannot do on MySQL: the guard refuses it, and the server would too."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest

from dataops_defs.adapters.sources.mysql.protocol import Statement
from dataops_defs.adapters.sources.mysql.session import session
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.errors import Invalid, SourceError, UnsafeQuery
from tests.adapters.sources.mysql_scenes import read
from tests.mariadb import Shop, query


class TestTheWallsBehindTheGuard:
    """The guard refuses all of this before; here it is asked of the server directly."""

    @pytest.fixture
    def filled(self, shop: Shop) -> Shop:
        shop.sql("CREATE TABLE t (n INT) SELECT 1 AS n")
        return shop

    @pytest.fixture
    def ask(self, filled: Shop) -> Iterator[Callable[[str], None]]:
        with session(filled.source(), 5, during=nullcontext) as made:

            def asked(text: str) -> None:
                with made.errors():
                    Statement(made.connection, text).execute()

            yield asked

    def test_a_query_that_writes_never_reaches_the_server(self, filled: Shop):
        for text in ("DELETE FROM t", "SELECT 1; DELETE FROM t", "SELECT 1 INTO OUTFILE '/tmp/x'"):
            with pytest.raises(UnsafeQuery):
                read(filled, text)
        assert filled.sql("SELECT COUNT(*) FROM t") == ((1,),)

    def test_what_gives_no_rows_is_not_carried_out(self, filled: Shop, ask: Callable[[str], None]):
        for text in ("DROP TABLE t", "SELECT 1 INTO @a", "SET SESSION max_statement_time = 0"):
            with pytest.raises(Invalid, match="returns no columns"):
                ask(text)
        assert filled.sql("SELECT COUNT(*) FROM t") == ((1,),)

    def test_the_transaction_only_reads(self, filled: Shop):
        with session(filled.source(), 5, during=nullcontext) as made:
            for text in ("DELETE FROM t", "INSERT INTO t VALUES (2)", "UPDATE t SET n = 2", "DROP TABLE t"):
                with pytest.raises(SourceError, match="READ ONLY"), made.errors():
                    made.connection.query(text)

    def test_several_statements_are_a_syntax_error(self, ask: Callable[[str], None]):
        with pytest.raises(SourceError, match="SQL syntax"):
            ask("SELECT 1; DELETE FROM t")

    def test_no_file_of_ours_is_lent(self, ask: Callable[[str], None]):
        with pytest.raises(SourceError):
            ask("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t")

    def test_even_an_allowed_function_cannot_write(self, filled: Shop):
        filled.sql("CREATE FUNCTION sly() RETURNS INT BEGIN DELETE FROM t; RETURN 1; END")
        source = open_source(filled.source(), roots=(), allowed_hosts="127.0.0.1", allowed_functions=frozenset({"sly"}))
        with (
            pytest.raises(SourceError, match="READ ONLY"),
            source.read(query("SELECT sly() AS x")) as reading,
        ):
            list(reading.batches)
        assert filled.sql("SELECT COUNT(*) FROM t") == ((1,),)
