"""Cron schedules: one Dagster schedule a row; they share the static jobs."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dataops_defs.domain.naming import op_name

JOB_OF = {
    "dataset": "extract_dataset",
    "mapping": "sync_mapping",
    "pipeline": "execute_pipeline",
    "datamart": "refresh_datamart",
}


def schedule_definition(row: Mapping[str, Any], jobs: Mapping[str, dg.JobDefinition]) -> dg.ScheduleDefinition:
    """A row's schedule; it is started and stopped by name, so a reload never changes whether it runs."""
    job = jobs[JOB_OF[row["subject_kind"]]]
    return dg.ScheduleDefinition(
        name=row["name"],
        job=job,
        cron_schedule=row["cron"],
        execution_timezone=row["timezone"],
        run_config={"ops": {op_name(job.name): {"config": {"subject_id": row["subject_id"]}}}},
        tags={"dataops/subject_id": row["subject_id"]},
        description=f"Runs the {row['subject_kind']} at '{row['cron']}' ({row['timezone']})",
    )
