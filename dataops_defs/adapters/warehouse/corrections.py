"""Replays of a mapping's rejected rows: what is to be tried again, with which corrections, and what came of it.

Corrections are kept before the run that replays them begins; all else happens in the transaction of its objects.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from dataops_defs.domain.rejects import RejectState
from dataops_defs.errors import storable

PAGE_ROWS = 1_000
IDS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Waiting:
    """An open reject that is tried again: its content, and the key that it must not have (see `Reject`)."""

    id: int
    row_number: int
    content: Mapping[str, Any]
    taken_key: str | None


@dataclass(frozen=True)
class Refused:
    """A reject that failed again: why, in which column, and the key that another row has, if that is why."""

    id: int
    reason: str
    column: str | None = None
    taken_key: str | None = None


def keep_corrections(connection: Connection, run_id: str, corrections: Mapping[int, Mapping[str, Any]]) -> None:
    """Keep what a run is to try again: by the reject's id, all columns that differ from what its row held."""
    rows = [(id, run_id, json.dumps(columns)) for id, columns in corrections.items()]
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            "INSERT INTO dataops.correction (reject_id, run_id, corrected) VALUES %s",
            rows,
            page_size=PAGE_ROWS,
        )


def settled_before(connection: Connection, run_id: str, subject_id: str) -> dict[RejectState, int]:
    """How many of the rejects that a run is to try again are repaired or superseded already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.state, count(*) FROM dataops.reject r JOIN dataops.correction c ON c.reject_id = r.id"
            " WHERE c.run_id = %s AND r.subject_id = %s AND r.state <> 'open' GROUP BY 1",
            (run_id, subject_id),
        )
        return {RejectState(state): count for state, count in cursor.fetchall()}


def waiting_rejects(
    connection: Connection, run_id: str, subject_id: str, *, chosen: bool, batch_rows: int
) -> Iterator[list[Waiting]]:
    """The open rejects to try again, in the order of their rows, batch by batch.

    Args:
        chosen: those that corrections were kept for under this run; else all that are open.
    """
    one_of = "JOIN" if chosen else "LEFT JOIN"
    with connection.cursor("waiting") as cursor:
        cursor.itersize = batch_rows
        cursor.execute(
            "SELECT r.id, r.row_number, r.raw, coalesce(c.corrected, r.corrected), r.taken_key"  # noqa: S608
            f" FROM dataops.reject r {one_of} dataops.correction c ON c.reject_id = r.id AND c.run_id = %s"
            " WHERE r.subject_id = %s AND r.state = 'open' ORDER BY r.row_number, r.id",
            (run_id, subject_id),
        )
        while rows := cursor.fetchmany(batch_rows):
            yield [
                Waiting(id, number, {**raw, **(corrected or {})}, taken) for id, number, raw, corrected, taken in rows
            ]


def adopt_corrections(connection: Connection, run_id: str) -> None:
    """Note with the open rejects what the run tried for them: the next attempt begins there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataops.reject r SET corrected = c.corrected FROM dataops.correction c"
            " WHERE c.run_id = %s AND c.reject_id = r.id AND r.state = 'open' AND c.corrected::text <> '{}'",
            (run_id,),
        )


def still_rejected(connection: Connection, refused: Sequence[Refused]) -> None:
    """Note why these failed again; they stay open."""
    rows = [(each.id, storable(each.reason), each.column and storable(each.column), each.taken_key) for each in refused]
    if rows:
        with connection.cursor() as cursor:
            execute_values(
                cursor,
                "UPDATE dataops.reject r SET reason = v.reason, column_name = v.column_name,"
                " taken_key = coalesce(v.taken_key, r.taken_key)"
                " FROM (VALUES %s) AS v (id, reason, column_name, taken_key) WHERE r.id = v.id",
                rows,
                template="(%s::bigint, %s::text, %s::text, %s::text)",
                page_size=PAGE_ROWS,
            )


def mark_repaired(connection: Connection, run_id: str, ids: Sequence[int]) -> None:
    """Close rejects whose rows are among the objects now."""
    with connection.cursor() as cursor:
        for start in range(0, len(ids), IDS_AT_ONCE):
            cursor.execute(
                "UPDATE dataops.reject SET state = 'repaired', settled_by = %s, settled_at = now()"
                " WHERE id = ANY(%s) AND state = 'open'",
                (run_id, list(ids[start : start + IDS_AT_ONCE])),
            )
