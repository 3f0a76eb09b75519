"""Sources in the catalogue; their secrets are sealed here and opened only for a connection."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions
from dataops_defs.catalogue.etl_pipelines import pipelines_reading
from dataops_defs.catalogue.grants import Grants, Holder, Right, granted
from dataops_defs.catalogue.models import DatasetRow, SourceRow
from dataops_defs.catalogue.pipelines import pipelines_using
from dataops_defs.catalogue.sealed_connections import SealedConnections
from dataops_defs.catalogue.sealing import Keyring
from dataops_defs.domain.source import Source, SourceType

TABLE = "source"


class Sources(Definitions[SourceRow]):
    """All reads and writes of sources, for the platform or for somebody who asks."""

    row = SourceRow
    noun = "source"

    def __init__(self, session: Session, keyring: Keyring, holder: Holder | None = None) -> None:
        """With a ``holder`` there are only the sources that this one may see, and only those to use are opened."""
        super().__init__(session)
        self._connections, self._holder = SealedConnections(session, keyring, TABLE), holder

    def connect_with(
        self, row: SourceRow, connection: Mapping[str, Any], approved: Collection[str] | None = None
    ) -> None:
        """Set a source's connection; see `SealedConnections.keep`."""
        self._connections.keep(row, connection, approved)

    def secrets(self, row: SourceRow) -> dict[str, str]:
        """The secrets of a source, in the clear; those by name as ``secret:NAME``."""
        return self._connections.secrets(row)

    def opened(self, row: SourceRow) -> Source:
        """The source as an adapter needs it.

        Raises:
            Forbidden: whoever asks may not use it.
            SourceError: a secret that it refers to is gone, may not be sent there any more, or no longer fits.
        """
        Grants(self.session).check_use(self._holder, [row.id])
        return Source(
            id=row.id,
            name=row.name,
            slug=row.slug,
            type=SourceType(row.type),
            app=row.app,
            connection=row.connection,
            secrets=self._connections.opened(row, SourceType(row.type), f"Source '{row.name}'"),
        )

    def _reachable(self) -> list[ColumnElement[bool]]:
        return [granted(self._holder, Right.SEE)]

    def dependants(self, row: SourceRow) -> Sequence[Named]:
        """Datasets and ETL pipelines that read from it, and pipelines that show it."""
        return [
            *self.session.scalars(select(DatasetRow).where(DatasetRow.source_id == row.id).limit(MOST_NAMED)),
            *pipelines_using(self.session, "sourceId", row.id),
            *pipelines_reading(self.session, row.id),
        ]
