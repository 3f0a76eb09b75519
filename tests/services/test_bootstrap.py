"""What each role of the platform may do, asked of the server."""

from contextlib import closing
from typing import Any

import psycopg2
import pytest
from pydantic import SecretStr

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.bootstrap import bootstrap, script
from dataops_defs.services.databases import prepare_given
from dataops_defs.settings import Settings
from tests.conftest import Server


def ask(url: str, *statements: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def owner(settings: Settings) -> str:
    return settings.url("warehouse")


@pytest.fixture
def reader(settings: Settings) -> str:
    return settings.url("reader")


@pytest.fixture
def builder(settings: Settings) -> str:
    return settings.url("builder")


class TestTheReader:
    @pytest.mark.parametrize("schema", ["public", "raw", "content", "objects", "analytics"])
    def test_reads_what_the_owner_makes_later(self, owner: str, reader: str, schema: str) -> None:
        ask(owner, f"CREATE TABLE {schema}.planes AS SELECT 7 AS seats")

        assert ask(reader, f"SELECT seats FROM {schema}.planes") == [(7,)]

    def test_reads_what_the_builder_makes_later(self, builder: str, reader: str) -> None:
        ask(builder, "CREATE MATERIALIZED VIEW analytics.fleet AS SELECT 7 AS seats")

        assert ask(reader, "SELECT seats FROM analytics.fleet") == [(7,)]

    def test_does_not_see_the_ledger(self, reader: str) -> None:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="schema dataops"):
            ask(reader, "SELECT * FROM dataops.ledger")

    @pytest.mark.parametrize("database", ["catalogue", "dagster", "postgres", "template1"])
    def test_may_not_enter_other_databases(self, server: Server, database: str) -> None:
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            ask(server.url(database, "reader"), "SELECT 1")

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO raw.planes VALUES (1)",
            "CREATE TABLE public.mine (a int)",
            "CREATE TEMPORARY TABLE mine (a int)",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'x')",
            "SELECT pg_sleep(0)",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_xact_lock_shared(1)",
            "SELECT pg_notify('a', 'b')",
            "SELECT query_to_xml('SELECT 1', true, true, '')",
        ],
    )
    def test_does_nothing_but_select_even_without_its_defaults(self, owner: str, reader: str, statement: str) -> None:
        ask(owner, "CREATE TABLE raw.planes (seats int)")

        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(reader, "SET default_transaction_read_only = off", statement)

    def test_is_cut_off_by_default(self, reader: str) -> None:
        assert ask(reader, "SHOW statement_timeout") == [("1min",)]
        assert ask(reader, "SHOW temp_file_limit") == [("1GB",)]
        assert ask(reader, "SHOW default_transaction_read_only") == [("on",)]


class TestTheBuilder:
    def test_owns_the_datamarts_and_reads_the_rest(self, owner: str, builder: str) -> None:
        ask(owner, "CREATE TABLE objects.aircraft AS SELECT 7 AS seats")
        ask(builder, "CREATE TABLE analytics.fleet AS SELECT seats FROM objects.aircraft")

        assert ask(builder, "SELECT seats FROM analytics.fleet") == [(7,)]

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TABLE objects.mine (a int)",
            "CREATE SCHEMA mine",
            "DELETE FROM objects.aircraft",
            "SELECT * FROM dataops.ledger",
        ],
    )
    def test_may_nothing_else(self, owner: str, builder: str, statement: str) -> None:
        ask(owner, "CREATE TABLE objects.aircraft (seats int)")

        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(builder, statement)

    def test_may_not_enter_the_catalogue(self, server: Server) -> None:
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            ask(server.url("catalogue", "builder"), "SELECT 1")


class TestTheOwner:
    def test_is_no_superuser(self, owner: str) -> None:
        asked = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"

        assert ask(owner, asked) == [(False, False, False, False)]

    def test_drops_what_the_builder_made(self, owner: str, builder: str) -> None:
        ask(builder, "CREATE TABLE analytics.fleet (a int)")
        ask(owner, "DROP TABLE analytics.fleet")

        assert ask(owner, "SELECT to_regclass('analytics.fleet')") == [(None,)]

    def test_keeps_the_functions_that_its_own_work_needs(self, owner: str) -> None:
        assert ask(owner, "SELECT pg_try_advisory_xact_lock(1)") == [(True,)]


class TestRunningItAgain:
    def test_changes_nothing(self, server: Server) -> None:
        asked = """
            SELECT datname, datdba, array(SELECT unnest(datacl)::text ORDER BY 1) FROM pg_database
            WHERE datname IN ('catalogue', 'warehouse', 'dagster') ORDER BY 1
        """
        before = ask(server.postgres.superuser_url, asked)
        bootstrap(server.settings, server.postgres.superuser_url)

        assert ask(server.postgres.superuser_url, asked) == before


class TestAServerOfOthers:
    @pytest.fixture
    def given(self, server: Server, settings: Settings, operations_url: str) -> Settings:
        """A login that may make neither roles nor databases, and a home that knows of no passwords."""
        gone = dict.fromkeys(("catalogue_url", "warehouse_url", "instance_url", "reader_url", "builder_url"))
        return settings.model_copy(update=gone | {"database_url": SecretStr(operations_url)})

    def test_the_printed_text_names_its_user_as_owner_and_holds_no_password(self, given: Settings) -> None:
        text = script(given)

        assert 'CREATE DATABASE warehouse OWNER "operations_' in text
        assert "CREATE ROLE dataops " not in text
        assert not any(password in text for password in given.roles_path.read_text().split('"')[3::4])

    def test_without_the_roles_it_says_what_an_administrator_has_to_run(self, given: Settings) -> None:
        with pytest.raises(DependencyUnavailable, match="dataops db bootstrap"):
            prepare_given(given)

    def test_the_readers_url_takes_the_kept_password(self, given: Settings) -> None:
        script(given)

        assert given.url("reader").startswith("postgresql+psycopg2://dataops_reader:")
        assert given.url("reader").endswith("/warehouse")

    def test_without_a_kept_password_it_says_how_to_get_one(self, given: Settings) -> None:
        with pytest.raises(DependencyUnavailable, match="DATAOPS_READER_URL"):
            given.url("reader")
