"""Run records and Dagster's runs brought to agree: what died is continued, what was ended in Dagster is ended here.

Source: ARCHITECTURE, "How Dagster sees it", runs; SAFETY design, section 2, point 6.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy.orm import Session

from dataops_defs.catalogue.audit import audit_launch
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.defs.running import trigger_of
from dataops_defs.defs.selection import PIPELINE_PREFIX
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import DRY_RUN, JOB_OF, WAITING, RunKind, RunState
from dataops_defs.flows.outbox import RUN_ID_TAG, settle_books
from dataops_defs.flows.platform import Platform

MANY = 500
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
NOT_BEGUN = UNDER_WAY[:3]
TAKEN_UP_TAG = "dataops/taken_up"
LOST_LATELY = timedelta(minutes=15)
KIND_OF = {job: kind for kind, job in JOB_OF.items()}
CANCELLED_IN_DAGSTER = "The run was terminated in Dagster"


def reconcile(instance: dg.DagsterInstance, platform: Platform) -> str:
    """Bring both to agree; returns one sentence on what was done."""
    told = _note_launches(instance, platform)
    with platform.catalogue() as session:
        carried = list(Runs(session).carried(MANY))
    ids = [row.dagster_run_id for row in carried if row.dagster_run_id]
    runs = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=ids))} if ids else {}
    ended = sum(_settle(platform, row, runs.get(row.dagster_run_id or "")) for row in carried)
    closed = _close_abandoned(instance, platform)
    taken = _take_up_lost(instance, platform)
    return f"{told} launches noted, {ended} records settled, {closed} abandoned runs closed, {taken} lost ones taken up"


def _note_launches(instance: dg.DagsterInstance, platform: Platform) -> int:
    """A run that a sensor asked for is known to its record before it begins, so that it is not launched twice."""
    waiting = _by_record(instance.get_runs(dg.RunsFilter(statuses=NOT_BEGUN), limit=MANY))
    with platform.catalogue() as session:
        for record, run in waiting.items():
            Outbox(session).launched(record, run.run_id)
    return len(waiting)


def _settle(platform: Platform, row: RunRow, run: dg.DagsterRun | None) -> bool:
    """Whether something had to be done for a record, given the Dagster run that carries it (None: deleted)."""
    if run is not None and not run.is_finished:
        return False
    if run is None and row.state not in WAITING:
        return False  # its lease decides
    with platform.catalogue() as session:
        if run is not None and run.status is dg.DagsterRunStatus.CANCELED:
            runs = Runs(session)
            if runs.get(row.id).dagster_run_id == run.run_id:  # else it was paused, or another run has it by now
                runs.finish(row.id, RunState.CANCELLED, error=CANCELLED_IN_DAGSTER, code="RUN_ENDED")
                settle_books(platform, session, row.id, row.epoch)
        else:
            Leases(session).release_of(row.dagster_run_id or "")
    return True


def _close_abandoned(instance: dg.DagsterInstance, platform: Platform) -> int:
    """End, in Dagster, runs whose record another run carries by now, or has ended without them."""
    under_way = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY), limit=MANY)
    records = _records(platform, under_way)
    closed = 0
    for run in under_way:
        row = records.get(run.tags.get(RUN_ID_TAG, ""))
        if run.parent_run_id is not None or row is None or row.epoch == 0:
            continue
        if row.dagster_run_id not in (None, run.run_id):
            instance.report_run_failed(run, "Another run continues this one: its worker was gone")
            closed += 1
    return closed


def _records(platform: Platform, runs: Sequence[dg.DagsterRun]) -> Mapping[str, RunRow]:
    with platform.catalogue() as session:
        return Runs(session).by_ids(list(_by_record(runs)))


def _by_record(runs: Sequence[dg.DagsterRun]) -> dict[str, dg.DagsterRun]:
    return {run.tags[RUN_ID_TAG]: run for run in runs if RUN_ID_TAG in run.tags and run.parent_run_id is None}


def _take_up_lost(instance: dg.DagsterInstance, platform: Platform) -> int:
    """Make a request of each run of ours that a schedule, a sensor or a person started and that died before its work
    began: it is launched again.
    """
    lately = datetime.now(UTC) - LOST_LATELY
    failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=lately), limit=MANY)
    taken = 0
    for run in failed:
        # A run that repeats another one has the other's tag.
        known_by = TAKEN_UP_TAG if run.parent_run_id else RUN_ID_TAG
        if known_by in run.tags or run.remote_job_origin is None:
            continue
        with platform.catalogue() as session:
            known = Runs(session).by_dagster_run(run.run_id)
            row = known or request_again(session, run, platform.settings.max_runtime_seconds)
            if row is None:
                continue
        instance.add_run_tags(run.run_id, {RUN_ID_TAG: row.id, TAKEN_UP_TAG: row.id})
        taken += known is None
    return taken


def request_again(session: Session, run: dg.DagsterRun, limit: int) -> RunRow | None:
    """The request for what a Dagster run was to do; None for a run that is no work of ours."""
    kind = KIND_OF.get(run.job_name)
    subject: str | None = None
    parameters: dict[str, Any] = {}
    if run.job_name.startswith(PIPELINE_PREFIX):
        kind, subject = RunKind.PIPELINE, run.tags.get("dataops/id")
    elif kind is RunKind.ASSETS:
        parameters = {"assets": sorted(list(key.path) for key in run.asset_selection or ())}
    elif kind is not None:
        ops: Any = run.run_config.get("ops", {})
        config = ops.get(op_name(run.job_name), {}).get("config", {})
        subject, parameters = config.get("subject_id"), {DRY_RUN: True} if config.get("dry_run") else {}
    if kind is None or not (as_uuid(subject or "") or parameters.get("assets")):
        return None
    row = Runs(session).request(
        kind, subject, None, trigger=trigger_of(run.tags), timeout_seconds=limit, parameters=parameters
    )
    audit_launch(session, run.tags, row)
    return row
