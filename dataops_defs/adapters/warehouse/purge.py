"""What retention asks of the ledger, and the rejected rows it deletes, a window at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

WINDOW_ROWS = 5_000


@dataclass(frozen=True)
class Window:
    """One step through the rejects: the id it reached, and the rows and bytes that it deleted on the way."""

    upto: int
    rows: int
    bytes: int


def datasets_in_ledger(connection: Connection) -> Sequence[str]:
    """Ids of all datasets that were ever extracted, also of those that are deleted since."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT subject_id FROM dataops.ledger WHERE subject_kind = 'dataset' ORDER BY 1")
        return [row[0] for row in cursor.fetchall()]


def copies_in_ledger(connection: Connection, dataset_id: str) -> frozenset[str]:
    """Addresses of all raw copies of a dataset that were ever accounted for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT target FROM dataops.ledger WHERE subject_id = %s AND subject_kind = 'dataset'",
            (dataset_id,),
        )
        return frozenset(row[0] for row in cursor.fetchall())


def purge_rejects_after(connection: Connection, id: int, before: datetime) -> Window | None:
    """Delete what is older than ``before`` among the next 5,000 rejects after ``id``, but for the newest runs'.

    The newest run of a subject is the one of its newest ledger row; replays speak of the rejects of a run before them.
    Rejects are numbered as they come, so the first
    window without an old one ends the search: what a long transaction numbered later is found another night.

    Returns:
        None when there is nothing (more) to look at.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH next AS MATERIALIZED ("
            "  SELECT id, run_id, subject_id, rejected_at FROM dataops.reject WHERE id > %(id)s ORDER BY id LIMIT %(n)s"
            "), newest AS ("
            "  SELECT subject_id, (SELECT l.run_id FROM dataops.ledger l WHERE l.subject_id = s.subject_id"
            "                      AND l.subject_kind <> 'replay' ORDER BY l.id DESC LIMIT 1) AS run_id"
            "  FROM (SELECT DISTINCT subject_id FROM next) s"
            "), gone AS ("
            "  DELETE FROM dataops.reject r USING next, newest WHERE r.id = next.id AND next.rejected_at < %(before)s"
            "  AND newest.subject_id = next.subject_id AND newest.run_id <> next.run_id"
            "  RETURNING pg_column_size(r.*) AS size"
            ") SELECT (SELECT max(id) FROM next WHERE (SELECT min(rejected_at) FROM next) < %(before)s),"
            "  (SELECT count(*) FROM gone), (SELECT coalesce(sum(size), 0)::bigint FROM gone)",
            {"id": id, "n": WINDOW_ROWS, "before": before},
        )
        [(upto, rows, size)] = cursor.fetchall()
    return None if upto is None else Window(upto, rows, size)
