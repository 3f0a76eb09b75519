"""Sensors: watched folders, and automation of ``on_commit`` datamarts."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from dataops_defs.defs.launching import run_request
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import watch_sensor_name
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
    """One sensor for a watched folder: each new version of a file is imported once it has stopped changing.

    The marks of the files are kept in the catalogue: the cursor does not grow with them.
    """
    status = dg.DefaultSensorStatus.RUNNING if row["enabled"] else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name=watch_sensor_name(row["slug"]),
        job=job,
        minimum_interval_seconds=5,
        default_status=status,
        description=f"Looks into the watched folder '{row['name']}' for new files",
    )
    def look(
        _context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        try:
            found = look_into_folder(platform.open(), row["id"])
        except DataOpsError as error:
            yield dg.SkipReason(str(error))
            return
        yield from map(run_request, found.launches)
        if not found.launches:
            yield dg.SkipReason(f"{found.matching} matching files, none of them new")

    return look
