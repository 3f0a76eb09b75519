"""Retention: Dagster keeps its event log for ever unless somebody purges it. Run records stay."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from dataops_defs.catalogue.idempotency import IdempotencyKeys
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.settings import settings

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
BATCH = 200
KEYS_LIVE = timedelta(hours=24)


@dg.op(description="Delete ended runs, with their events, that are older than DATAOPS_EVENT_LOG_DAYS")
def purge_event_log(context: dg.OpExecutionContext) -> int:
    """Number of Dagster runs deleted."""
    oldest = datetime.now(UTC) - timedelta(days=settings().event_log_days)
    only = dg.RunsFilter(statuses=ENDED, created_before=oldest)
    deleted = 0
    while runs := context.instance.get_runs(only, limit=BATCH):
        for run in runs:
            context.instance.delete_run(run.run_id)
        deleted += len(runs)
        context.log.info("%d runs deleted so far", deleted)
    return deleted


@dg.op(description="Forget the answers kept for idempotency keys after a day")
def purge_idempotency_keys(platform: PlatformResource) -> int:
    """Number of keys forgotten."""
    opened = platform.open()
    with opened.catalogue() as session:
        return IdempotencyKeys(session, opened.keyring).purge(datetime.now(UTC) - KEYS_LIVE)


@dg.job(name="retention", description="Purge what is older than the policy says")
def retention_job() -> None:
    """Nightly house-keeping."""
    purge_event_log()
    purge_idempotency_keys()


retention_schedule = dg.ScheduleDefinition(
    name="retention",
    job=retention_job,
    cron_schedule="30 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: purge Dagster's event log by policy",
)
