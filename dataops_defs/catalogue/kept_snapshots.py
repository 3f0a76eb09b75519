"""Snapshots that are kept: a run names the one it was launched with, its worker reads it, nothing travels with it.

The caller owns the transaction.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.canonical import canonical, digest_of, parsed
from dataops_defs.catalogue.models import SnapshotRow
from dataops_defs.errors import NotFound


class KeptSnapshots:
    """Content by digest; equal content is kept once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, content: Mapping[str, Any]) -> str:
        """Keep plain JSON values; returns their digest."""
        data = canonical(content)
        digest = digest_of(data)
        made = insert(SnapshotRow).values(digest=digest, content=zlib.compress(data, 1), kept_at=now())
        self._session.execute(made.on_conflict_do_update(index_elements=["digest"], set_={"kept_at": now()}))
        return digest

    def read(self, digest: str) -> dict[str, Any]:
        """What was kept under that digest.

        Raises:
            NotFound: it was purged.
        """
        content = self._session.scalar(select(SnapshotRow.content).where(SnapshotRow.digest == digest))
        if content is None:
            raise NotFound("The definitions this run was launched with are no longer kept; launch it again")
        found: dict[str, Any] = parsed(zlib.decompress(content))
        return found

    def purge(self, before: datetime) -> int:
        """Forget snapshots that another one had replaced before that moment; returns their number."""
        replacement = select(func.max(SnapshotRow.kept_at)).where(SnapshotRow.kept_at < before).scalar_subquery()
        gone = self._session.execute(
            delete(SnapshotRow).where(SnapshotRow.kept_at < replacement).returning(SnapshotRow.digest)
        )
        return len(gone.all())
