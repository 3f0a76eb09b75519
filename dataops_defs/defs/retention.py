"""Retention: one op a night for each thing that grows; a failure of one does not stop the others. Run records stay."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from dataops_defs.catalogue.idempotency import IdempotencyKeys
from dataops_defs.defs.alerts import purge_alert_deliveries
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.triggers import purge_trigger_firings
from dataops_defs.flows.purge import A_DAY, NOTHING, Purged, days_before, purge_run_folders
from dataops_defs.flows.purge_datamarts import purge_drafts, purge_versions
from dataops_defs.flows.purge_exports import purge_exports as purge_workbooks
from dataops_defs.flows.purge_imports import purge_lake, purge_superseded_files
from dataops_defs.flows.purge_raw import purge_raw_copies as purge_raw
from dataops_defs.flows.purge_rejects import purge_rejects as purge_rejected_rows
from dataops_defs.flows.purge_traces import purge_traces
from dataops_defs.settings import settings

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
BATCH = 200
KEYS_LIVE = timedelta(hours=24)


@dg.op(description="Delete ended Dagster runs, with their events, after DATAOPS_EVENT_LOG_DAYS")
def purge_event_log(context: dg.OpExecutionContext) -> None:
    """The run of an asset's newest materialisation stays: the asset's page shows what it wrote."""
    before = days_before(datetime.now(UTC), settings().event_log_days)
    newest = {
        record.asset_entry.last_materialization_record.run_id
        for record in context.instance.get_asset_records()
        if record.asset_entry.last_materialization_record
    }
    deleted = 0
    for runs in _ended_runs(context.instance, before) if before else ():
        for run_id in set(runs) - newest:
            context.instance.compute_log_manager.delete_logs(prefix=[run_id])
            context.instance.delete_run(run_id)
            deleted += 1
        context.log.info("%d runs deleted so far", deleted)
    context.add_output_metadata({"runs": deleted})


@dg.op(description="Delete what runs printed that Dagster knows no more")
def purge_compute_logs(context: dg.OpExecutionContext) -> None:
    """Runs may be deleted in the UI, too, which leaves their output behind."""

    def known(ids: Sequence[str]) -> Collection[str]:
        return {run.run_id for run in context.instance.get_runs(dg.RunsFilter(run_ids=list(ids)))}

    storage = settings().home / "dagster" / "storage"
    gone = purge_run_folders(storage, known, datetime.now(UTC) - A_DAY, context.log.info)
    context.add_output_metadata({"folders": gone.items, "bytes": gone.bytes})


@dg.op(description="Delete raw copies by DATAOPS_RAW_DAYS and DATAOPS_RAW_KEEP, and what dead workers left")
def purge_raw_copies(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Never a dataset's current copy, nor one that a run may be reading."""
    gone = purge_raw(platform.open(), context.log.info, datetime.now(UTC))
    context.add_output_metadata(
        {
            "superseded": gone.superseded.items,
            "unaccounted": gone.unaccounted.items,
            "unfinished": gone.unfinished.items,
            "bytes": gone.all.bytes,
        }
    )


@dg.op(description="Delete Parquet files of imports that later versions superseded, after DATAOPS_RAW_DAYS")
def purge_imported_files(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Never one that a target consists of."""
    gone = purge_superseded_files(platform.open(), context.log.info, datetime.now(UTC))
    context.add_output_metadata({"files": gone.items, "bytes": gone.bytes})


@dg.op(description="End snapshots of imported Iceberg tables after DATAOPS_RAW_DAYS, delete files that none refers to")
def purge_iceberg(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Never the current snapshot, nor a table that others made."""
    gone = purge_lake(platform.open(), context.log.info, datetime.now(UTC))
    context.add_output_metadata({"files": gone.items, "bytes": gone.bytes})


@dg.op(description="Delete rejected rows after DATAOPS_REJECT_DAYS, never those of the newest run")
def purge_rejects(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """PostgreSQL reuses the space for new rows."""
    opened = platform.open()
    _purge_by_age(
        context, opened.settings.reject_days, lambda before: purge_rejected_rows(opened, context.log.info, before)
    )


@dg.op(description="Delete workbooks that may be fetched no more, and exported files after DATAOPS_EXPORT_DAYS")
def purge_exports(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """What dead workers had begun goes too."""
    gone = purge_workbooks(platform.open(), context.log.info, datetime.now(UTC))
    context.add_output_metadata({"items": gone.items, "bytes": gone.bytes})


@dg.op(description="Drop versions of datamarts whose time is over, and what refreshes left that died half-way")
def purge_datamarts(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Never the version that a datamart shows."""
    opened = platform.open()
    versions = purge_versions(opened, context.log.info, datetime.now(UTC))
    drafts = purge_drafts(opened, context.log.info)
    context.add_output_metadata({"versions": versions.items, "bytes": versions.bytes, "unfinished": drafts.items})


@dg.op(description="Forget the answers kept for idempotency keys after a day")
def purge_idempotency_keys(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Source: DECISIONS 25."""
    opened = platform.open()
    with opened.catalogue() as session:
        gone = IdempotencyKeys(session, opened.keyring).purge(datetime.now(UTC) - KEYS_LIVE)
    context.add_output_metadata({"keys": gone})


@dg.op(description="Delete what runs that ended long ago had left for their own continuation")
def purge_traces_of_runs(context: dg.OpExecutionContext, platform: PlatformResource) -> None:
    """Definitions that runs were launched with, and fences of their writes."""
    snapshots, fences = purge_traces(platform.open(), datetime.now(UTC))
    context.add_output_metadata({"snapshots": snapshots, "fences": fences})


@dg.job(name="retention", description="Purge what is older than the policy says")
def retention_job() -> None:
    """Nightly house-keeping."""
    purge_event_log()
    purge_compute_logs()
    purge_raw_copies()
    purge_imported_files()
    purge_iceberg()
    purge_rejects()
    purge_exports()
    purge_datamarts()
    purge_idempotency_keys()
    purge_traces_of_runs()
    purge_alert_deliveries()
    purge_trigger_firings()


retention_schedule = dg.ScheduleDefinition(
    name="retention",
    job=retention_job,
    cron_schedule="30 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: purge event logs, raw copies, rejects and exports by policy",
)


def _purge_by_age(context: dg.OpExecutionContext, days: int, purge: Callable[[datetime], Purged]) -> None:
    before = days_before(datetime.now(UTC), days)
    gone = purge(before) if before else NOTHING
    context.add_output_metadata({"items": gone.items, "bytes": gone.bytes})


def _ended_runs(instance: dg.DagsterInstance, before: datetime) -> Iterator[list[str]]:
    """Ids of ended runs, a page at a time; the next page is looked up before this one, its cursor, is deleted."""
    only = dg.RunsFilter(statuses=ENDED, created_before=before)
    page = [run.run_id for run in instance.get_runs(only, limit=BATCH)]
    while page:
        following = [run.run_id for run in instance.get_runs(only, cursor=page[-1], limit=BATCH)]
        yield page
        page = following
