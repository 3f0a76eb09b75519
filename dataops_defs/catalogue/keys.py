"""Rotation of the keys that wrap secrets: add a key, re-wrap, verify, remove the old ones."""

from sqlalchemy import select, text

from dataops_defs.catalogue.database import catalogue_session
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.sealing import Keyring, key_id, rewrap
from dataops_defs.catalogue.sources import SEALING_LOCK, secret_context
from dataops_defs.errors import DataOpsError
from dataops_defs.settings import Settings


def rotate(settings: Settings) -> int:
    """Wrap every secret with a new key and drop the old ones; returns the number of secrets re-wrapped.

    Nobody can seal meanwhile. When it fails, the key file still holds both keys and every secret opens.
    """
    keyring = Keyring(settings.keys_path).ensure()
    with catalogue_session(settings.url("catalogue")) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEALING_LOCK})
        keyring.add()
        rows = session.scalars(select(SourceRow).where(SourceRow.secrets.is_not(None)).with_for_update()).all()
        for row in rows:
            row.secrets = rewrap(keyring, row.secrets or b"", secret_context(row.id))
        session.flush()
    _drop_old_keys(settings, keyring)
    return len(rows)


def _drop_old_keys(settings: Settings, keyring: Keyring) -> None:
    primary, _ = keyring.primary()
    with catalogue_session(settings.url("catalogue")) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEALING_LOCK})
        sealed = session.scalars(select(SourceRow.secrets).where(SourceRow.secrets.is_not(None)))
        if any(key_id(each or b"") != primary for each in sealed):
            raise DataOpsError("A secret is still wrapped by an older key; the old keys are kept. Rotate again.")
        keyring.keep_primary_only()
