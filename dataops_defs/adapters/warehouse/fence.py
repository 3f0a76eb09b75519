"""The fence: one row for each run beside its data, so that only the newest worker's transactions commit.

Source: SAFETY design, section 2, points 2 to 4.
"""

from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.errors import StaleWorker


def take_fence(connection: Connection, run_id: str, epoch: int) -> None:
    """Take a run over from its earlier workers, whose open transactions are ended first.

    After the caller's commit no earlier worker can commit; what it had committed before can be read.

    Raises:
        StaleWorker: a later worker has taken over already.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
            " AND pid <> pg_backend_pid() AND application_name LIKE %(any)s AND application_name NOT LIKE %(mine)s",
            {"any": f"% {run_id}:%", "mine": f"% {run_id}:{epoch}"},
        )
    hold_fence(connection, run_id, epoch)


def hold_fence(connection: Connection, run_id: str, epoch: int) -> None:
    """Make sure, until this transaction ends, that no later worker takes the run over.

    Raises:
        StaleWorker: one has done so; the transaction must not commit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dataops.fence AS held (run_id, epoch) VALUES (%s, %s) ON CONFLICT (run_id)"
            " DO UPDATE SET epoch = excluded.epoch, taken_at = now() WHERE held.epoch <= excluded.epoch"
            " RETURNING epoch",
            (run_id, epoch),
        )
        if cursor.fetchone() is None:
            raise StaleWorker("Another worker continues this run; this one commits nothing any more")


def purge_fences(connection: Connection, before: datetime) -> int:
    """Remove the rows of runs last taken before that moment, when none of them can be at work any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dataops.fence WHERE taken_at < %s", (before,))
        return cursor.rowcount
