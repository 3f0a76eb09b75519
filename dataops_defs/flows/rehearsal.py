"""A dry run: all of the work is done and nothing of it kept, so that its counts are those of the work itself.

What it writes into the warehouse is rolled back (see `Work.warehouse`); raw copies that it extracts are read by its
mappings and removed when it ends. Whatever of them a dead process leaves behind no ledger speaks of: the nightly purge
takes it, as it takes those of dead extractions.
"""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from dataops_defs.adapters.warehouse.purge import copies_in_ledger
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import DRY_RUN, RunKind, RunState
from dataops_defs.errors import DataOpsError, storable
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.platform import Platform

LOG = structlog.get_logger()
MOST_REJECTS = 20
LONGEST_TEXT = 500


def is_dry(run: RunRow) -> bool:
    """Whether an execution only tells what would be done."""
    return bool(run.parameters.get(DRY_RUN))


def copy_of(platform: Platform, run_id: str, dataset_id: str) -> Outcome | None:
    """The raw copy of a dataset that this dry run has extracted, whichever of its workers did so.

    None also where the copy would wait in quarantine: mappings go on with the one there is.
    """
    with platform.catalogue() as session:
        step = session.scalars(_done(run_id, RunKind.EXTRACT).where(RunStepRow.subject_id == dataset_id)).first()
    found = Outcome.from_json(Ledger(**step.ledger), step.result) if step else None
    return None if found is None or found.details.get("quarantined") else found


def discard_copies(platform: Platform, session: Session, run_id: str) -> None:
    """Remove the raw copies of a dry run that has ended; where that is not possible now, the nightly purge does it.

    One that is accounted for is not its own: an extraction that finds nothing new names the copy there is.
    """
    run = session.get_one(RunRow, run_id)
    if not is_dry(run) or not run.state.ended:
        return
    with suppress(DataOpsError), platform.warehouse("dataops rehearsal") as connection:
        for step in session.scalars(_done(run_id, RunKind.EXTRACT)):
            if step.result["uri"] not in copies_in_ledger(connection, step.subject_id):
                platform.raw_store.delete(step.result["uri"])


def told(session: Session, run_id: str, outcome: Outcome) -> dict[str, Any]:
    """What is kept of a rehearsed step: its outcome, a few of the rows it would reject, what it could not know."""
    before = [
        step.subject_name
        for step in session.scalars(_done(run_id, RunKind.SYNC))
        if step.result.get("uri") == outcome.uri
    ]
    kept = outcome.as_json()
    if before:
        kept["checks"] = [*kept["checks"], _counted_alone(before).as_json()]
    return {**kept, "rejects": [_sample(each) for each in outcome.rejected[:MOST_REJECTS]]}


def sentence_of(ledger: Ledger) -> str:
    """The counts in words."""
    return (
        f"would insert {ledger.inserted}, update {ledger.updated}, delete {ledger.deleted}, leave"
        f" {ledger.unchanged + ledger.filtered} alone and reject {ledger.rejected} of {ledger.read} rows"
    )


def _done(run_id: str, kind: RunKind) -> Any:
    return (
        select(RunStepRow)
        .where(RunStepRow.run_id == run_id, RunStepRow.kind == kind, RunStepRow.state == RunState.SUCCEEDED)
        .order_by(RunStepRow.id.desc())
    )


def _counted_alone(before: Iterable[str]) -> Check:
    names = ", ".join(f"'{name}'" for name in before)
    return Check(
        "counted_with_what_precedes",
        False,
        f"{names} of this dry run would write the same objects first; they are counted here as they are now",
    )


def _sample(row: RejectedRow) -> dict[str, Any]:
    return {
        "rowNumber": row.number,
        "column": row.column and storable(row.column),
        "reason": storable(row.reason)[:LONGEST_TEXT],
        "raw": _plain(row.raw),
    }


def _plain(value: object) -> Any:
    """A value as JSONB takes it; long texts are cut."""
    if isinstance(value, Mapping):
        return {storable(str(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return storable(str(value))[:LONGEST_TEXT]
