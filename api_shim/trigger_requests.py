"""What requests about triggers have in common: who may make them, the row of a new one, where webhooks are sent."""

import anyio.from_thread
import structlog
from sqlalchemy.orm import Session

from api_shim.auth import WEBHOOK, Caller
from api_shim.changes import clear_schedule
from api_shim.dependencies import Change
from api_shim.grants import check_use
from api_shim.schemas.triggers import TriggerCreate
from api_shim.shim import Shim
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.grants import Reads
from dataops_defs.catalogue.models import EtlPipelineRow
from dataops_defs.catalogue.pipeline_registry import PREFIX as PIPELINE_PREFIX
from dataops_defs.catalogue.pipeline_registry import Pipeline
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import public_id
from dataops_defs.domain.naming import trigger_name
from dataops_defs.domain.schedule import schedule
from dataops_defs.domain.trigger import TriggerType
from dataops_defs.errors import DependencyUnavailable, Invalid

LOG = structlog.get_logger()
EVERY_DAY = "0 0 * * *"
FIELDS = {"schedule.cron": "cron_schedule", "schedule.timezone": "timezone"}


def check_pipeline_use(session: Session, caller: Caller, pipeline: Pipeline) -> None:
    """Refuse whoever may not use what a pipeline reads: having it run takes that right.

    Raises:
        Forbidden: a source of it is restricted to others.
    """
    reads, ids = Reads(session), [pipeline.row.id]
    etl = isinstance(pipeline.row, EtlPipelineRow)
    check_use(session, caller, *(reads.etl_pipelines(ids) if etl else reads.pipelines(ids)))


def clear_trigger(change: Change, row: TriggerRow) -> None:
    """Take a trigger's schedule or sensor away; Dagster stops it first, or a new one of that name would fire."""
    clear_schedule(change, row)
    if row.type is not TriggerType.FILE:
        return
    try:
        anyio.from_thread.run(change.shim.mirror.triggers.stop, trigger_name(row.slug))
    except DependencyUnavailable as error:
        LOG.warning("a trigger was removed without stopping its sensor", trigger=row.name, reason=str(error))


def check_own_fields(body: TriggerCreate) -> None:
    """Refuse a trigger without what its type needs, or with what only another takes.

    Raises:
        Invalid: the field is named; also a cron line or a time zone that is none.
    """
    for name, kind, value in (
        ("cron_schedule", TriggerType.CRON, body.cron_schedule),
        ("file", TriggerType.FILE, body.file),
    ):
        if body.trigger_type is kind and value is None:
            raise Invalid.field(name, f"is required: a {kind} trigger does not fire without")
        if body.trigger_type is not kind and value is not None:
            raise Invalid.field(name, f"is only for {kind} triggers")
    cron = EVERY_DAY if body.cron_schedule is None else body.cron_schedule
    try:
        schedule({"cron": cron, "timezone": body.timezone})
    except Invalid as error:
        raise Invalid.field(FIELDS[error.fields[0].field], error.fields[0].message) from None


def row_of(body: TriggerCreate, pipeline: Pipeline) -> TriggerRow:
    """The row of a new trigger."""
    etl = isinstance(pipeline.row, EtlPipelineRow)
    return TriggerRow(
        id=new_id(),
        name=body.name,
        app=pipeline.row.app,
        type=body.trigger_type,
        etl_pipeline_id=pipeline.row.id if etl else None,
        graph_id=None if etl else pipeline.row.id,
        by_name=as_uuid(body.pipeline_id.removeprefix(PIPELINE_PREFIX)) is None,
        timezone=body.timezone,
        parameters=body.parameters,
        file=body.file.model_dump() if body.file else None,
        paused_at=None if body.enabled else now(),
        pending=body.trigger_type is TriggerType.FILE,
    )


def webhook_url(shim: Shim, row: TriggerRow) -> str | None:
    """Where deliveries are sent; None of a trigger that is no webhook."""
    if row.type is not TriggerType.WEBHOOK:
        return None
    base = (shim.settings.public_url or shim.settings.api_url).rstrip("/")
    return base + WEBHOOK.format(trigger_id=public_id(row.id))
