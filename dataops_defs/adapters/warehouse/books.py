"""Writing and reading the ledger and the rejected rows; always in the transaction of the data."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import RealDictCursor, execute_values

from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger


@dataclass(frozen=True)
class Entry:
    """Whose write this is: the run, the definition it was done for, and the target's name."""

    run_id: str
    subject_kind: str
    subject_id: str
    target: str


def enter(connection: Connection, entry: Entry, ledger: Ledger) -> None:
    """Write the ledger row of one write.

    Raises:
        LedgerImbalance: rows in and rows accounted for differ; the caller's transaction must not commit.
    """
    counts = ledger.balanced().as_json()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dataops.ledger (run_id, subject_kind, subject_id, target, read, inserted, updated,"
            " unchanged, rejected, filtered, deleted) VALUES (%(run_id)s, %(subject_kind)s, %(subject_id)s,"
            " %(target)s, %(read)s, %(inserted)s, %(updated)s, %(unchanged)s, %(rejected)s, %(filtered)s,"
            " %(deleted)s)",
            {**vars(entry), **counts},
        )


def keep_rejects(connection: Connection, entry: Entry, rejected: Iterable[RejectedRow]) -> None:
    """Keep rows that could not be taken, with the reason and what they held."""
    rows = [
        (
            entry.run_id,
            entry.subject_kind,
            entry.subject_id,
            each.number,
            each.column,
            _clean(each.reason),
            json.dumps(_clean(each.raw), default=str),
        )
        for each in rejected
    ]
    if rows:
        with connection.cursor() as cursor:
            execute_values(
                cursor,
                "INSERT INTO dataops.reject"
                " (run_id, subject_kind, subject_id, row_number, column_name, reason, raw) VALUES %s",
                rows,
                page_size=1000,
            )


def rejects_of(
    connection: Connection, subject_id: str, *, limit: int, offset: int = 0, run_id: str | None = None
) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Rejected rows of a dataset or mapping, newest run first, and their number in all."""
    condition = "subject_id = %(subject)s" + (" AND run_id = %(run)s" if run_id else "")
    values = {"subject": subject_id, "run": run_id, "limit": limit, "offset": offset}
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(f"SELECT count(*) AS n FROM dataops.reject WHERE {condition}", values)  # noqa: S608
        counted = cursor.fetchone()
        cursor.execute(  # the condition is one of two texts of ours
            "SELECT id, run_id, row_number, column_name, reason, raw, rejected_at FROM dataops.reject"  # noqa: S608
            f" WHERE {condition} ORDER BY run_id DESC, row_number, id LIMIT %(limit)s OFFSET %(offset)s",
            values,
        )
        return cursor.fetchall(), counted["n"] if counted else 0


def _clean(value: Any) -> Any:
    """The value with a mark in place of what PostgreSQL's text and jsonb cannot hold: NUL, half a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_clean(str(name)): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
