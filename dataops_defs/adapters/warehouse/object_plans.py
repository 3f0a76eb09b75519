"""What a sync is about to write into a store without transactions: decided once, kept, carried out by whoever can.

A plan is committed before its first write, so a worker that continues a run writes what its predecessor would have,
and counts it once. Kept beside the ledger, and gone with the transaction that enters it.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.warehouse.books import Entry
from dataops_defs.adapters.warehouse.fence import hold_fence

Action = Literal["put", "delete", "refuse"]


@dataclass(frozen=True)
class PlannedWrite:
    """One write, or a staged row that is refused instead; ``content`` is JSON in the store's own form."""

    action: Action
    content: Any
    row_number: int | None = None
    reason: str | None = None


@dataclass
class ObjectPlan:
    """What becomes of the staged rows; ``written`` of the writes are done for sure."""

    fingerprint: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    filtered: int = 0
    deleted: int = 0
    written: int = 0
    refused: list[PlannedWrite] = field(default_factory=list)


_COUNTS = ("inserted", "updated", "unchanged", "filtered", "deleted", "written")


def find_plan(connection: Connection, entry: Entry) -> ObjectPlan | None:
    """The plan that a worker of this step has kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, inserted, updated, unchanged, filtered, deleted, written"
            " FROM dataops.object_plan WHERE step_id = %s",
            (entry.step_id,),
        )
        row = cursor.fetchone()
        if row is None:
            return None
        cursor.execute(
            "SELECT action, content, row_number, reason FROM dataops.object_write"
            " WHERE step_id = %s AND action = 'refuse' ORDER BY position",
            (entry.step_id,),
        )
        plan = ObjectPlan(*row)
        plan.refused = [PlannedWrite(*each) for each in cursor.fetchall()]
    return plan


def begin_plan(connection: Connection, entry: Entry, fingerprint: str) -> None:
    """Begin a plan in place of one that the step may have; it counts once the caller commits.

    Raises:
        StaleWorker: a later worker has taken the run over.
    """
    hold_fence(connection, entry.run_id, entry.epoch)
    forget_plan(connection, entry)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dataops.object_plan (step_id, run_id, fingerprint) VALUES (%s, %s, %s)",
            (entry.step_id, entry.run_id, fingerprint),
        )


def add_writes(connection: Connection, entry: Entry, first: int, writes: Iterable[PlannedWrite]) -> int:
    """Add writes, numbered from ``first``; returns the next number."""
    lines, number = io.StringIO(), first
    out = csv.writer(lines)
    for number, each in enumerate(writes, first):
        content = json.dumps(each.content, ensure_ascii=False)
        out.writerow([entry.step_id, number, each.action, content, each.row_number, each.reason])
    lines.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(
            "COPY dataops.object_write (step_id, position, action, content, row_number, reason)"
            " FROM STDIN (FORMAT csv)",
            lines,
        )
        return number + 1 if cursor.rowcount else first


def settle_plan(connection: Connection, entry: Entry, plan: ObjectPlan) -> None:
    """Keep a plan's counts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataops.object_plan SET inserted = %(inserted)s, updated = %(updated)s, unchanged = %(unchanged)s,"
            " filtered = %(filtered)s, deleted = %(deleted)s WHERE step_id = %(step_id)s",
            {**{name: getattr(plan, name) for name in _COUNTS}, "step_id": entry.step_id},
        )


def writes_after(
    connection: Connection, entry: Entry, position: int, rows: int, characters: int
) -> Iterator[Sequence[tuple[int, PlannedWrite]]]:
    """The writes after a position with their positions, in windows of at most so many rows, and about as much JSON."""
    with connection.cursor(f"dataops_writes_{position}") as cursor:
        cursor.itersize = 50
        cursor.execute(
            "SELECT position, action, content::text FROM dataops.object_write"
            " WHERE step_id = %s AND position > %s AND action <> 'refuse' ORDER BY position",
            (entry.step_id, position),
        )
        window: list[tuple[int, PlannedWrite]] = []
        size = 0
        for place, action, content in cursor:
            window.append((place, PlannedWrite(action, json.loads(content))))
            size += len(content)
            if len(window) >= rows or size >= characters:
                yield window
                window, size = [], 0
        if window:
            yield window


def note_written(connection: Connection, entry: Entry, position: int) -> None:
    """Keep how far the writes are.

    Raises:
        StaleWorker: a later worker has taken the run over; it goes on from here.
    """
    hold_fence(connection, entry.run_id, entry.epoch)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE dataops.object_plan SET written = %s WHERE step_id = %s", (position, entry.step_id))


def forget_plan(connection: Connection, entry: Entry) -> None:
    """Remove the plan of a step."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dataops.object_plan WHERE step_id = %s", (entry.step_id,))


def purge_plans(connection: Connection, before: datetime) -> int:
    """Remove plans made before that moment, when no run can be at work at them any more."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dataops.object_plan WHERE made_at < %s", (before,))
        return cursor.rowcount
