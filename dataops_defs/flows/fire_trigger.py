"""Fire a trigger from a schedule or a sensor: its occasion is taken once, however many schedulers there are.

The record of the run is made first and launched by whoever asked; should that one die, the outbox launches it.
Source: SAFETY design, section 3, fault 28; DECISIONS 11 and 28.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from dataops_defs.catalogue.audit import LAUNCHES, Actor, audit
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.pipeline_registry import Pipeline
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.trigger_firings import Firings
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.domain.schedule import Schedule
from dataops_defs.domain.trigger import TriggerType
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.outbox import Launch, launch_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.trigger_orders import Busy, RunOrder, order_of, public_run_id

# A tick is evaluated when its time has come: one from further ahead is somebody's test, and must not use it up.
AHEAD = timedelta(seconds=60)


@dataclass(frozen=True)
class Fired:
    """What came of an occasion: a launch, or only what is to be said of it."""

    told: str
    launch: Launch | None = None


def fire_tick(platform: Platform, trigger_id: str, tick: datetime, actor: Actor) -> Fired:
    """Make the run of one tick of a cron trigger, or say why there is none.

    A tick at which the pipeline may not run, or is at work, passes: the next one comes. A test of a tick that lies
    ahead changes nothing.
    """
    if tick > now() + AHEAD:
        return Fired(f"This tick is still to come, at {tick.isoformat()}; nothing is done before")
    with platform.catalogue() as session:
        row = Triggers(session).find(trigger_id, lock=True)
        schedule = Schedules(session).of(trigger_id)
        if row is None or schedule is None:
            return Fired("The trigger was deleted")
        if row.paused_at is not None and schedule.pending:
            return Fired(f"The trigger was paused at {row.paused_at.isoformat()}")
        occasion = tick.astimezone(UTC).isoformat()
        firing = Firings(session).take(row.id, occasion)
        if firing is None:
            return Fired(_taken(Firings(session).run_of(row.id, occasion)))
        pipeline = Triggers(session).pipeline(row)
        try:
            order = None if pipeline.held_back else _order(session, row, pipeline, tick, schedule.cron)
        except DataOpsError as error:
            reason = str(error)
        else:
            if order is not None:
                return _requested(platform, session, order, firing, actor)
            reason = pipeline.held_back or ""
        Triggers(session).skipped(row.id, reason)
        return Fired(f"Passed over: {reason}")


def fire_file(platform: Platform, trigger_id: str, path: str, occasion: str, actor: Actor) -> Fired | None:
    """Make the run of one version of a file.

    Returns:
        None when it has to wait: the trigger is paused, or the pipeline held back or at work. It is not taken then.
    """
    with platform.catalogue() as session:
        row = Triggers(session).find(trigger_id, lock=True)
        if row is None or (row.paused_at is not None and row.pending):
            return None
        pipeline = Triggers(session).pipeline(row)
        if pipeline.held_back:
            Triggers(session).skipped(row.id, pipeline.held_back)
            return None
        firing = Firings(session).take(row.id, occasion)
        if firing is None:
            return Fired(_taken(Firings(session).run_of(row.id, occasion)))
        try:
            order = order_of(
                session, pipeline, TriggerType.FILE, row.parameters, trigger=row, moment=now(), file_path=path
            )
        except Busy:
            session.rollback()
            return None
        except DataOpsError as error:
            Triggers(session).skipped(row.id, f"{path}: {error}")
            return Fired(f"Passed over: {path}: {error}")
        return _requested(platform, session, order, firing, actor)


def request_run(session: Session, order: RunOrder, actor: Actor, timeout_seconds: int) -> str:
    """Make the record of an order, with its audit line; returns its id."""
    trigger_id = order.trigger.id if order.trigger else None
    run = Runs(session).request(
        order.kind,
        order.pipeline.row.id,
        order.pipeline.row.name,
        id=order.run_id,
        trigger=str(order.type),
        trigger_id=trigger_id,
        requested_by=actor.name,
        parameters=dict(order.parameters),
        timeout_seconds=timeout_seconds,
    )
    order.noted(session, run)
    detail = {"name": run.subject_name, "executionId": run.id, **order.parameters}
    audit(session, actor, LAUNCHES[order.kind], run.subject_id, detail=detail)
    return run.id


def _requested(platform: Platform, session: Session, order: RunOrder, firing: str, actor: Actor) -> Fired:
    settings = platform.settings
    id = request_run(session, order, actor, settings.max_runtime_seconds)
    Firings(session).note_run(firing, id)
    outbox = Outbox(session)
    if not outbox.room(settings.max_queued_runs):
        return Fired(f"Run {public_run_id(id)} waits: Dagster's queue is full")
    run = Runs(session).get(id)
    outbox.hold(run)
    session.flush()
    return Fired(f"Run {public_run_id(id)}", launch_of(run, settings.max_runtime_seconds))


def _order(session: Session, row: TriggerRow, pipeline: Pipeline, tick: datetime, cron: str) -> RunOrder:
    before = Schedule(cron, row.timezone).before(tick)
    return order_of(session, pipeline, TriggerType.CRON, row.parameters, trigger=row, moment=tick, previous=before)


def _taken(run_id: str | None) -> str:
    return f"Taken already, by run {public_run_id(run_id)}" if run_id else "Taken already"
