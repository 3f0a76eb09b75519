"""Purge exported workbooks: those that nobody may fetch any more, and what dead workers left."""

from datetime import datetime, timedelta

from dataops_defs.adapters.storage.exports import ExportStore
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.exports import Exports
from dataops_defs.catalogue.retention import oldest_open_run
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge import A_DAY, NOTHING, Purged, Say, days_before, purge_folder

AT_ONCE = 200


def purge_exports(platform: Platform, say: Say, moment: datetime) -> Purged:
    """Remove the files of exports that are expired or revoked, and all others by age.

    A file that no export speaks of may be one that a run is about to note: it stays until no such run can be alive.
    """
    gone = NOTHING
    while (some := _over(platform)) is not None:
        gone += some
        say(f"{gone.items} workbooks removed so far")
    settings = platform.settings
    store = ExportStore(settings.exports_path)
    with platform.catalogue() as session:
        open_since, kept = oldest_open_run(session), Exports(session).places()
    longest = max(A_DAY, timedelta(seconds=settings.max_runtime_seconds))
    left = store.discard(min(moment - longest, open_since or moment), kept)
    gone += Purged(len(left), sum(left))
    old = days_before(moment, settings.export_days)
    return gone + purge_folder(settings.exports_path, old, say) if old else gone


def _over(platform: Platform) -> Purged | None:
    """Remove some; None when there are no more."""
    store, gone = ExportStore(platform.settings.exports_path), NOTHING
    with platform.catalogue() as session:
        rows = Exports(session).over(AT_ONCE)
        for row in rows:
            if row.place and store.holds(row.place):
                store.delete(row.place)
                gone += Purged(1, row.size_bytes or 0)
            row.removed_at = now()
    return gone if rows else None
