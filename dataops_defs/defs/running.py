"""Where a Dagster run meets its run record: begin once, do the work, end with one readable sentence."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import dagster as dg
from sqlalchemy.orm import Session

from dataops_defs.catalogue.audit import audit_launch
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.leases import Held, Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import DRY_RUN, JOB_OF, REHEARSED, RunKind, RunState
from dataops_defs.errors import (
    DataOpsError,
    DependencyUnavailable,
    Invalid,
    NotFound,
    RunPaused,
    RunStopped,
    RunTimedOut,
)
from dataops_defs.flows.lease import CANCELLED, OVERDUE, Lease
from dataops_defs.flows.outbox import DRY_RUN_TAG, RUN_ID_TAG, settle_books
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.rehearsal import is_dry
from dataops_defs.flows.work import UNFINISHED, Work, sentence

Context = dg.OpExecutionContext | dg.AssetExecutionContext
MAX_RUNTIME_TAG = "dagster/max_runtime"
# Dagster ends a run at its limit too; its clock began a little earlier.
DAGSTER_WAS_FASTER_SECONDS = 5.0
TERMINATING = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)


# The records of the Dagster runs that this process works at: all assets of a run are worked at in one process.
_record_of: dict[str, str] = {}


@dataclass(frozen=True)
class Ending:
    """How an execution ends, and the sentence and code of its error."""

    state: RunState
    error: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Ordered:
    """What a Dagster run of a job is to do; its record is made where it has none."""

    kind: RunKind
    subject_id: str
    run_id: str | None = None
    dry_run: bool = False


class AlreadyTaken(Exception):
    """Another Dagster run does, or did, the work of this record."""


@contextmanager
def work_of_job(context: dg.OpExecutionContext, platform: Platform, order: Ordered) -> Iterator[Work]:
    """The work of a job that is one execution: its record begins and ends here.

    Raises:
        AlreadyTaken: the record is cancelled, ended or carried by another Dagster run; nothing was done.
        RunPaused: the record waits for somebody to resume it.
        dg.Failure: the work failed; the description is one readable sentence.
    """
    if as_uuid(order.subject_id) is None:
        raise failure(NotFound(f"'{order.subject_id[:80]}' is no id of the catalogue"))
    if order.dry_run and order.kind not in REHEARSED:
        raise failure(Invalid.field("dry_run", f"what a job of kind {order.kind} does cannot be told beforehand"))
    given = None if context.run.parent_run_id else order.run_id  # run again in Dagster, it is an execution of its own
    with platform.catalogue() as session:
        record = given or _new_record(session, context, platform.settings.max_runtime_seconds, order).id
        held = Leases(session).begin(record, context.run_id)
        dry_run = is_dry(Runs(session).get(record))
    if held is None:
        raise AlreadyTaken(f"Execution {record} is cancelled, ended, or carried by another run")
    if record != order.run_id:
        tags = {RUN_ID_TAG: record} | ({DRY_RUN_TAG: "true"} if dry_run else {})
        context.instance.add_run_tags(context.run_id, tags)

    def fails(lease: Lease, ending: Ending) -> None:
        _finish(platform, lease, ending)

    with Lease(platform, held).kept() as lease, _ends_badly(context, lease, platform, fails):
        yield Work(platform, lease, say=context.log.info, dry_run=dry_run)
        _finish(platform, lease, Ending(RunState.SUCCEEDED))


@contextmanager
def work_of_asset(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Work]:
    """The work of one asset; all assets of a Dagster run share one record, and the last one to finish ends it."""
    with platform.catalogue() as session:
        held = _joined(session, context, platform.settings.max_runtime_seconds)
    _record_of[context.run_id] = held.run_id
    context.instance.add_run_tags(context.run_id, {RUN_ID_TAG: held.run_id})

    def fails(lease: Lease, ending: Ending) -> None:
        if ending.state is RunState.FAILED:
            _account_for(context, platform, lease, ending)
        else:
            _finish(platform, lease, ending)

    with Lease(platform, held).kept() as lease, _ends_badly(context, lease, platform, fails):
        yield Work(platform, lease, say=context.log.info)
        _account_for(context, platform, lease, None)


def _account_for(context: dg.AssetExecutionContext, platform: Platform, lease: Lease, error: Ending | None) -> None:
    """Note that an asset is done, or failed: the last of a run to be accounted for ends its record.

    Dagster goes on with the assets that do not depend on one that failed, and so does the record.
    """
    told = (error.error or "", error.code or "") if error is not None else None
    skipped = _below(context) if error is not None else []
    with platform.catalogue() as session:
        accounted, first = Runs(session).asset_ended(lease.run_id, context.asset_key.to_user_string(), told, skipped)
    if accounted >= len(context.run.step_keys_to_execute or context.op_execution_context.job_def.nodes):
        _finish(platform, lease, Ending(RunState.FAILED, *first) if first else Ending(RunState.SUCCEEDED))


def _below(context: dg.AssetExecutionContext) -> list[str]:
    """The assets of this run that Dagster leaves out when this one fails."""
    layer = context.op_execution_context.job_def.asset_layer
    steps = context.run.step_keys_to_execute
    chosen = {key for key in layer.selected_asset_keys if steps is None or key.to_python_identifier() in steps}
    found: set[dg.AssetKey] = set()
    waiting = [context.asset_key]
    while waiting:
        below = (layer.get(waiting.pop()).child_keys & chosen) - found
        found |= below
        waiting += below
    return [key.to_user_string() for key in found]


@contextmanager
def _ends_badly(
    context: Context, lease: Lease, platform: Platform, fails: Callable[[Lease, Ending], None]
) -> Iterator[None]:
    """Write an error into the record, or leave the work to another worker; and raise it as Dagster shows it."""
    try:
        yield
    except RunPaused:
        with platform.catalogue() as session:
            paused = Runs(session).pause(lease.run_id, lease.epoch)
        if not paused:  # resumed at the last moment: the next worker goes on
            lease.release()
        raise
    except BaseException as error:
        if isinstance(error, UNFINISHED) or (not isinstance(error, Exception) and not _was_terminated(context)):
            with suppress(DataOpsError):  # the lease ends by itself if the database is away
                lease.release(sentence(error) if isinstance(error, DataOpsError) else None)
        else:
            fails(lease, _ending(lease, error))
        if isinstance(error, Exception):
            raise failure(error) from error
        raise


def _was_terminated(context: Context) -> bool:
    """Whether somebody wanted this run to end: a worker that is swept away with its machine is continued instead."""
    run = context.instance.get_run_by_id(context.run_id)
    in_this_process = run is not None and run.remote_job_origin is None
    return run is None or in_this_process or run.status in TERMINATING


def _ending(lease: Lease, error: BaseException) -> Ending:
    if not isinstance(error, Exception) and lease.seconds_left < DAGSTER_WAS_FASTER_SECONDS:
        error = RunTimedOut(OVERDUE)
    elif not isinstance(error, Exception):
        error = RunStopped(CANCELLED)
    state = RunState.FAILED
    if isinstance(error, RunTimedOut):
        state = RunState.TIMED_OUT
    elif isinstance(error, RunStopped):
        state = RunState.CANCELLED
    code = error.code if isinstance(error, DataOpsError) else DataOpsError.code
    return Ending(state, sentence(error), code)


def _finish(platform: Platform, lease: Lease, how: Ending) -> None:
    with platform.catalogue() as session:
        if Runs(session).finish(lease.run_id, how.state, error=how.error, code=how.code, epoch=lease.epoch):
            with suppress(DependencyUnavailable):  # the record tells how far the last note was
                settle_books(platform, session, lease.run_id, lease.epoch)


def failure(error: Exception) -> dg.Failure:
    """Our error as Dagster shows it; Dagster's own retries stay off, flows retry by themselves."""
    code = error.code if isinstance(error, DataOpsError) else type(error).__name__
    return dg.Failure(description=sentence(error), metadata={"error": code}, allow_retries=False)


