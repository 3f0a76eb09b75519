"""Each test is lent databases that are as new, whatever those before it did to theirs."""

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from dataops_defs.adapters.warehouse.connection import libpq_url
from tests.databases import Server

TURN = "SELECT nextval('dataops.turns')"


class Lent:
    """A warehouse that one test has."""

    def __init__(self, server: Server) -> None:
        self._server, self.name = server, server.lend("warehouse")
        self.oid = self.sql("SELECT oid FROM pg_database WHERE datname = current_database()")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(libpq_url(self._server.url(self.name)))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def give_back(self) -> None:
        self._server.take_back("warehouse", self.name)


@pytest.fixture
def first(server: Server) -> Lent:
    return Lent(server)


class TestADatabaseThatIsGivenBack:
    def test_is_lent_again_without_its_rows_and_counts_from_one(self, server: Server, first: Lent) -> None:
        first.sql("INSERT INTO dataops.fence SELECT gen_random_uuid(), 1")
        assert first.sql(TURN) == [(1,)]
        first.give_back()
        second = Lent(server)
        assert second.oid == first.oid
        assert second.sql("TABLE dataops.fence") == []
        assert second.sql(TURN) == [(1,)]
        second.give_back()

    def test_is_not_found_by_who_still_knows_its_name(self, server: Server, first: Lent) -> None:
        first.give_back()
        second = Lent(server)
        with pytest.raises(psycopg2.OperationalError, match="does not exist"):
            first.sql("SELECT 1")
        second.give_back()

    @pytest.mark.parametrize(
        "change",
        [
            "CREATE TABLE dataops.mine (n int)",
            "ALTER TABLE dataops.ledger ADD COLUMN mine int",
            "CREATE FUNCTION dataops.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "GRANT SELECT ON dataops.ledger TO PUBLIC",
            "UPDATE dataops.alembic_version SET version_num = 'another'",
        ],
    )
    def test_is_not_lent_again_once_more_than_rows_have_changed(self, server: Server, first: Lent, change: str) -> None:
        first.sql(change)
        first.give_back()
        second = Lent(server)
        assert second.oid != first.oid
        second.give_back()
