"""Purge raw copies: those that newer ones superseded, those no ledger speaks of, and those half-written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from dataops_defs.adapters.storage.raw_copy import RawCopy, folder_of
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.adapters.warehouse.purge import copies_in_ledger, datasets_in_ledger
from dataops_defs.catalogue.retention import Kept, kept_by_datasets, oldest_open_run
from dataops_defs.domain.dataset import DEFAULT_BUCKET
from dataops_defs.domain.naming import raw_key
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge import A_DAY, NOTHING, Purged, Say, days_before
from dataops_defs.settings import Settings

DATASETS_BETWEEN_NOTES = 100
# The names that extractions give (see ``raw_key``): whatever else lies in a dataset's folder is not ours.
OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\.\w+")


@dataclass(frozen=True)
class PurgedRaw:
    """What went: superseded copies, copies that no ledger speaks of, and what was left half-written."""

    superseded: Purged = NOTHING
    unaccounted: Purged = NOTHING
    unfinished: Purged = NOTHING

    def __add__(self, other: "PurgedRaw") -> "PurgedRaw":
        return PurgedRaw(
            self.superseded + other.superseded,
            self.unaccounted + other.unaccounted,
            self.unfinished + other.unfinished,
        )

    @property
    def all(self) -> Purged:
        """Their sum."""
        return self.superseded + self.unaccounted + self.unfinished


@dataclass(frozen=True)
class Policy:
    """Which copies may go.

    No run at work began before ``since``. A run reads the copy that was the newest when it began, so one that was
    superseded before is not being read; and a file written before is not about to be accounted for.

    Args:
        keep: number of newest copies that stay whatever their age, at least 1.
        older_than: superseded copies written before that moment may go; None keeps them for ever.
    """

    keep: int
    older_than: datetime | None
    since: datetime

    def superseded(self, accounted: Sequence[RawCopy], kept: Kept) -> list[RawCopy]:
        """Of a dataset's accounted copies, those that may go; the oldest first.

        One that is current or waits to be accepted stays. While a run may have begun before another copy was accepted,
        it may read the one before that: all stay.
        """
        if self.older_than is None or (kept.accepted_at is not None and kept.accepted_at >= self.since):
            return []
        newest_first = sorted(accounted, key=lambda copy: copy.name, reverse=True)
        beyond = list(pairwise(newest_first))[self.keep - 1 :]
        return [
            copy
            for successor, copy in reversed(beyond)
            if copy.uri not in (kept.current, kept.waiting)
            and copy.written_at < self.older_than
            and successor.written_at < self.since
        ]

    def unaccounted(self, others: Sequence[RawCopy]) -> list[RawCopy]:
        """Of a dataset's copies that no ledger speaks of, those that no living run has written."""
        return [copy for copy in others if OURS.fullmatch(copy.name) and copy.written_at < self.since]


def purge_raw_copies(platform: Platform, say: Say, now: datetime) -> PurgedRaw:
    """Purge the raw copies of all datasets, one dataset after the other; whatever ends it, the next one goes on.

    Copies of deleted datasets stay (DECISIONS 30), but for what no ledger speaks of.

    Raises:
        DependencyUnavailable: the raw store or a database did not answer.
    """
    with platform.catalogue() as session:
        kept = {each.dataset_id: each for each in kept_by_datasets(session)}
        policy = _policy(platform.settings, now, oldest_open_run(session))
    with platform.warehouse("dataops retention") as connection:
        ids = sorted({*kept, *datasets_in_ledger(connection)})
    gone = PurgedRaw()
    for number, id in enumerate(ids, 1):
        with platform.warehouse("dataops retention") as connection:
            accounted = copies_in_ledger(connection, id)
        gone += _purge(platform.raw_store, policy, kept.get(id), accounted)
        if number % DATASETS_BETWEEN_NOTES == 0 or number == len(ids):
            say(f"{number} of {len(ids)} datasets: {gone.all.items} raw copies removed, {gone.all.bytes:,} bytes")
    return gone


def _policy(settings: Settings, now: datetime, oldest_run: datetime | None) -> Policy:
    return Policy(settings.raw_keep, days_before(now, settings.raw_days), begun_before(settings, now, oldest_run))


def begun_before(settings: Settings, now: datetime, oldest_run: datetime | None) -> datetime:
    """A moment before which no run that is still at work has begun."""
    longest = max(A_DAY, timedelta(seconds=settings.max_runtime_seconds))
    return min(now - longest, oldest_run or now)


def _purge(store: RawStore, policy: Policy, kept: Kept | None, accounted: frozenset[str]) -> PurgedRaw:
    folders = {folder_of(uri) for uri in accounted} | ({_next_folder(store, kept)} if kept else set())
    copies = [copy for folder in folders for copy in store.copies(folder)]
    known = [copy for copy in copies if copy.uri in accounted]
    others = [copy for copy in copies if copy.uri not in accounted]
    halves = [size for folder in folders for size in store.discard_unfinished(folder, policy.since)]
    return PurgedRaw(
        superseded=_delete(store, policy.superseded(known, kept) if kept else []),
        unaccounted=_delete(store, policy.unaccounted(others) if _ledger_is_whole(kept, accounted) else []),
        unfinished=Purged(len(halves), sum(halves)),
    )


def _next_folder(store: RawStore, kept: Kept) -> str:
    key = raw_key(kept.prefix or kept.app, kept.dataset_id, datetime.min.replace(tzinfo=UTC), "parquet")
    return store.folder(kept.bucket or DEFAULT_BUCKET, key)


def _ledger_is_whole(kept: Kept | None, accounted: frozenset[str]) -> bool:
    """False where the ledger does not know the current copy: of an empty or restored warehouse nothing follows."""
    return kept is None or kept.current is None or kept.current in accounted


def _delete(store: RawStore, copies: Sequence[RawCopy]) -> Purged:
    for copy in copies:
        store.delete(copy.uri)
    return Purged(len(copies), sum(copy.bytes for copy in copies))
