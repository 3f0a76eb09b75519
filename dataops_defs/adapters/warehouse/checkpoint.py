"""Checkpoints of ETL pipelines: one row for each, beside its data, so that rows and position commit together.

A load reads the query once into a spool, then takes the spool's rows batch by batch: ``position`` of ``rows`` are done.
Source: SAFETY design, section 2, points 2 to 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json, RealDictCursor

from dataops_defs.adapters.warehouse.fence import hold_fence
from dataops_defs.domain.etl import SqlColumn
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import StaleWorker

# Any number: the first key of the advisory locks of targets.
TARGETS = 6_230_116
LOST = "Another run has taken this pipeline over; this one commits nothing any more"


@dataclass(frozen=True)
class Checkpoint:
    """How far a load is.

    Args:
        turn: greater than any before, of whatever pipeline, whenever a worker takes one over.
        load: a short name of the load; the same for all workers that continue it.
        fingerprint: of the configuration the load was begun with.
        columns: of the query; between two loads those of the last one.
        spool: where the query's result lies; None while it is not written, and between two loads.
        counted: what became of the rows before ``position``.
        next_mark: the highest cursor in the spool; it becomes ``mark`` when the load is complete.
        mark: the highest cursor that was brought over; where the next incremental load begins.
    """

    pipeline_id: str
    run_id: str
    turn: int
    load: str
    fingerprint: str
    spool: str | None = None
    columns: Sequence[SqlColumn] = ()
    spooled_at: datetime | None = None
    rows: int = 0
    position: int = 0
    counted: Ledger = field(default_factory=Ledger)
    next_mark: str | None = None
    mark: str | None = None
    changed_at: datetime | None = None


def look(connection: Connection, pipeline_id: str) -> Checkpoint | None:
    """The checkpoint of a pipeline; None for one that never ran."""
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("SELECT * FROM dataops.checkpoint WHERE pipeline_id = %s", (pipeline_id,))
        found = cursor.fetchone()
    return _checkpoint(found) if found else None


def committed_by(connection: Connection, run_id: str) -> dict[str, Ledger]:
    """What a run has committed for each pipeline whose checkpoint it holds."""
    found = {}
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            "SELECT c.pipeline_id, c.counted, l.* FROM dataops.checkpoint c LEFT JOIN dataops.ledger l"
            " ON l.run_id = c.run_id AND l.subject_id = c.pipeline_id WHERE c.run_id = %s",
            (run_id,),
        )
        for row in cursor.fetchall():
            if row["id"] is None:
                # A full load has no ledger row before it is published.
                found[str(row["pipeline_id"])] = Ledger(**row["counted"]).unpublished()
            else:
                found[str(row["pipeline_id"])] = Ledger(**{name: row[name] for name in Ledger().as_json()})
    return found


def take(connection: Connection, pipeline_id: str, run_id: str, epoch: int, fingerprint: str) -> Checkpoint:
    """Make the pipeline's checkpoint this worker's; an unfinished load stays as it is.

    Raises:
        StaleWorker: a later worker of the run has done so.
    """
    hold_fence(connection, run_id, epoch)
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            "INSERT INTO dataops.checkpoint AS held (pipeline_id, run_id, load, fingerprint) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (pipeline_id) DO UPDATE SET run_id = excluded.run_id, turn = nextval('dataops.turns')"
            " RETURNING *",
            (pipeline_id, run_id, _new_load(), fingerprint),
        )
        return _checkpoint(cursor.fetchone() or {})


def hold_target(connection: Connection, target: str) -> bool:
    """Have a target for oneself, as long as the connection lasts; False while another pipeline has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (TARGETS, target))
        [(held,)] = cursor.fetchall()
    return bool(held)


def begin_load(checkpoint: Checkpoint, fingerprint: str) -> Checkpoint:
    """A load from the first row; mark and last columns stay while the configuration is the same."""
    begun = Checkpoint(checkpoint.pipeline_id, checkpoint.run_id, checkpoint.turn, _new_load(), fingerprint)
    if fingerprint != checkpoint.fingerprint:
        return begun
    return replace(begun, mark=checkpoint.mark, columns=checkpoint.columns)


def restarted(checkpoint: Checkpoint) -> Checkpoint:
    """The same spool from its first row."""
    return replace(checkpoint, position=0, counted=Ledger())


def finished(checkpoint: Checkpoint) -> Checkpoint:
    """Between two loads; what was counted stays for those who look."""
    mark = checkpoint.mark if checkpoint.next_mark is None else checkpoint.next_mark
    return replace(checkpoint, spool=None, next_mark=None, mark=mark)


def keep(connection: Connection, checkpoint: Checkpoint, epoch: int) -> None:
    """Write a checkpoint in the transaction of what it speaks of.

    Raises:
        StaleWorker: another worker has taken over; the transaction must not commit.
    """
    hold_fence(connection, checkpoint.run_id, epoch)
    values = {
        **vars(checkpoint),
        "columns": Json([asdict(each) for each in checkpoint.columns]),
        "counted": Json(checkpoint.counted.as_json()),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE dataops.checkpoint SET load = %(load)s, fingerprint = %(fingerprint)s, spool = %(spool)s,"
            " columns = %(columns)s, spooled_at = %(spooled_at)s, rows = %(rows)s, position = %(position)s,"
            " counted = %(counted)s, next_mark = %(next_mark)s, mark = %(mark)s, changed_at = now()"
            " WHERE pipeline_id = %(pipeline_id)s AND run_id = %(run_id)s AND turn = %(turn)s",
            values,
        )
        if cursor.rowcount == 0:
            raise StaleWorker(LOST)


def forget(connection: Connection, pipeline_id: str) -> None:
    """Remove the checkpoint of a deleted pipeline."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM dataops.checkpoint WHERE pipeline_id = %s", (pipeline_id,))


def _new_load() -> str:
    return uuid4().hex[:12]


def _checkpoint(row: Mapping[str, Any]) -> Checkpoint:
    values = {name: row[name] for name in Checkpoint.__dataclass_fields__}
    values["columns"] = [SqlColumn(**each) for each in row["columns"] or ()]
    values["counted"] = Ledger(**row["counted"])
    return Checkpoint(**values)
