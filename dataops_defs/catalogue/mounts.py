"""Mounts in the catalogue; their secrets are sealed here and opened only for a connection."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, literal, or_, select, text
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import Named, now
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.sealed_connections import SealedConnections
from dataops_defs.catalogue.sealing import Keyring
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.domain.mount import SOURCE_TYPES, Mount, MountStatus, NetworkPlace, is_below, overlap, plain_path
from dataops_defs.errors import Conflict

PREFIX = "mount_"
TABLE = "mount"


def public_id(id: str) -> str:
    """A mount's id as document 000's family prints ids."""
    return f"{PREFIX}{id.replace('-', '')}"


class Mounts(Definitions[MountRow]):
    """All reads and writes of mounts."""

    row = MountRow
    noun = "mount"

    def __init__(self, session: Session, keyring: Keyring) -> None:
        super().__init__(session)
        self._connections = SealedConnections(session, keyring, TABLE)

    def find(self, id: str, *, lock: bool = False) -> MountRow | None:
        """The row of that id, with its prefix or without, or None."""
        return super().find(id.removeprefix(PREFIX), lock=lock)

    def all(self) -> Sequence[MountRow]:
        """All of them, by path."""
        return self.session.scalars(select(MountRow).order_by(MountRow.local_path)).all()

    def at(self, local_path: str, *, lock: bool = False) -> MountRow | None:
        """The mount at exactly this path."""
        query = select(MountRow).where(MountRow.local_path == local_path)
        return self.session.scalar(query.with_for_update() if lock else query)

    def above(self, path: str) -> MountRow | None:
        """The mount that an absolute path lies in: the longest, where there are several."""
        inside = func.starts_with(literal(path), MountRow.local_path + "/")
        query = select(MountRow).where(or_(MountRow.local_path == path, inside))
        return self.session.scalar(query.order_by(func.length(MountRow.local_path).desc()).limit(1))

    def hold(self) -> None:
        """Nobody else makes or changes a mount before the transaction ends."""
        self.session.execute(text("LOCK TABLE mount IN SHARE ROW EXCLUSIVE MODE"))

    def refuse_overlap(self, local_path: str) -> None:
        """Conflict when another mount lies above or below."""
        for row in self.all():
            if row.local_path != local_path and overlap(row.local_path, local_path):
                raise Conflict(f"{local_path} and the mount at {row.local_path} lie in each other; take another path")

    def connect_with(
        self, row: MountRow, connection: Mapping[str, Any], approved: Collection[str] | None = None
    ) -> None:
        """Set a mount's connection; see `SealedConnections.keep`."""
        self._connections.keep(row, connection, approved)

    def opened(self, row: MountRow) -> Mount:
        """The mount as whoever reads from it needs it.

        Raises:
            SourceError: a secret that it refers to is gone, may not be sent there any more, or no longer fits.
        """
        kind = SOURCE_TYPES.get(row.storage_type)
        secrets = self._connections.opened(row, kind, f"The mount at {row.local_path}") if kind else {}
        place = NetworkPlace(row.storage_type, row.address)
        return Mount(row.id, row.local_path, place, row.via, row.connection, secrets)

    def note(self, mount_id: str, address: str, error: str | None, free_bytes: int | None) -> MountStatus | None:
        """Keep what a look at a mount found; returns its new status where that has changed.

        A mount that is gone, or was mounted anew from elsewhere, is left as it is.
        """
        row = self.find(mount_id, lock=True)
        if row is None or row.address != address:
            return None
        status = MountStatus.DEGRADED if error else MountStatus.MOUNTED
        row.last_checked_at, row.last_error = now(), error
        if not error:
            row.free_bytes = free_bytes
        if status is row.status:
            return None
        row.status, row.status_since = status, row.last_checked_at
        return status

    def dependants(self, row: MountRow) -> Sequence[Named]:
        """Watches, triggers and sources of files below it."""
        found: list[Named] = []
        for kind, path in (
            (WatchRow, WatchRow.folder),
            (TriggerRow, TriggerRow.file["folder_path"].astext),
            (SourceRow, SourceRow.connection["path"].astext),
        ):
            query = select(kind, path).where(path.startswith(row.local_path, autoescape=True)).order_by(kind.name)
            found += [each for each, place in self.session.execute(query) if _lies_in(place, row)]
        return found[:MOST_NAMED]


def _lies_in(path: str, row: MountRow) -> bool:
    return path.startswith("/") and is_below(plain_path(path), row.local_path)
