"""Connections to the warehouse with the owner's role, for writes that commit data and ledger together."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.errors import DependencyUnavailable, InsufficientStorage

MAX_PURPOSE = 63
CONFLICTS = (psycopg2.errors.DeadlockDetected, psycopg2.errors.SerializationFailure)
SHORTLY = "try again shortly"
# A statement whose client is gone ends within two seconds and holds its locks no longer.
SESSION = "SET TIME ZONE 'UTC'; SET client_connection_check_interval = '2s'"


def libpq_url(url: str) -> str:
    """A SQLAlchemy URL as libpq and psql understand it."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def locked(tables: Iterable[str] = ()) -> DependencyUnavailable:
    """What is said where a lock that somebody else holds was waited for in vain.

    Args:
        tables: among which the locked one is, as people name them.
    """
    among = ", ".join(tables)
    return DependencyUnavailable(f"Somebody has locked a table that this needs{among and f' ({among})'}; {SHORTLY}")


@contextmanager
def warehouse_connection(url: str, purpose: str = "dataops") -> Iterator[Connection]:
    """A fresh connection, one transaction: committed at the end, rolled back on any error, always closed.

    Raises:
        DependencyUnavailable: the warehouse does not answer, was lost, or could not settle a conflict; the
            transaction may have been committed only when the connection was lost at its very end.
        InsufficientStorage: its disk is full; nothing was committed.
    """
    try:
        connection = psycopg2.connect(libpq_url(url), connect_timeout=10, application_name=purpose[:MAX_PURPOSE])
    except psycopg2.OperationalError as error:
        raise DependencyUnavailable("The warehouse database does not answer; try again shortly") from error
    try:
        with connection:
            with connection.cursor() as cursor:
                cursor.execute(SESSION)
            yield connection
    except psycopg2.errors.LockNotAvailable as error:
        raise locked() from error
    except CONFLICTS as error:
        raise DependencyUnavailable("Another write to the warehouse was in the way; try again shortly") from error
    except psycopg2.errors.DiskFull as error:
        raise InsufficientStorage("The disk of the warehouse is full: make room on it, then try again") from error
    except psycopg2.Error as error:
        if connection.closed:
            raise DependencyUnavailable("The connection to the warehouse was lost; try again shortly") from error
        raise
    finally:
        connection.close()
