"""Writing and reading the ledger and the rejected rows; always in the transaction of the data."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json, RealDictCursor, execute_values

from dataops_defs.adapters.warehouse.fence import hold_fence
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger


@dataclass(frozen=True)
class Entry:
    """Whose write this is: the run, the step and worker of it, the definition it is for, and the target's name."""

    run_id: str
    step_id: str
    epoch: int
    subject_kind: str
    subject_id: str
    target: str


_INSERT = (
    "INSERT INTO dataops.ledger (run_id, step_id, subject_kind, subject_id, target, read, inserted, updated,"
    " unchanged, rejected, filtered, deleted, outcome) VALUES (%(run_id)s, %(step_id)s, %(subject_kind)s,"
    " %(subject_id)s, %(target)s, %(read)s, %(inserted)s, %(updated)s, %(unchanged)s, %(rejected)s,"
    " %(filtered)s, %(deleted)s, %(outcome)s)"
)


def enter(connection: Connection, entry: Entry, ledger: Ledger, outcome: Mapping[str, Any] | None = None) -> None:
    """Write the ledger row of one write, as the last act of its transaction.

    Args:
        outcome: what the step did, for a worker that finds it done; None when the write does not complete the step.

    Raises:
        LedgerImbalance: rows in and rows accounted for differ; the caller's transaction must not commit.
        StaleWorker: another worker continues the run; likewise.
    """
    counts = ledger.balanced().as_json()
    hold_fence(connection, entry.run_id, entry.epoch)
    done = {"step_id": entry.step_id, "outcome": Json(outcome)} if outcome is not None else {}
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {**vars(entry), "step_id": None, "outcome": None, **done, **counts})


def add(connection: Connection, entry: Entry, ledger: Ledger, outcome: Mapping[str, Any] | None = None) -> None:
    """Add a batch to the ledger row of a write that commits batch by batch, in the batch's transaction.

    Args:
        outcome: given with the last one, as in `enter`.

    Raises:
        LedgerImbalance, StaleWorker: as `enter` does.
    """
    counts = ledger.balanced().as_json()
    hold_fence(connection, entry.run_id, entry.epoch)
    values = {**vars(entry), **counts, "outcome": None if outcome is None else Json(outcome)}
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_INSERT} ON CONFLICT (step_id) DO UPDATE SET"
            f" {', '.join(f'{name} = ledger.{name} + excluded.{name}' for name in counts)},"
            " outcome = excluded.outcome, committed_at = now()",
            values,
        )


def written(connection: Connection, step_id: str) -> tuple[Ledger, dict[str, Any]] | None:
    """What a step has committed, if all of it is: its ledger and its outcome."""
    ledger, outcome = written_so_far(connection, step_id)
    return None if outcome is None else (ledger, outcome)


def written_so_far(connection: Connection, step_id: str) -> tuple[Ledger, dict[str, Any] | None]:
    """What a step has committed: its ledger, and its outcome once that is all."""
    names = list(Ledger().as_json())
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT outcome, {', '.join(names)} FROM dataops.ledger WHERE step_id = %s",  # noqa: S608 - our names
            (step_id,),
        )
        row = cursor.fetchone()
    return (Ledger(**dict(zip(names, row[1:], strict=True))), row[0]) if row else (Ledger(), None)


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


def drop_rejects(connection: Connection, entry: Entry) -> None:
    """Forget the rejects of a write that begins anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM dataops.reject WHERE run_id = %s AND subject_id = %s", (entry.run_id, entry.subject_id)
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
