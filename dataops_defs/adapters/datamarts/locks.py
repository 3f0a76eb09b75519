"""Patience with those who read.

Whoever waits for an exclusive lock holds up all readers that come after it. So we wait a second at most, let readers
pass, and try again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_chain, wait_fixed

from dataops_defs.errors import Conflict

LOCK_TIMEOUT = "1s"
PATIENCE_SECONDS = 300.0
PAUSES = (0.2, 0.5, 1.0, 2.0)
BUSY = (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected)


def patiently(cursor: Cursor, name: str, act: Callable[[], None], seconds: float | None = None) -> None:
    """Do what takes an exclusive lock; while somebody reads, undo it, let others read too, and try again.

    Args:
        seconds: how long our patience lasts; five minutes when left out.

    Raises:
        Conflict: somebody has read for longer than our patience lasts.
    """
    patience = PATIENCE_SECONDS if seconds is None else seconds
    tries = Retrying(
        retry=retry_if_exception_type(BUSY),
        wait=wait_chain(*map(wait_fixed, PAUSES)),
        stop=stop_after_delay(patience),
        reraise=True,
    )
    try:
        for attempt in tries:
            with attempt, _in_brief(cursor):
                act()
    except BUSY:
        raise Conflict(
            f"{name} has been read for {patience:.0f} seconds without a pause, so that it could not be"
            " replaced or dropped; try again, or end what reads it"
        ) from None


@contextmanager
def _in_brief(cursor: Cursor) -> Iterator[None]:
    cursor.execute("SAVEPOINT in_brief")
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    try:
        yield
        cursor.execute("SET LOCAL lock_timeout = 0")
    except Exception:
        cursor.execute("ROLLBACK TO SAVEPOINT in_brief")
        raise
    finally:
        cursor.execute("RELEASE SAVEPOINT in_brief")
