"""The demo's operations database: airlines and flights in a database of the same server, and a login that may read."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from pyarrow import csv, parquet

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.tokens import new_token
from dataops_defs.errors import DataOpsError, DependencyUnavailable

DATABASE = "operations"
READER = "operations_reader"
TABLES = {
    "airlines": "carrier text PRIMARY KEY, name text NOT NULL",
    "flights": "year int NOT NULL, month int NOT NULL, day int NOT NULL, dep_delay int, arr_delay int,"
    " carrier text NOT NULL REFERENCES airlines, flight int NOT NULL, tailnum text, origin text NOT NULL,"
    " dest text NOT NULL, air_time int, distance int NOT NULL, time_hour timestamptz NOT NULL,"
    " PRIMARY KEY (year, month, day, carrier, flight, origin)",
}


def make_operations(admin_url: str, data: Path, password: str | None = None) -> dict[str, Any]:
    """Make the database when it is missing; returns the connection settings of a source that reads it.

    Args:
        admin_url: a role that may create databases and roles.
        data: folder with ``airlines.csv`` and ``flights.parquet``.
        password: of the reading login; made anew when left out.
    """
    password = password or new_token()
    with _connected(admin_url) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (READER,))
            verb = "CREATE" if cursor.fetchone() is None else "ALTER"
            cursor.execute(
                sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(READER), sql.Literal(password))
            )
    with _connected(_database_url(admin_url)) as connection, connection:
        _fill(connection, data)
    server = urlsplit(libpq_url(admin_url))
    return {
        "host": server.hostname or "127.0.0.1",
        "port": server.port or 5432,
        "database": DATABASE,
        "username": READER,
        "password": password,
    }


def _fill(connection: Connection, data: Path) -> None:
    with connection.cursor() as cursor:
        for name, columns in TABLES.items():
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name)))
            filled = cursor.fetchone()
            if not filled or not filled[0]:
                table = csv.read_csv(data / "airlines.csv") if name == "airlines" else None
                _copy(connection, name, table or parquet.read_table(data / "flights.parquet"))
        cursor.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(READER)))


def _copy(connection: Connection, name: str, table: pa.Table) -> None:
    buffer = BytesIO()
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in table.schema.names)
    with connection.cursor() as cursor:
        cursor.copy_expert(
            sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(name), columns), buffer
        )


def _database_url(url: str) -> str:
    return urlsplit(libpq_url(url))._replace(path=f"/{DATABASE}").geturl()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    try:
        connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
    except psycopg2.OperationalError as error:
        raise DependencyUnavailable("The demo cannot reach the PostgreSQL server") from error
    try:
        yield connection
    except psycopg2.errors.InsufficientPrivilege as error:
        raise DataOpsError(
            f"The demo needs a role that may create databases and roles: {error.diag.message_primary}"
        ) from None
    finally:
        connection.close()
