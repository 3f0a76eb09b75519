"""What the catalogue says about raw copies that must stay: where datasets keep them, and since when runs are open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import DatasetRow, RunRow


@dataclass(frozen=True)
class Kept:
    """A dataset's raw copies: the bucket and prefix (None: the defaults) of the next one, and the current one.

    ``waiting`` is one in quarantine, which may still be accepted; ``accepted_at`` is when one last became current
    in that way, long after it was written perhaps.
    """

    dataset_id: str
    app: str
    bucket: str | None
    prefix: str | None
    current: str | None
    waiting: str | None = None
    accepted_at: datetime | None = None


def kept_by_datasets(session: Session) -> Sequence[Kept]:
    """All datasets, in the order they were made."""
    waiting, accepted_at = DatasetRow.waiting["uri"].astext, DatasetRow.accepted_at
    columns = (DatasetRow.id, DatasetRow.app, DatasetRow.storage, DatasetRow.raw_uri, waiting, accepted_at)
    return [
        Kept(id, app, storage.get("bucket"), storage.get("prefix"), *copies)
        for id, app, storage, *copies in session.execute(select(*columns).order_by(DatasetRow.id))
    ]


def oldest_open_run(session: Session) -> datetime | None:
    """When the oldest execution that has not ended was asked for; also one that waits, or is paused."""
    return session.scalar(select(func.min(RunRow.created_at)).where(RunRow.finished_at.is_(None)))
