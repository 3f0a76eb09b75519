"""Access tokens: stored hashed, with a role."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.audit import is_reserved
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import TokenRow
from dataops_defs.errors import Conflict, Duplicate, Invalid, NotFound

BOOTSTRAP = "bootstrap admin"


class Role(IntEnum):
    """What a token may do; each role holds those before it. Source: DECISIONS 15."""

    VIEWER = 1
    EDITOR = 2
    ADMIN = 3

    @classmethod
    def named(cls, word: str) -> "Role":
        """The role by its word; Invalid lists the words."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise Invalid.field("role", "must be one of: viewer, editor, admin") from None


def token_hash(token: str) -> str:
    """What is stored of a token. Tokens are long and random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """A token with 256 random bits."""
    return f"dops_{secrets.token_urlsafe(32)}"


class Tokens:
    """All reads and writes of tokens. The caller owns the transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def valid(self, token: str) -> TokenRow | None:
        """The row of a token that exists and has not expired."""
        row = self._session.scalar(select(TokenRow).where(TokenRow.hash == token_hash(token)))
        expired = row is not None and row.expires_at is not None and row.expires_at <= now()
        return None if expired else row

    def create(self, name: str, role: Role, expires_at: datetime | None = None) -> tuple[TokenRow, str]:
        """Make a token; its text is returned once and kept nowhere.

        Raises:
            Duplicate: another one has the name.
            Invalid: the name is one by which the audit knows the platform's own doings, or it has expired already.
        """
        if is_reserved(name):
            raise Invalid.field("name", "is one that the audit gives to schedules, sensors and other things of its own")
        if self._session.scalar(select(TokenRow).where(TokenRow.name == name)):
            raise Duplicate(f"There is already a token named '{name}'")
        if expires_at is not None and expires_at <= now():
            raise Invalid.field("expiresAt", "lies in the past")
        token = new_token()
        return self._store(name, token, role, expires_at), token

    def ensure_admin(self, token: str) -> None:
        """Make the first admin token count; an older one of that purpose is replaced."""
        row = self._session.scalar(select(TokenRow).where(TokenRow.name == BOOTSTRAP))
        if row is None:
            self._store(BOOTSTRAP, token, Role.ADMIN, None)
        else:
            row.hash, row.hint = token_hash(token), token[-4:]

    def page(self, *, limit: int, offset: int = 0) -> tuple[Sequence[TokenRow], int]:
        """One page, newest first, and the number of all."""
        query = select(TokenRow).order_by(TokenRow.id.desc()).limit(limit).offset(offset)
        total = self._session.scalar(select(func.count()).select_from(TokenRow)) or 0
        return self._session.scalars(query).all(), total

    def revoke(self, id: str) -> TokenRow:
        """Delete a token; it stops counting at once."""
        key = as_uuid(id)
        row = self._session.get(TokenRow, key) if key else None
        if row is None:
            raise NotFound(f"Token {id[:80]} not found")
        if row.name == BOOTSTRAP:
            raise Conflict("The first admin token is set by DATAOPS_ADMIN_TOKEN and cannot be deleted here")
        self._session.delete(row)
        return row

    def _store(self, name: str, token: str, role: Role, expires_at: datetime | None) -> TokenRow:
        row = TokenRow(
            name=name, hash=token_hash(token), hint=token[-4:], role=role.name.lower(), expires_at=expires_at
        )
        self._session.add(row)
        self._session.flush()
        return row
