"""Where a Dagster run meets its run record: begin once, do the work, end with one readable sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.errors import DataOpsError, RunStopped
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Work, sentence

Context = dg.OpExecutionContext | dg.AssetExecutionContext


class AlreadyTaken(Exception):
    """Another Dagster run does, or did, the work of this record."""


@contextmanager
def work_of_job(
    context: dg.OpExecutionContext, platform: Platform, kind: RunKind, subject_id: str, run_id: str | None
) -> Iterator[Work]:
    """The work of a job that is one execution: its record begins and ends here.

    Raises:
        AlreadyTaken: the record is cancelled, ended or carried by another Dagster run; nothing was done.
        dg.Failure: the work failed; the description is one readable sentence.
    """
    record = run_id or _new_record(context, platform, kind, subject_id)
    with platform.catalogue() as session:
        if not Runs(session).begin(record, context.run_id):
            raise AlreadyTaken(f"Execution {record} is cancelled, ended, or carried by another run")
    work = Work(platform, record, say=context.log.info)
    with _ends_badly(platform, record):
        yield work
    with platform.catalogue() as session:
        Runs(session).finish(record, RunState.SUCCEEDED)


@contextmanager
def work_of_asset(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Work]:
    """The work of one asset in a run that was started in the Dagster UI or by the ``dagster`` command.

    All assets of a Dagster run share one record; the last one to finish ends it, and the reconciler ends what a
    killed worker leaves.
    """
    record = _record_of_dagster_run(context, platform)
    work = Work(platform, record, say=context.log.info)
    with _ends_badly(platform, record):
        yield work
    with platform.catalogue() as session:
        runs = Runs(session)
        if len(runs.steps(record)) >= len(context.op_execution_context.job_def.nodes):
            runs.finish(record, RunState.SUCCEEDED)


@contextmanager
def _ends_badly(platform: Platform, record: str) -> Iterator[None]:
    """Write an error into the record, and raise it as Dagster shows it."""
    try:
        yield
    except BaseException as error:
        end_badly(platform, record, error)
        if isinstance(error, Exception):
            raise failure(error) from error
        raise


def end_badly(platform: Platform, record: str, error: BaseException) -> None:
    """End a record with its error in one sentence; a stop from outside is a cancellation."""
    stopped = isinstance(error, RunStopped | KeyboardInterrupt | dg.DagsterExecutionInterruptedError)
    state = RunState.CANCELLED if stopped else RunState.FAILED
    code = error.code if isinstance(error, DataOpsError) else DataOpsError.code
    text = "The run was cancelled" if stopped and not isinstance(error, RunStopped) else sentence(error)
    with platform.catalogue() as session:
        Runs(session).finish(record, state, error=text, code=code)


def failure(error: Exception) -> dg.Failure:
    """Our error as Dagster shows it; Dagster's own retries stay off, flows retry by themselves."""
    code = error.code if isinstance(error, DataOpsError) else type(error).__name__
    return dg.Failure(description=sentence(error), metadata={"error": code}, allow_retries=False)


def _new_record(context: Context, platform: Platform, kind: RunKind, subject_id: str | None) -> str:
    tags = context.run.tags
    trigger = (
        "schedule" if "dagster/schedule_name" in tags else "sensor" if "dagster/sensor_name" in tags else "dagster"
    )
    with platform.catalogue() as session:
        name = context.job_name if subject_id is None else None
        return Runs(session).request(kind, subject_id, name, trigger=trigger).id


def _record_of_dagster_run(context: dg.AssetExecutionContext, platform: Platform) -> str:
    with platform.catalogue() as session:
        found = Runs(session).by_dagster_run(context.run_id)
        if found is not None:
            return found.id
    record = _new_record(context, platform, RunKind.ASSETS, None)
    with platform.catalogue() as session:
        Runs(session).begin(record, context.run_id)
    return record
