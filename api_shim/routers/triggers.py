"""Triggers: document 000, "Simple Triggers & Scheduling"."""

from collections.abc import Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from api_shim.deleting import DeletionDep
from api_shim.dependencies import (
    PROTECTED,
    ChangeDep,
    ReadingDep,
    ShimDep,
    known_parameters_only,
)
from api_shim.grants import check_file_use
from api_shim.schemas.base import refusals
from api_shim.schemas.triggers import (
    HistoryEntry,
    NewSecret,
    TriggerCreate,
    TriggerCreated,
    TriggerDeleted,
    TriggerHistory,
    TriggerList,
    TriggerOut,
    TriggerPaused,
    TriggerResumed,
    next_execution,
    shown_pipeline,
)
from api_shim.shim import Shim
from api_shim.trigger_requests import check_own_fields, check_pipeline_use, row_of, webhook_url
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.pipeline_registry import find_pipeline
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.trigger_firings import Firings
from dataops_defs.catalogue.trigger_history import counts_of, history_of
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import Triggers, public_id, status_of
from dataops_defs.domain.trigger import TriggerType, check_parameters
from dataops_defs.errors import Conflict, NotFound
from dataops_defs.flows.look_for_trigger_files import occasions_there

router = APIRouter(prefix="/api/v1/mvp/triggers", tags=["mvp: triggers"], dependencies=PROTECTED)
hooks = APIRouter(prefix="/api/v1/mvp/triggers", tags=["mvp: triggers"], dependencies=[Depends(known_parameters_only)])
LOG = structlog.get_logger()
MOST = 1000


@router.post("/create", responses=refusals(404, 409))
def create_trigger(body: TriggerCreate, change: ChangeDep) -> TriggerCreated:
    """Define a trigger. A file trigger fires for files that come, or change, from now on."""
    pipeline = find_pipeline(change.session, body.pipeline_id)
    check_pipeline_use(change.session, change.caller, pipeline)
    check_parameters(body.parameters, body.trigger_type)
    check_own_fields(body)
    if body.file is not None:
        check_file_use(change.session, change.shim, change.caller, body.file.folder_path, folder=True)
    row = row_of(body, pipeline)
    triggers = Triggers(change.session)
    triggers.add(row)
    cron = None
    if row.type is TriggerType.CRON:
        cron = triggers.schedule(row, " ".join((body.cron_schedule or "").split())).cron
    secret = triggers.new_secret(row, change.shim.platform.keyring) if row.type is TriggerType.WEBHOOK else None
    if row.file is not None:
        Firings(change.session).pass_over(row.id, occasions_there(change.shim.platform, row.file))
    change.define("trigger.create", row, {"pipeline": pipeline.row.name})
    return TriggerCreated(
        trigger_id=public_id(row.id),
        name=row.name,
        pipeline_id=shown_pipeline(row, pipeline),
        trigger_type=row.type,
        cron_schedule=cron,
        next_execution=next_execution(row, cron, now()),
        status=str(status_of(row)),
        created_at=row.created_at,
        timezone=row.timezone,
        parameters=row.parameters,
        file=body.file,
        webhook_url=webhook_url(change.shim, row),
        secret=secret,
    )


@router.post("/{trigger_id}/secret", responses=refusals(404, 409))
def renew_secret(trigger_id: str, change: ChangeDep) -> NewSecret:
    """Give a webhook trigger a new secret, told here only; the old one counts no more."""
    row = Triggers(change.session).get(trigger_id, lock=True)
    url = webhook_url(change.shim, row)
    if url is None:
        raise Conflict(f"Trigger '{row.name}' is no webhook: it has no secret")
    secret = Triggers(change.session).new_secret(row, change.shim.platform.keyring)
    change.note("trigger.renew_secret", row.id, {"name": row.name})
    return NewSecret(trigger_id=public_id(row.id), webhook_url=url, secret=secret)


@router.put("/{trigger_id}/pause", responses=refusals(404))
def pause_trigger(trigger_id: str, change: ChangeDep) -> TriggerPaused:
    """Let it fire no more until it is resumed; runs that have begun go on."""
    row = Triggers(change.session).get(trigger_id, lock=True)
    Triggers(change.session).pause(row)
    change.define("trigger.pause", row)
    assert row.paused_at is not None  # noqa: S101 - it is now
    return TriggerPaused(trigger_id=public_id(row.id), status=str(status_of(row)), paused_at=row.paused_at)


@router.put("/{trigger_id}/resume", responses=refusals(404))
def resume_trigger(trigger_id: str, change: ChangeDep) -> TriggerResumed:
    """Let it fire again. Ticks that passed meanwhile are not made up for; files that came meanwhile are."""
    row = Triggers(change.session).get(trigger_id, lock=True)
    Triggers(change.session).resume(row)
    change.define("trigger.resume", row)
    following = next_execution(row, _cron(change.session, row), now())
    return TriggerResumed(trigger_id=public_id(row.id), status=str(status_of(row)), next_execution=following)


@router.delete("/{trigger_id}", responses=refusals(404))
def delete_trigger(trigger_id: str, change: ChangeDep, deletion: DeletionDep) -> TriggerDeleted:
    """Delete a trigger; the executions that it has made stay."""
    row = Triggers(change.session).get(trigger_id, lock=True)
    deletion.of(row)
    return TriggerDeleted(trigger_id=public_id(row.id), deleted_at=now())


@router.get("", responses=refusals())
def list_triggers(
    session: ReadingDep,
    shim: ShimDep,
    pipeline_id: Annotated[str | None, Query(max_length=200, description="The id or the name of a pipeline")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> TriggerList:
    """Triggers of all pipelines, or of one, the oldest first."""
    try:
        pipeline = find_pipeline(session, pipeline_id) if pipeline_id is not None else None
    except NotFound:
        return TriggerList(triggers=[], total=0)
    rows, total = Triggers(session).of_pipeline(pipeline, limit=limit, offset=offset)
    return TriggerList(triggers=_shown(session, shim, rows), total=total)


@router.get("/{trigger_id}", responses=refusals(404))
def get_trigger(trigger_id: str, session: ReadingDep, shim: ShimDep) -> TriggerOut:
    """One trigger."""
    [shown] = _shown(session, shim, [Triggers(session).get(trigger_id)])
    return shown


@router.get("/{trigger_id}/history", responses=refusals(404), response_model_exclude_none=False)
def get_history(
    trigger_id: str, session: ReadingDep, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> TriggerHistory:
    """Its executions, newest first; the totals are of all of them, whatever the limit."""
    row, moment = Triggers(session).get(trigger_id), now()
    counts = counts_of(session, [row.id])[row.id]
    return TriggerHistory(
        trigger_id=public_id(row.id),
        history=[HistoryEntry.of(run, moment) for run in history_of(session, row.id, limit)],
        total_executions=counts.runs,
        success_rate=counts.success_rate,
    )


def _cron(session: Session, row: TriggerRow) -> str | None:
    kept = Schedules(session).of(row.id)
    return kept.cron if kept else None


def _shown(session: Session, shim: Shim, rows: Sequence[TriggerRow]) -> list[TriggerOut]:
    ids, moment = [row.id for row in rows], now()
    schedules = Schedules(session).of_many(ids)
    counts, pipelines = counts_of(session, ids), Triggers(session).pipelines(rows)
    shown = []
    for row in rows:
        cron = schedules[row.id].cron if row.id in schedules else None
        made = TriggerOut.of(row, pipelines[row.id], cron, counts[row.id], moment)
        made.webhook_url = webhook_url(shim, row)
        shown.append(made)
    return shown
