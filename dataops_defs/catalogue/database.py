"""Sessions on the catalogue database."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError, TimeoutError
from sqlalchemy.orm import Session

from dataops_defs.errors import DependencyUnavailable


@lru_cache(maxsize=8)
def engine(url: str) -> Engine:
    """The engine of this process for that database; connections are checked before use."""
    return create_engine(
        url,
        pool_size=10,
        max_overflow=20,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"connect_timeout": 5, "application_name": "dataops"},
    )


@contextmanager
def catalogue_session(url: str, *, durable: bool = True) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back on an error.

    Args:
        durable: False for what the next such write repeats (a heartbeat, progress): the commit does not wait for the
            disk, and a crash of the server may undo it.

    Raises:
        DependencyUnavailable: the database does not answer.
    """
    try:
        with Session(engine(url), expire_on_commit=False) as session, session.begin():
            if not durable:
                session.execute(text("SET LOCAL synchronous_commit TO off"))
            yield session
    except (OperationalError, TimeoutError) as error:
        raise DependencyUnavailable("The catalogue database does not answer; try again shortly") from error
