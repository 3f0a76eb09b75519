"""Sources in the catalogue; their secrets are sealed here and opened only for a connection."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.etl_pipelines import pipelines_reading
from dataops_defs.catalogue.grants import Grants, Holder, Right, granted
from dataops_defs.catalogue.models import DatasetRow, SourceRow
from dataops_defs.catalogue.pipelines import pipelines_using
from dataops_defs.catalogue.sealing import Keyring, seal_to_keep, unseal
from dataops_defs.catalogue.secrets import Secrets
from dataops_defs.domain.secret import PREFIX
from dataops_defs.domain.source import Source, SourceType, check_connection, references_of, split_secrets
from dataops_defs.errors import Forbidden, Invalid, SourceError


def secret_context(source_id: str) -> str:
    """Associated data of a source's sealed secrets."""
    return f"source:{source_id}:secrets"


class Sources(Definitions[SourceRow]):
    """All reads and writes of sources, for the platform or for somebody who asks."""

    row = SourceRow
    noun = "source"

    def __init__(self, session: Session, keyring: Keyring, holder: Holder | None = None) -> None:
        """With a ``holder`` there are only the sources that this one may see, and only those to use are opened."""
        super().__init__(session)
        self._keyring, self._holder = keyring, holder

    def connect_with(
        self, row: SourceRow, connection: Mapping[str, Any], approved: Collection[str] | None = None
    ) -> None:
        """Set a source's connection; its secrets are sealed, or kept as references. The row needs its id.

        Args:
            approved: settings that refer to a secret which may be sent wherever the connection leads.
        """
        references = references_of(connection)
        shown, hidden = split_secrets(connection)
        own = {field: value for field, value in hidden.items() if field not in references}
        row.connection = shown
        row.secret_fields = ",".join(sorted(hidden))
        row.secret_references = {
            field: {"secret": name, "approved": field in (approved or ())} for field, name in references.items()
        }
        plain = json.dumps(own).encode()
        row.secrets = seal_to_keep(self.session, self._keyring, plain, secret_context(row.id)) if own else None

    def secrets(self, row: SourceRow) -> dict[str, str]:
        """The secrets of a source, in the clear; those by name as ``secret:NAME``."""
        references = {field: PREFIX + each["secret"] for field, each in row.secret_references.items()}
        if row.secrets is None:
            return references
        own: dict[str, str] = json.loads(unseal(self._keyring, row.secrets, secret_context(row.id)))
        return own | references

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
            secrets=self._opened_secrets(row),
        )

    def _opened_secrets(self, row: SourceRow) -> dict[str, str]:
        secrets = self.secrets(row)
        if not row.secret_references:
            return secrets
        kind, connection = SourceType(row.type), {**row.connection, **secrets}
        approved = [field for field, each in row.secret_references.items() if each["approved"]]
        try:
            opened = Secrets(self.session, self._keyring).opened(kind, connection, approved)
            check_connection(kind, opened)
        except (Invalid, Forbidden) as error:
            raise SourceError(f"Source '{row.name}' cannot be opened: {error}") from None
        return {field: str(opened[field]) for field in secrets}

    def _reachable(self) -> list[ColumnElement[bool]]:
        return [granted(self._holder, Right.SEE)]

    def dependants(self, row: SourceRow) -> list[str]:
        """Datasets and ETL pipelines that read from it, and pipelines that show it."""
        datasets = self.session.scalars(select(DatasetRow.name).where(DatasetRow.source_id == row.id).limit(20))
        return [
            *(f"dataset '{name}'" for name in datasets),
            *pipelines_using(self.session, "sourceId", row.id),
            *pipelines_reading(self.session, row.id),
        ]
