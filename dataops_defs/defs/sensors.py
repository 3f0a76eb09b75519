"""Sensors: watched folders, the reconciler of run records, and automation of ``on_commit`` datamarts."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.watches import FoundFile, Watches
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import op_name, watch_sensor_name
from dataops_defs.domain.run import RunState
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.look_into_folder import look_into_folder
from dataops_defs.flows.platform import Platform

OLD_ENOUGH = timedelta(seconds=10)
STATE_OF = {
    dg.DagsterRunStatus.SUCCESS: RunState.SUCCEEDED,
    dg.DagsterRunStatus.FAILURE: RunState.FAILED,
    dg.DagsterRunStatus.CANCELED: RunState.CANCELLED,
}

SENTENCE_OF = {
    RunState.FAILED: "The run's worker died before it could finish; nothing of its unfinished step was published,"
    " and it can be run again",
    RunState.CANCELLED: "The run was terminated in Dagster",
}

automation_sensor = dg.AutomationConditionSensorDefinition(
    name="on_commit_datamarts",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Refreshes datamarts with the strategy on_commit when a table they read was written",
)


def watch_sensor(row: Mapping[str, Any], job: dg.JobDefinition) -> dg.SensorDefinition:
    """One sensor for a watched folder: a run for each new version of a file that has stopped changing."""
    status = dg.DefaultSensorStatus.RUNNING if row["enabled"] else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=watch_sensor_name(row["slug"]),
        job=job,
        minimum_interval_seconds=5,
        default_status=status,
        description=f"Looks into the watched folder '{row['name']}' for new files",
    )
    def look(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        opened = platform.open()
        try:
            found = look_into_folder(opened, row["id"])
        except DataOpsError as error:
            yield dg.SkipReason(str(error))
            return
        before = set(json.loads(context.cursor or "[]"))
        # A file counts once two looks in a row found it the same: it is not being written any more.
        settled = [FoundFile(each.path, each.fingerprint, each.size_bytes) for each in found if _mark(each) in before]
        with opened.catalogue() as session:
            pending = [(each.id, each.path) for each in Watches(session).note(row["id"], settled)]
        context.update_cursor(json.dumps([_mark(each) for each in found]))
        for file_id, path in pending:
            yield dg.RunRequest(
                run_key=file_id,
                run_config={"ops": {op_name(job.name): {"config": {"subject_id": file_id}}}},
                tags={"dataops/file": path[-200:]},
            )
        if not pending:
            yield dg.SkipReason(f"{len(found)} matching files, none of them new")

    return look


def _mark(file: FoundFile) -> str:
    return f"{file.fingerprint}:{file.path}"


@dg.sensor(
    name="reconcile_runs",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends run records whose Dagster run has ended without saying so",
)
def reconcile_sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
    """Repairs run records from Dagster: a killed worker cannot write its own end."""
    opened = platform.open()
    ended = reconcile_runs(context.instance, opened)
    return dg.SkipReason(f"{ended} run records ended")


def reconcile_runs(instance: dg.DagsterInstance, platform: Platform) -> int:
    """End the records whose Dagster run has ended; returns their number."""
    with platform.catalogue() as session:
        open_runs = {row.dagster_run_id: row.id for row in Runs(session).unfinished(datetime.now(UTC) - OLD_ENOUGH)}
    ended = 0
    known = [id for id in open_runs if id]
    for run in instance.get_runs(dg.RunsFilter(run_ids=known)) if known else []:
        state = STATE_OF.get(run.status)
        if state is not None:
            error = SENTENCE_OF.get(state)
            with platform.catalogue() as session:
                ended += Runs(session).finish(open_runs[run.run_id], state, error=error, code="RUN_ENDED") is not None
    return ended
