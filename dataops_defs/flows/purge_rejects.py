"""Purge rejected rows that earlier runs kept."""

from datetime import datetime

from dataops_defs.adapters.warehouse.purge import purge_rejects_after
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge import NOTHING, Purged, Say


def purge_rejects(platform: Platform, say: Say, before: datetime) -> Purged:
    """Delete rejects older than that moment, but for those of each subject's newest run.

    Thousands at a time, each time in a short transaction of its own: whatever ends it, the next one goes on.
    """
    gone, reached = NOTHING, 0
    while True:
        with platform.warehouse("dataops retention") as connection:
            window = purge_rejects_after(connection, reached, before)
        if window is None:
            return gone
        reached = window.upto
        if window.rows:
            gone += Purged(window.rows, window.bytes)
            say(f"{gone.items} rejected rows purged so far")
