"""Secrets by name: sealed here, opened only where a connection is. The caller owns the transaction.

The rule that keeps an editor from having a secret sent to a server of their choosing: a connection may refer to a
secret when an admin has set the reference up (it is `approved`), or when the secret's `allowed_hosts` name the
server. It is applied when a source is saved or tested, and again whenever its connection is opened.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.access_rows import SecretRow
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.sealing import Keyring, seal_to_keep, unseal
from dataops_defs.domain.secret import NAME, NAME_RULE, allowed_servers, may_go_to
from dataops_defs.domain.source import CONNECTIONS, SourceType, references_of
from dataops_defs.errors import Conflict, Forbidden, Invalid, NotFound

NAMED_AT_MOST = 20
USERS: Mapping[str, type[SourceRow] | type[MountRow]] = {"source": SourceRow, "mount": MountRow}


def value_context(secret_id: str) -> str:
    """Associated data of a secret's sealed value."""
    return f"secret:{secret_id}:value"


class Secrets:
    """All reads and writes of secrets."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring

    def page(self, *, limit: int, offset: int = 0) -> tuple[Sequence[SecretRow], int]:
        """One page by name, and the number of all."""
        query = select(SecretRow).order_by(SecretRow.name).limit(limit).offset(offset)
        total = self._session.scalar(select(func.count()).select_from(SecretRow)) or 0
        return self._session.scalars(query).all(), total

    def put(self, name: str, by: str, given: Mapping[str, Any]) -> tuple[SecretRow, bool]:
        """Make or change a secret; returns whether it was made.

        Args:
            by: who does it.
            given: any of ``value``, ``description`` and ``allowed_hosts``; what is left out stays.

        Raises:
            Invalid: an ill-formed name or host, or a new secret without a value.
        """
        if not NAME.fullmatch(name):
            raise Invalid.field("name", NAME_RULE)
        row = self._find(name, lock=True)
        made = row is None
        if row is None:
            if given.get("value") is None:
                raise Invalid.field("value", "is required: there is no such secret yet")
            row = SecretRow(id=new_id(), name=name, created_by=by, allowed_hosts=[])
        if "value" in given:
            row.value = seal_to_keep(self._session, self._keyring, given["value"].encode(), value_context(row.id))
        if "description" in given:
            row.description = given["description"]
        if "allowed_hosts" in given:
            row.allowed_hosts = allowed_servers(given["allowed_hosts"] or ())
        row.updated_by = by
        self._session.add(row)
        self._session.flush()
        return row, made

    def remove(self, name: str) -> SecretRow:
        """Delete a secret.

        Raises:
            NotFound: there is none of that name.
            Conflict: something refers to it; the message lists what.
        """
        row = self._find(name, lock=True)
        if row is None:
            raise NotFound(f"Secret {name[:100]} not found")
        users = self._uses().get(name)
        if users:
            listed = ", ".join(f"{noun} '{user}'" for noun, user in users[:NAMED_AT_MOST])
            raise Conflict(f"Secret '{name}' is used by {listed}; give these another first")
        self._session.delete(row)
        self._session.flush()
        return row

    def users(self) -> dict[str, list[str]]:
        """Names of the sources and mounts that refer to each secret, by the secret's name."""
        return {secret: [name for _, name in found] for secret, found in self._uses().items()}

    def _uses(self) -> dict[str, list[tuple[str, str]]]:
        """What refers to each secret: a noun and a name; one query for each table."""
        found: dict[str, list[tuple[str, str]]] = {}
        for noun, row in USERS.items():
            query = select(row.name, row.secret_references).where(row.secret_references != {})
            for user, references in self._session.execute(query.order_by(row.name)):
                for secret in {each["secret"] for each in references.values()}:
                    found.setdefault(secret, []).append((noun, user))
        return found

    def opened(
        self, kind: SourceType, connection: Mapping[str, Any], approved: Collection[str], *, keep: bool = False
    ) -> dict[str, Any]:
        """A connection, in order, with what the secrets hold in the place of their names.

        Args:
            approved: settings whose secret may be sent wherever the connection leads.
            keep: nobody deletes the secrets before the transaction ends.

        Raises:
            Invalid: a secret does not exist.
            Forbidden: a secret may not be sent there.
        """
        filled = dict(connection)
        server = CONNECTIONS[kind].of(connection).server
        for field, name in references_of(connection).items():
            row = self._find(name, share=keep)
            if row is None:
                raise Invalid.field(f"connection.{field}", f"there is no secret named '{name}'")
            if field not in approved and not may_go_to(server, row.allowed_hosts):
                raise Forbidden(
                    f"connection.{field}: the secret '{name}' may not be sent to {server or 'this place'}; an admin can"
                    " list that host with the secret, or set this connection up"
                )
            filled[field] = unseal(self._keyring, row.value, value_context(row.id)).decode()
        return filled

    def _find(self, name: str, *, lock: bool = False, share: bool = False) -> SecretRow | None:
        query = select(SecretRow).where(SecretRow.name == name)
        return self._session.scalar(query.with_for_update(read=not lock) if lock or share else query)
