"""Purge what runs leave for their own continuation: definitions they were launched with, fences of their writes."""

from datetime import datetime, timedelta

from dataops_defs.adapters.warehouse.fence import purge_fences
from dataops_defs.adapters.warehouse.object_plans import purge_plans
from dataops_defs.catalogue.kept_snapshots import KeptSnapshots
from dataops_defs.catalogue.retention import oldest_open_run
from dataops_defs.flows.platform import Platform

A_WEEK = timedelta(days=7)


def purge_traces(platform: Platform, now: datetime) -> tuple[int, int]:
    """Numbers of snapshots and of fences that were removed; none that a run under way may need."""
    longest = max(A_WEEK, timedelta(seconds=2 * platform.settings.max_runtime_seconds))
    with platform.catalogue() as session:
        open_since = oldest_open_run(session)
        before = min(now - longest, open_since - A_WEEK if open_since else now)
        snapshots = KeptSnapshots(session).purge(before)
    with platform.warehouse("dataops retention") as connection:
        purge_plans(connection, before)
        return snapshots, purge_fences(connection, before)
