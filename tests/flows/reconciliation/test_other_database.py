from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pytest

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.domain.reconciliation import Difference, DifferenceKind
from dataops_defs.errors import Invalid, SourceUnavailable
from dataops_defs.services.embedded import free_port
from tests.flows.reconciliation.cinema import FILM, Cinema

MISSING, EXTRA, DIFFERENT, MULTIPLICITY = DifferenceKind


class TestAnotherDatabase:
    @pytest.fixture
    def operations(self, cinema: Cinema, operations_url: str) -> dict[str, Any]:
        """Films in a database of their own; the pipeline's arguments to read them there."""
        with closing(psycopg2.connect(libpq_url(operations_url))) as connection, connection:
            connection.cursor().execute(
                f"CREATE TABLE film ({FILM});"
                "INSERT INTO film SELECT i, 'Film ' || i, i / 100.0 FROM generate_series(1, 500) i"
            )
        cinema.query = "SELECT * FROM film"
        return {"source_id": cinema.world.source("Operations", "postgres", **_connection(operations_url))}

    def test_is_compared_with_the_warehouse(self, cinema: Cinema, operations: dict[str, Any]) -> None:
        cinema.target(FILM)
        cinema.world.sql(
            "INSERT INTO analytics.film_dim SELECT i, 'Film ' || i, i / 100.0 FROM generate_series(1, 500) i"
        )
        found = cinema.reconciled(**operations)
        assert found.in_sync
        assert found.source == "Operations"
        cinema.world.sql("DELETE FROM analytics.film_dim WHERE id = 250")
        found = cinema.reconciled(**operations)
        assert found.findings.differences == [Difference({"id": 250}, MISSING, 1, 0)]
        assert "one after the other" in found.notes[-1]

    def test_may_keep_its_texts_in_another_encoding_and_order(self, cinema: Cinema, server: Any) -> None:
        server.execute(
            "DROP DATABASE IF EXISTS western",
            "CREATE DATABASE western OWNER dataops TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
        )
        cities = "INSERT INTO {} SELECT chr(65 + i) || 'öln' || chr(192 + i), 'ß' || i FROM generate_series(0, 60) i"
        with closing(psycopg2.connect(libpq_url(server.url("western")))) as connection, connection:
            connection.cursor().execute("CREATE TABLE city (name text, mayor text);" + cities.format("city"))
        cinema.query = "SELECT * FROM city"
        cinema.target("name text, mayor varchar(9)")
        cinema.world.sql(cities.format("analytics.film_dim"))
        source_id = cinema.world.source("Western", "postgres", **_connection(server.url("western")))
        found = cinema.reconciled(source_id=source_id)
        assert found.in_sync
        assert found.findings.ranges[1].low == "DölnÃ"
        cinema.world.sql("DELETE FROM analytics.film_dim WHERE name = 'GölnÆ'")
        assert cinema.differences(source_id=source_id) == [Difference({"name": "GölnÆ"}, MISSING, 1, 0)]

    def test_that_does_not_answer_is_named(self, cinema: Cinema) -> None:
        where = {"host": "127.0.0.1", "port": free_port(), "database": "x", "username": "x", "password": "x"}
        with pytest.raises(SourceUnavailable, match="did not answer"):
            cinema.reconciled(source_id=cinema.world.source("Gone", "postgres", **where))

    def test_of_files_is_refused(self, cinema: Cinema) -> None:
        with pytest.raises(Invalid, match="a pipeline reads one of PostgreSQL"):
            cinema.reconciled(source_id=cinema.world.csv("films.csv", "id\n1\n"))


def _connection(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path[1:],
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
