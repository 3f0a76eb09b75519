"""Connections to the warehouse with the owner's role, for writes that commit data and ledger together."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.errors import DependencyUnavailable


def libpq_url(url: str) -> str:
    """A SQLAlchemy URL as libpq and psql understand it."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


@contextmanager
def warehouse_connection(url: str, purpose: str = "dataops") -> Iterator[Connection]:
    """A fresh connection, one transaction: committed at the end, rolled back on any error, always closed.

    Raises:
        DependencyUnavailable: the warehouse does not answer.
    """
    try:
        connection = psycopg2.connect(libpq_url(url), connect_timeout=10, application_name=purpose[:60])
    except psycopg2.OperationalError as error:
        raise DependencyUnavailable("The warehouse database does not answer; try again shortly") from error
    try:
        with connection:
            with connection.cursor() as cursor:
                cursor.execute("SET TIME ZONE 'UTC'")
            yield connection
    finally:
        connection.close()
