"""Sources in the catalogue; their secrets are sealed here and opened only for a connection."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.etl_pipelines import pipelines_reading
from dataops_defs.catalogue.models import DatasetRow, SourceRow
from dataops_defs.catalogue.pipelines import pipelines_using
from dataops_defs.catalogue.sealing import Keyring, seal, unseal
from dataops_defs.domain.source import Source, SourceType, split_secrets

# Whoever seals holds this advisory lock shared; a rotation of keys holds it alone.
SEALING_LOCK = 7_355_608


def secret_context(source_id: str) -> str:
    """Associated data of a source's sealed secrets."""
    return f"source:{source_id}:secrets"


class Sources(Definitions[SourceRow]):
    """All reads and writes of sources."""

    row = SourceRow
    noun = "source"

    def __init__(self, session: Session, keyring: Keyring) -> None:
        super().__init__(session)
        self._keyring = keyring

    def connect_with(self, row: SourceRow, connection: Mapping[str, Any]) -> None:
        """Set a source's connection; its secrets are sealed. The row needs its id."""
        shown, hidden = split_secrets(connection)
        row.connection = shown
        row.secret_fields = ",".join(sorted(hidden))
        self.session.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": SEALING_LOCK})
        row.secrets = seal(self._keyring, json.dumps(hidden).encode(), secret_context(row.id)) if hidden else None

    def secrets(self, row: SourceRow) -> dict[str, str]:
        """The secrets of a source, in the clear."""
        if row.secrets is None:
            return {}
        opened: dict[str, str] = json.loads(unseal(self._keyring, row.secrets, secret_context(row.id)))
        return opened

    def opened(self, row: SourceRow) -> Source:
        """The source as an adapter needs it."""
        return Source(
            id=row.id,
            name=row.name,
            slug=row.slug,
            type=SourceType(row.type),
            app=row.app,
            connection=row.connection,
            secrets=self.secrets(row),
        )

    def dependants(self, row: SourceRow) -> list[str]:
        """Datasets and ETL pipelines that read from it, and pipelines that show it."""
        datasets = self.session.scalars(select(DatasetRow.name).where(DatasetRow.source_id == row.id).limit(20))
        return [
            *(f"dataset '{name}'" for name in datasets),
            *pipelines_using(self.session, "sourceId", row.id),
            *pipelines_reading(self.session, row.id),
        ]
