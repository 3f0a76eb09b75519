"""Patience with those who read.

Whoever waits for an exclusive lock holds up all readers that come after it. So we wait for a moment, let readers pass
for a longer one, and try again; both grow, for where reads overlap only a longer wait outlasts those under way.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_chain, wait_fixed

from dataops_defs.errors import Conflict

WAITS = ("100ms", "100ms", "200ms", "400ms", "800ms")
"""Less than PostgreSQL's ``deadlock_timeout`` of a second: where a reader and we wait for each other, we give way."""
PATIENCE_SECONDS = 300.0
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SAME_OWNER = """
SELECT format('ALTER %%s %%I.%%I OWNER TO %%I', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
    ELSE 'TABLE' END, n.nspname, c.relname, pg_get_userbyid(c.relowner))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""
"""Needs the exclusive lock and changes nothing."""
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
            wait = WAITS[min(attempt.retry_state.attempt_number, len(WAITS)) - 1]
            with attempt, _in_brief(cursor, wait):
                act()
    except BUSY:
        raise Conflict(
            f"{name} has been read for {patience:.0f} seconds without a pause, so that it could not be"
            " replaced or dropped; try again, or end what reads it"
        ) from None


def lock(cursor: Cursor, oid: int) -> None:
    """Take the exclusive lock of a table or view and no other; LOCK takes those of all that a view reads too."""
    cursor.execute(_SAME_OWNER, (oid,))
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)


@contextmanager
def _in_brief(cursor: Cursor, wait: str) -> Iterator[None]:
    cursor.execute("SAVEPOINT in_brief")
    cursor.execute(f"SET LOCAL lock_timeout = '{wait}'")
    try:
        yield
        cursor.execute("SET LOCAL lock_timeout = 0")
    except Exception:
        cursor.execute("ROLLBACK TO SAVEPOINT in_brief")
        raise
    finally:
        cursor.execute("RELEASE SAVEPOINT in_brief")
