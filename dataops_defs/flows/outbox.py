"""From a run record to a launch: what Dagster is asked for. Used by the REST API and by a sensor, which share the work.

Source: ARCHITECTURE, "Asking for work is an outbox"; SAFETY design, section 2, point 6.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from dataops_defs.adapters.warehouse.checkpoint import committed_by
from dataops_defs.adapters.warehouse.fence import take_fence
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.naming import AssetPath, op_name
from dataops_defs.domain.run import BY_SENSOR, JOB_OF, RunKind, RunState
from dataops_defs.domain.trigger import PARAMETERS
from dataops_defs.flows.disk_space import is_full
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.rehearsal import discard_copies, is_dry

LAUNCHES_AT_ONCE = 20
# Dagster ends a run by this much later than the run itself would, should its worker not do so.
GRACE_SECONDS = 60
RUN_ID_TAG = "dataops/run_id"
DRY_RUN_TAG = "dataops/dry_run"
PRIORITY_TAG = "dagster/priority"
REST = "rest"
USER_TAG = "user"
"""Dagster shows a run that has it as launched by that user, and others as launched by hand."""
LONGEST_TAG = 500


@dataclass(frozen=True)
class Launch:
    """A Dagster run to be launched for a record: a job with its configuration, or a selection of assets."""

    run_id: str
    attempt: int
    job: str
    run_config: Mapping[str, Any]
    tags: Mapping[str, str]
    assets: Sequence[AssetPath] = ()


def launch_of(row: RunRow, max_runtime_seconds: int) -> Launch:
    """What Dagster is asked for to have a record's work done."""
    job = JOB_OF[row.kind]
    limit = (row.timeout_seconds or max_runtime_seconds) + GRACE_SECONDS
    dry = {"dry_run": True} if is_dry(row) else {}
    person = row.requested_by if row.trigger == REST else None
    tags = {
        RUN_ID_TAG: row.id,
        USER_TAG if person else "dataops/requested_by": row.requested_by or row.trigger,
        "dagster/max_runtime": str(limit),
    }
    if dry:
        tags[DRY_RUN_TAG] = "true"
    tags |= _given(row)
    if row.epoch:
        tags[PRIORITY_TAG] = "1"  # what was under way goes before what waits
    elif row.trigger == BY_SENSOR:
        tags[PRIORITY_TAG] = "-1"  # thousands of files hold up nobody who asks for something
    if row.kind is RunKind.ASSETS:
        assets = [tuple(path) for path in row.parameters.get("assets", [])]
        return Launch(row.id, row.attempts, job, {}, tags, assets)
    config = {"ops": {op_name(job): {"config": {"subject_id": row.subject_id, "run_id": row.id, **dry}}}}
    return Launch(row.id, row.attempts, job, config, tags)


def _given(row: RunRow) -> dict[str, str]:
    """What people see in Dagster of what fired a run, and of its parameters."""
    tags = {} if row.trigger == REST else {"dataops/trigger": row.trigger}
    if row.trigger_id is not None:
        tags["dataops/trigger_id"] = row.trigger_id
    if given := row.parameters.get(PARAMETERS):
        tags["dataops/parameters"] = json.dumps(given, ensure_ascii=False, default=str)[:LONGEST_TAG]
    return tags


def due_launches(platform: Platform, of_assets: bool | None = None) -> list[Launch]:
    """Decide for the dead, then claim the requests that are due, oldest first; what a sensor has found comes last.

    Args:
        of_assets: only runs of assets, or only those of static jobs; None for both.
    """
    reap(platform)
    if is_full(platform.settings):
        return []  # what waits goes on waiting, until there is room
    with platform.catalogue() as session:
        outbox, rows = Outbox(session), list[RunRow]()
        for found in (False, True):
            room = outbox.room(platform.settings.max_queued_runs, found=found)
            rows += outbox.claim(min(LAUNCHES_AT_ONCE - len(rows), room), of_assets, found=found)
        return [launch_of(row, platform.settings.max_runtime_seconds) for row in rows]


def reap(platform: Platform) -> int:
    """Decide for all runs whose worker is gone; returns how many another worker will continue.

    Where none follows, nobody else would fence the worker off, should it be frozen and not dead, nor say what it had
    committed when it died.
    """
    with platform.catalogue() as session:
        buried = Leases(session).reap()
        for each in buried:
            if each.state is not RunState.QUEUED:
                settle_books(platform, session, each.run_id, each.epoch)
        return sum(each.state is RunState.QUEUED for each in buried)


def settle_books(platform: Platform, session: Session, run_id: str, epoch: int) -> None:
    """Fence off the worker of an ended run, write into its record what it had committed, drop what it rehearsed."""
    with platform.warehouse("dataops takeover") as connection:
        take_fence(connection, run_id, epoch + 1)
        committed = committed_by(connection, run_id)
    for subject_id, ledger in committed.items():
        Runs(session).note_committed(run_id, subject_id, ledger)
    discard_copies(platform, session, run_id)


def note_launched(platform: Platform, run_id: str, dagster_run_id: str) -> None:
    """Note which Dagster run carries the request."""
    with platform.catalogue() as session:
        Outbox(session).launched(run_id, dagster_run_id)


def note_not_launched(platform: Platform, run_id: str, reason: str) -> None:
    """Note why a launch failed; it is tried again later."""
    with platform.catalogue() as session:
        Outbox(session).postpone(run_id, reason)
