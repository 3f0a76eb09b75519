"""Triggers in Dagster: a schedule for each cron trigger, a sensor for each file trigger, mail at the end of runs.

Webhook and manual triggers need neither: the REST API takes what they are sent.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dataops_defs.catalogue.audit import SCHEDULE, SENSOR, Actor
from dataops_defs.catalogue.trigger_firings import Firings
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import trigger_name
from dataops_defs.domain.run import JOB_OF, RunKind
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.fire_trigger import fire_file, fire_tick
from dataops_defs.flows.look_for_trigger_files import look, settled
from dataops_defs.flows.mail_run_ends import mail_run_ends
from dataops_defs.flows.outbox import Launch

Requests = Iterator[dg.RunRequest | dg.SkipReason]
Jobs = Mapping[str, dg.JobDefinition]
MOST_AT_ONCE = 50
FIRINGS_KEPT = timedelta(days=90)


class NoticesNotSent(Exception):
    """Mail that is not tried again; the tick that gave it up is shown as failed."""


def trigger_schedule(schedule: Mapping[str, Any], row: Mapping[str, Any], jobs: Jobs) -> dg.ScheduleDefinition:
    """The schedule of a cron trigger. What is missed while no daemon runs: Dagster makes up for the newest tick."""
    name = schedule["name"]

    @dg.schedule(
        name=name,
        job=_job(row, jobs),
        cron_schedule=schedule["cron"],
        execution_timezone=schedule["timezone"],
        tags=_tags(row),
        description=f"Trigger '{row['name']}': runs its pipeline at '{schedule['cron']}' ({schedule['timezone']})",
    )
    def tick(context: dg.ScheduleEvaluationContext, platform: PlatformResource) -> Requests:
        fired = fire_tick(platform.open(), row["id"], context.scheduled_execution_time, Actor(f"{SCHEDULE}:{name}"))
        yield dg.SkipReason(fired.told) if fired.launch is None else _request(fired.launch)

    return tick


def trigger_sensor(row: Mapping[str, Any], jobs: Jobs) -> dg.SensorDefinition:
    """The sensor of a file trigger: a run for each new version of a file that has stopped changing."""
    name = trigger_name(row["slug"])

    @dg.sensor(
        name=name,
        job=_job(row, jobs),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.STOPPED,  # it is started and stopped by name
        tags=_tags(row),
        description=f"Trigger '{row['name']}': runs its pipeline for each new file in its folder",
    )
    def find(context: dg.SensorEvaluationContext, platform: PlatformResource) -> Requests:
        opened = platform.open()
        kept = json.loads(context.cursor or "{}")
        try:
            found = look(opened, row["id"], None if kept.get("waiting") else kept.get("digest"))
        except DataOpsError as error:
            yield dg.SkipReason(str(error))
            return
        if found is None:
            yield dg.SkipReason("The folder is as it was")
            return
        ready = list(settled(found.new, kept.get("waiting", ())).items())
        waiting, told = set(found.new), f"{found.files} matching files, {len(found.new)} of them new"
        launches = []
        for occasion, path in ready[:MOST_AT_ONCE]:
            fired = fire_file(opened, row["id"], path, occasion, Actor(f"{SENSOR}:{name}"))
            if fired is None:
                told = f"{told}; they wait for the pipeline"
                break
            waiting.discard(occasion)
            launches += [fired.launch] if fired.launch else []
        context.update_cursor(json.dumps({"digest": found.digest, "waiting": sorted(waiting)}))
        yield from (_request(each) for each in launches)
        if not launches:
            yield dg.SkipReason(told)

    return find


@dg.sensor(
    name="mail_run_ends",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people by mail how the runs ended that they asked to be told of",
)
def mail_ends(context: dg.SensorEvaluationContext, platform: PlatformResource) -> Iterator[dg.SkipReason]:
    """No run is waited for, and none waits."""
    told = mail_run_ends(platform.open())
    for each in told.later:
        context.log.warning("%s; it is tried again", each)
    if told.failed:
        raise NoticesNotSent(f"{len(told.failed)} messages are given up: {'; '.join(told.failed)}")
    yield dg.SkipReason(f"{told.arrived} messages sent, {len(told.later)} to be tried again")


@dg.op(description="Forget ticks and deliveries of triggers after 90 days; their runs stay")
def purge_trigger_firings(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """A delivery is refused for its age long before that, and a tick does not come again."""
    with platform.open().catalogue() as session:
        gone = Firings(session).purge(datetime.now(UTC) - FIRINGS_KEPT)
    context.add_output_metadata({"firings": gone})


def _job(row: Mapping[str, Any], jobs: Jobs) -> dg.JobDefinition:
    return jobs[JOB_OF[RunKind.ETL if row["etl_pipeline_id"] else RunKind.PIPELINE]]


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    return {"dataops/trigger_id": row["id"], "dataops/trigger": row["type"]}


def _request(launch: Launch) -> dg.RunRequest:
    # A key as the launching sensor's: the same launch is not made twice.
    return dg.RunRequest(
        run_key=f"{launch.run_id}:{launch.attempt}", run_config=dict(launch.run_config), tags=dict(launch.tags)
    )
