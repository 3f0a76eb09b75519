"""Purge what later versions of imported files superseded: Parquet files, and snapshots of Iceberg tables."""

from datetime import datetime

from dataops_defs.adapters.sinks.iceberg_upkeep import keep_up, tables_of_imports
from dataops_defs.adapters.storage.raw_copy import folder_of
from dataops_defs.adapters.warehouse.loaded_files import superseded_files
from dataops_defs.catalogue.retention import oldest_open_run
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.import_lake import lake_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge import NOTHING, Purged, Say, days_before
from dataops_defs.flows.purge_raw import begun_before


def purge_superseded_files(platform: Platform, say: Say, now: datetime) -> Purged:
    """Remove Parquet files of imports that hold an earlier version, ``raw_days`` after they were written."""
    before = days_before(now, platform.settings.raw_days)
    if before is None:
        return NOTHING
    with platform.warehouse("dataops retention") as connection:
        superseded = superseded_files(connection)
    store, gone = platform.raw_store, NOTHING
    for folder in sorted({folder_of(each) for each in superseded}):
        for copy in store.copies(folder):
            if copy.uri in superseded and copy.written_at < before:
                store.delete(copy.uri)
                gone += Purged(1, copy.bytes)
    say(f"{gone.items} superseded files of imports removed, {gone.bytes:,} bytes")
    return gone


def purge_lake(platform: Platform, say: Say, now: datetime) -> Purged:
    """End snapshots of imported tables after ``raw_days``, never the current one; remove files that none refers to.

    A table that cannot be kept up stays as it is for the next night.
    """
    with platform.catalogue() as session:
        unwritten = begun_before(platform.settings, now, oldest_open_run(session))
    lake, gone = lake_of(platform), NOTHING
    for name in tables_of_imports(lake):
        try:
            done = keep_up(lake, name, expired=days_before(now, platform.settings.raw_days), unwritten=unwritten)
        except DataOpsError as error:
            say(f"iceberg:{name} stays as it is: {error}")
        else:
            say(f"iceberg:{name}: {done.snapshots} snapshots ended, {done.files} files removed, {done.bytes:,} bytes")
            gone += Purged(done.files, done.bytes)
    return gone