def _new_record(session: Session, context: Context, limit: int, order: Ordered | None) -> RunRow:
    """The record of a run that was started in Dagster, without an order of its assets; nobody else launches it."""
    tags = context.run.tags
    tagged = tags.get(MAX_RUNTIME_TAG, "")
    row = Runs(session).request(
        order.kind if order else RunKind.ASSETS,
        order.subject_id if order else None,
        None if order else _named(context),
        trigger=trigger_of(tags),
        timeout_seconds=int(tagged) if tagged.isdecimal() and tagged.isascii() else limit,
        parameters=({DRY_RUN: True} if order.dry_run else None) if order else _selected(context),
    )
    Outbox(session).hold(row)
    audit_launch(session, tags, row)
    session.flush()
    return row


def trigger_of(tags: Mapping[str, str]) -> str:
    """What started a Dagster run that no request asked for."""
    if "dagster/schedule_name" in tags:
        return "schedule"
    return "sensor" if "dagster/sensor_name" in tags else "dagster"


def _named(context: Context) -> str:
    """A pipeline's job by its name, a run of assets by the first of them and how many more there are."""
    if context.job_name != JOB_OF[RunKind.ASSETS]:
        return context.job_name
    first, *others = ["/".join(path) for path in _selected(context)["assets"]] or [context.job_name]
    return f"{first} and {len(others)} more" if others else first


def _selected(context: Context) -> dict[str, list[list[str]]]:
    """The assets of a run, so that it can be launched again."""
    keys = context.op_execution_context.job_def.asset_layer.selected_asset_keys
    steps = context.run.step_keys_to_execute  # of a run that goes on from a failure, only those
    chosen = [key for key in keys if steps is None or key.to_python_identifier() in steps]
    return {"assets": sorted(list(key.path) for key in chosen)}


def _joined(session: Session, context: dg.AssetExecutionContext, limit: int) -> Held:
    begun = _record_of.get(context.run_id)
    if begun is not None:
        # Whoever has taken the record over does what is left of it, and this process nothing more.
        held = Leases(session).join(begun, context.run_id)
        if held is None:
            raise dg.Failure(f"Execution {begun} is paused, ended, or carried by another run", allow_retries=False)
        return held
    leases, known = Leases(session), Runs(session).by_dagster_run(context.run_id)
    record = known.id if known else None
    if record is None and not context.run.parent_run_id:
        record = context.run.tags.get(RUN_ID_TAG)
    if record is None:
        record = _new_record(session, context, limit, None).id
    held = leases.join(record, context.run_id) or leases.begin(record, context.run_id)
    if held is None:
        raise dg.Failure(f"Execution {record} is cancelled, ended, or carried by another run", allow_retries=False)
    return held
