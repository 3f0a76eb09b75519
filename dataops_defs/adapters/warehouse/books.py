"""Writing and reading the ledger and the rejected rows; always in the transaction of the data."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json, execute_values

from dataops_defs.adapters.warehouse.fence import hold_fence
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import storable


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


def keep_rejects(
    connection: Connection, entry: Entry, rejected: Iterable[RejectedRow], taken_keys: Mapping[int, str] = {}
) -> None:
    """Keep rows that could not be taken, with the reason and what they held.

    Args:
        taken_keys: by row number, the key of a row that was refused because a row before it has the same one.
    """
    rows = [
        (
            entry.run_id,
            entry.subject_kind,
            entry.subject_id,
            each.number,
            each.column and storable(each.column),
            storable(each.reason),
            json.dumps(each.raw, default=str),
            taken_keys.get(each.number),
        )
        for each in rejected
    ]
    if rows:
        with connection.cursor() as cursor:
            execute_values(
                cursor,
                "INSERT INTO dataops.reject"
                " (run_id, subject_kind, subject_id, row_number, column_name, reason, raw, taken_key) VALUES %s",
                rows,
                page_size=1000,
            )


def supersede_rejects(connection: Connection, entry: Entry) -> None:
    """Close the open rejects of a definition whose rows are all read anew in this transaction.

    To be called before the new rejects are kept.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataops.reject SET state = 'superseded', settled_by = %s, settled_at = now()"
            " WHERE subject_id = %s AND subject_kind = %s AND state = 'open'",
            (entry.run_id, entry.subject_id, entry.subject_kind),
        )


def supersede_all(connection: Connection, subject_kind: str, subject_ids: Sequence[str], run_id: str) -> None:
    """Close the open rejects of subjects whose rows are gone from their target."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataops.reject SET state = 'superseded', settled_by = %s, settled_at = now()"
            " WHERE subject_id = ANY(%s::uuid[]) AND subject_kind = %s AND state = 'open'",
            (run_id, list(subject_ids), subject_kind),
        )


def drop_rejects(connection: Connection, entry: Entry) -> None:
    """Forget the rejects of a write that begins anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM dataops.reject WHERE run_id = %s AND subject_id = %s", (entry.run_id, entry.subject_id)
        )
