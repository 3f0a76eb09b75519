"""Exports in the catalogue, and the links that open them. The caller owns the transaction.

A link carries when it ends and a signature over that and the export's id, made with a key that is derived from the
primary key of the keyring: rotating the keys ends all links.
Sources: DECISIONS 31; SAFETY design, section 6, "Exports".
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.sealing import Keyring
from dataops_defs.errors import NotFound

PREFIX = "export_"
_PURPOSE = b"dataops: links of exports, version 1"


def public_id(id: str) -> str:
    """An export's id as document 000 prints it."""
    return f"{PREFIX}{id.replace('-', '')}"


class Exports:
    """All reads and writes of exports."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, made: ExportRow) -> ExportRow:
        """Store a new one."""
        self._session.add(made)
        self._session.flush()
        return made

    def get(self, id: str, *, lock: bool = False) -> ExportRow:
        """The one of that id, with its prefix or without.

        Raises:
            NotFound: there is none, or it is no id at all.
        """
        key = as_uuid(id.removeprefix(PREFIX))
        query = select(ExportRow).where(ExportRow.id == key)
        found = self._session.scalar(query.with_for_update() if lock else query) if key else None
        if found is None:
            raise NotFound(f"Export {id[:80]} not found")
        return found

    def over(self, limit: int) -> Sequence[ExportRow]:
        """Exports that are expired or revoked and still have a file, or a place for one; the oldest first."""
        query = (
            select(ExportRow)
            .where(ExportRow.removed_at.is_(None), (ExportRow.expires_at <= now()) | ExportRow.revoked_at.is_not(None))
            .order_by(ExportRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return self._session.scalars(query).all()

    def places(self) -> frozenset[str]:
        """Where the files of all exports lie that may still be fetched."""
        query = select(ExportRow.place).where(ExportRow.removed_at.is_(None), ExportRow.place.is_not(None))
        return frozenset(place for place in self._session.scalars(query) if place)


def link_signature(keyring: Keyring, id: str, expires: int) -> str:
    """The signature of a link: 43 letters that a URL takes as they are.

    Args:
        expires: seconds since 1970.
    """
    _, key = keyring.primary()
    derived = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(key)
    made = hmac.new(derived, f"{id}:{expires}".encode(), sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def is_signed(keyring: Keyring, id: str, expires: int, signature: str) -> bool:
    """Whether a link is one of ours, as it was given out; compared in constant time."""
    return hmac.compare_digest(link_signature(keyring, id, expires).encode(), signature.encode())


def link_ends(row: ExportRow) -> int:
    """When the export's link ends, in seconds since 1970."""
    return int(row.expires_at.timestamp())


def expired(row: ExportRow, moment: datetime) -> bool:
    """Whether its time is over."""
    return row.expires_at <= moment
