"""Connections in the catalogue, of sources and of mounts: what is secret of them is sealed, or a secret by name."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.sealing import Keyring, seal_to_keep, unseal
from dataops_defs.catalogue.secrets import Secrets
from dataops_defs.domain.secret import PREFIX
from dataops_defs.domain.source import SourceType, check_connection, references_of, split_secrets
from dataops_defs.errors import Forbidden, Invalid, SourceError

Connected = SourceRow | MountRow


class SealedConnections:
    """Writes and opens the connections of one table's rows; ``table`` is part of what each is sealed for."""

    def __init__(self, session: Session, keyring: Keyring, table: str) -> None:
        self._session, self._keyring, self._table = session, keyring, table

    def keep(self, row: Connected, connection: Mapping[str, Any], approved: Collection[str] | None = None) -> None:
        """Set a row's connection; its secrets are sealed, or kept as references. The row needs its id.

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
        context = secret_context(self._table, row.id)
        row.secrets = seal_to_keep(self._session, self._keyring, plain, context) if own else None

    def secrets(self, row: Connected) -> dict[str, str]:
        """The secrets of a row, in the clear; those by name as ``secret:NAME``."""
        references = {field: PREFIX + each["secret"] for field, each in row.secret_references.items()}
        if row.secrets is None:
            return references
        own: dict[str, str] = json.loads(unseal(self._keyring, row.secrets, secret_context(self._table, row.id)))
        return own | references

    def opened(self, row: Connected, kind: SourceType, shown: str) -> dict[str, str]:
        """The secrets of a row as its server needs them; ``shown`` is what a message calls the row.

        Raises:
            SourceError: a secret that it refers to is gone, may not be sent there any more, or no longer fits.
        """
        secrets = self.secrets(row)
        if not row.secret_references:
            return secrets
        connection = {**row.connection, **secrets}
        approved = [field for field, each in row.secret_references.items() if each["approved"]]
        try:
            opened = Secrets(self._session, self._keyring).opened(kind, connection, approved)
            check_connection(kind, opened)
        except (Invalid, Forbidden) as error:
            raise SourceError(f"{shown} cannot be opened: {error}") from None
        return {field: str(opened[field]) for field in secrets}


def secret_context(table: str, row_id: str) -> str:
    """Associated data of the sealed secrets of a row."""
    return f"{table}:{row_id}:secrets"
