"""One transaction at a time works at a datamart; what the one before it did."""

from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812


def take_turn(cursor: Cursor, datamart_id: str) -> None:
    """Wait until no other transaction works at the datamart; the turn ends with the transaction."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_key(datamart_id),))


def take_free_turn(cursor: Cursor, datamart_id: str) -> bool:
    """Take the turn if nobody has it."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (_key(datamart_id),))
    [(taken,)] = cursor.fetchall()
    return bool(taken)


def moment(cursor: Cursor) -> datetime:
    """The server's time at this moment; a transaction's own time stands still."""
    cursor.execute("SELECT clock_timestamp()")
    [(found,)] = cursor.fetchall()
    return datetime.fromisoformat(found.isoformat())


def last_outcome(cursor: Cursor, datamart_id: str) -> dict[str, Any]:
    """What the last refresh that was committed did; empty before the first."""
    cursor.execute(
        "SELECT outcome FROM dataops.ledger WHERE subject_id = %s AND subject_kind = 'datamart'"
        " AND outcome IS NOT NULL ORDER BY id DESC LIMIT 1",
        (datamart_id,),
    )
    found = cursor.fetchone()
    return dict(found[0]) if found else {}


def _key(datamart_id: str) -> str:
    return f"datamart {datamart_id}"
