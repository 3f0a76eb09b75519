"""Sensors: watched folders, and automation of ``on_commit`` datamarts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from dataops_defs.catalogue.watches import FoundFile, Watches
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import op_name, watch_sensor_name
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.look_into_folder import look_into_folder

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
