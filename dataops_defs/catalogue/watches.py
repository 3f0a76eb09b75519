"""Watched folders and the versions of files found in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.models import WatchedFileRow, WatchRow


@dataclass(frozen=True)
class FoundFile:
    """A file as a look into the folder found it; ``fingerprint`` changes with its content."""

    path: str
    fingerprint: str
    size_bytes: int


class Watches(Definitions[WatchRow]):
    """All reads and writes of watched folders."""

    row = WatchRow
    noun = "watch"

    def dependants(self, row: WatchRow) -> list[str]:
        """Nothing is built on a watch."""
        return []

    def note(self, watch_id: str, found: Sequence[FoundFile]) -> Sequence[WatchedFileRow]:
        """Note versions not seen before; returns those that still wait to be imported."""
        if found:
            rows = [
                {
                    "id": new_id(),
                    "watch_id": watch_id,
                    "path": each.path,
                    "fingerprint": each.fingerprint,
                    "size_bytes": each.size_bytes,
                }
                for each in found
            ]
            self.session.execute(insert(WatchedFileRow).values(rows).on_conflict_do_nothing())
        query = (
            select(WatchedFileRow)
            .where(WatchedFileRow.watch_id == watch_id, WatchedFileRow.status == "pending")
            .order_by(WatchedFileRow.id)
            .limit(100)
        )
        return self.session.scalars(query).all()

    def file(self, file_id: str, *, lock: bool = False) -> WatchedFileRow | None:
        """One version of a file."""
        query = select(WatchedFileRow).where(WatchedFileRow.id == file_id)
        return self.session.scalar(query.with_for_update() if lock else query)

    def imported_twin(self, row: WatchedFileRow, content_hash: str) -> WatchedFileRow | None:
        """A version with the same content that is imported already."""
        query = select(WatchedFileRow).where(
            WatchedFileRow.watch_id == row.watch_id,
            WatchedFileRow.status == "imported",
            WatchedFileRow.content_hash == content_hash,
        )
        return self.session.scalar(query.limit(1))
