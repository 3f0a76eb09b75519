"""Runs that are asked for by hand or by a webhook: document 000, "Manual Trigger"; DECISIONS 31."""

from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.dependencies import PROTECTED, CallerDep, ShimDep, known_parameters_only
from api_shim.runs import Order, WorkDep
from api_shim.schemas.base import refusals
from api_shim.schemas.triggers import (
    ManualRun,
    Notification,
    RunStarted,
    WebhookTaken,
    shown_parameters,
    shown_pipeline,
)
from api_shim.shim import Shim
from api_shim.trigger_requests import check_pipeline_use
from api_shim.webhooks import DeliveryDep
from dataops_defs.catalogue.audit import LAUNCHES
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.pipeline_registry import Pipeline, find_pipeline
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.trigger_firings import Firings
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import Triggers, public_id
from dataops_defs.domain.trigger import EMAIL, HISTORY_WORDS, TriggerType, check_parameters
from dataops_defs.errors import Conflict, Invalid
from dataops_defs.flows.deliver_alerts import NO_SERVER
from dataops_defs.flows.trigger_orders import RunOrder, order_of, public_run_id

PREFIX = "/api/v1/mvp/triggers"
router = APIRouter(prefix=PREFIX, tags=["mvp: triggers"], dependencies=PROTECTED)
hooks = APIRouter(prefix=PREFIX, tags=["mvp: triggers"], dependencies=[Depends(known_parameters_only)])


@router.post("/manual/{pipeline_id}", responses=refusals(404, 409, 429, 507), response_model_exclude_none=True)
async def run_pipeline(
    pipeline_id: str, shim: ShimDep, caller: CallerDep, work: WorkDep, body: ManualRun | None = None
) -> RunStarted:
    """Run a pipeline at once, also one that is disabled or paused for triggers; the run's status URL tells the rest."""
    given = body or ManualRun()
    told: list[Any] = []

    def order(session: Session) -> Order:
        pipeline = find_pipeline(session, pipeline_id)
        check_pipeline_use(session, caller, pipeline)
        trigger = _trigger_of(session, given.trigger_id, pipeline)
        parameters = {**(trigger.parameters if trigger else {}), **given.parameters}
        check_parameters(parameters, TriggerType.MANUAL)
        told.append(parameters.get(EMAIL))
        made = order_of(session, pipeline, TriggerType.MANUAL, parameters, trigger=trigger, moment=now())
        return _as_order(session, made)

    run_id = await work.begin(order)
    assert run_id is not None  # noqa: S101 - an order was found
    run = await run_in_threadpool(_run, shim, run_id)
    return RunStarted(
        run_id=public_run_id(run.id),
        pipeline_id=pipeline_id,
        status="running",
        started_at=run.started_at or run.created_at,
        parameters=shown_parameters(run),
        status_url=f"/api/v1/dataops/executions/{run.id}",
        notification=_notification(shim, told[0] if told else given.parameters.get(EMAIL)),
    )


@hooks.post("/webhook/{trigger_id}", responses=refusals(404, 409, 429, 507))
async def fire_webhook(trigger_id: str, delivery: DeliveryDep, shim: ShimDep, work: WorkDep) -> WebhookTaken:
    """Fire a webhook trigger: no token, but a signature over the delivery's id, its time and its body.

    The headers are Webhook-Id, Webhook-Timestamp (seconds since 1970, at most 5 minutes off) and Webhook-Signature:
    `v1,` and the base64 of the HMAC-SHA256 of `<id>.<timestamp>.<body>`. A delivery is taken once: sent again with the
    same id it is answered with the run that it has made.
    """
    taken: list[str] = []

    def order(session: Session) -> Order | None:
        row = Triggers(session).get(trigger_id)
        occasion, firings = f"delivery:{delivery.id}", Firings(session)
        firing = firings.take(row.id, occasion)
        if firing is None:
            taken.append(firings.run_of(row.id, occasion) or "")
            return None
        if row.paused_at is not None:
            raise Conflict(f"Trigger '{row.name}' is paused")
        pipeline = Triggers(session).pipeline(row)
        if pipeline.held_back:
            raise Conflict(f"{pipeline.held_back}: it is not run by triggers")
        made = order_of(
            session, pipeline, row.type, row.parameters, trigger=row, moment=now(), payload=delivery.payload()
        )
        firings.note_run(firing, made.run_id)
        return _as_order(session, made)

    run_id = await work.begin(order)
    return await run_in_threadpool(_taken, shim, trigger_id, run_id or taken[0], duplicate=run_id is None)


def _as_order(session: Session, made: RunOrder) -> Order:
    return Order(
        made.kind,
        made.pipeline.row.id,
        made.pipeline.row.name,
        LAUNCHES[made.kind],
        parameters=made.parameters,
        noted=lambda run: made.noted(session, run),
        run_id=made.run_id,
        trigger=str(made.type),
        trigger_id=made.trigger.id if made.trigger else None,
    )


def _trigger_of(session: Session, given: str | None, pipeline: Pipeline) -> TriggerRow | None:
    if given is None:
        return None
    row = Triggers(session).find(given, lock=True)
    if row is None or pipeline.row.id not in (row.etl_pipeline_id, row.graph_id):
        raise Invalid.field("trigger_id", f"pipeline '{pipeline.row.name}' has no trigger '{given[:80]}'")
    return row


def _notification(shim: Shim, address: Any) -> Notification | None:
    if not isinstance(address, str):
        return None
    return Notification(email=address, problem=None if shim.settings.mail_server else NO_SERVER)


def _run(shim: Shim, run_id: str) -> RunRow:
    with shim.platform.catalogue() as session:
        return Runs(session).get(run_id)


def _taken(shim: Shim, trigger_id: str, run_id: str, *, duplicate: bool) -> WebhookTaken:
    with shim.platform.catalogue() as session:
        row, run = Triggers(session).get(trigger_id), Runs(session).get(run_id)
        return WebhookTaken(
            run_id=public_run_id(run.id),
            trigger_id=public_id(row.id),
            pipeline_id=shown_pipeline(row, Triggers(session).pipeline(row)),
            status=HISTORY_WORDS[run.state] if duplicate else "running",
            started_at=run.started_at or run.created_at,
            duplicate=duplicate,
        )
