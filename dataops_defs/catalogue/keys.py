"""Rotation of the keys that wrap secrets: add a key, re-wrap, verify, remove the old ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dataops_defs.catalogue import alerts, mounts, sources, triggers
from dataops_defs.catalogue.access_rows import SecretRow
from dataops_defs.catalogue.alert_rows import AlertRow
from dataops_defs.catalogue.database import catalogue_session
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.sealed_connections import secret_context
from dataops_defs.catalogue.sealing import SEALING_LOCK, Keyring, key_id, rewrap
from dataops_defs.catalogue.secrets import value_context
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.errors import DataOpsError
from dataops_defs.settings import Settings


@dataclass(frozen=True)
class SealedColumn:
    """A column that holds sealed texts; ``context`` makes a text's associated data of its row's id."""

    row: type[Any]
    name: str
    context: Callable[[str], str]

    def rows(self, session: Session) -> Sequence[Any]:
        """The rows that have a sealed text, locked."""
        column = getattr(self.row, self.name)
        return session.scalars(select(self.row).where(column.is_not(None)).with_for_update()).all()

    def rewrap(self, session: Session, keyring: Keyring) -> int:
        """Wrap every text with the primary key; returns their number."""
        rows = self.rows(session)
        for row in rows:
            setattr(row, self.name, rewrap(keyring, getattr(row, self.name), self.context(row.id)))
        return len(rows)


# All that a rotation renews. What is sealed elsewhere (answers to idempotency keys) is lost with the old key.
SEALED = (
    SealedColumn(SourceRow, "secrets", partial(secret_context, sources.TABLE)),
    SealedColumn(MountRow, "secrets", partial(secret_context, mounts.TABLE)),
    SealedColumn(SecretRow, "value", value_context),
    SealedColumn(AlertRow, "secrets", alerts.secret_context),
    SealedColumn(TriggerRow, "secret", triggers.secret_context),
)


def rotate(settings: Settings) -> int:
    """Wrap every secret with a new key and drop the old ones; returns the number of secrets re-wrapped.

    Nobody can seal meanwhile. When it fails, the key file still holds both keys and every secret opens.
    """
    keyring = Keyring(settings.keys_path).ensure()
    with catalogue_session(settings.url("catalogue")) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEALING_LOCK})
        keyring.add()
        renewed = sum(each.rewrap(session, keyring) for each in SEALED)
        session.flush()
    _drop_old_keys(settings, keyring)
    return renewed


def _drop_old_keys(settings: Settings, keyring: Keyring) -> None:
    primary, _ = keyring.primary()
    with catalogue_session(settings.url("catalogue")) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEALING_LOCK})
        texts = (getattr(row, each.name) for each in SEALED for row in each.rows(session))
        if any(key_id(text) != primary for text in texts):
            raise DataOpsError("A secret is still wrapped by an older key; the old keys are kept. Rotate again.")
        keyring.keep_primary_only()
