"""A connection as a request gives it: in order, with secrets that whoever asks may have sent there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from api_shim.auth import Caller
from api_shim.checks import connection_in_order
from api_shim.grants import check_file_use
from api_shim.shim import Shim
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.secrets import Secrets
from dataops_defs.catalogue.tokens import Role
from dataops_defs.domain.source import CONNECTIONS, SECRET_FIELDS, SourceType, references_of, source_type
from dataops_defs.errors import Invalid


@dataclass(frozen=True)
class Checked:
    """A connection in order: as it is kept, and as it is opened."""

    kept: Mapping[str, Any] = field(repr=False)
    opened: Mapping[str, Any] = field(repr=False)
    approved: frozenset[str]
    """Settings whose secret an admin lets be sent wherever the connection leads."""


def laid_over(kind: SourceType, kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept, with the settings that a request gives laid over it; null takes out.

    Names that are no settings stay, also with null: the check refuses them.
    """
    known = CONNECTIONS[kind].names()
    return {name: value for name, value in {**kept, **given}.items() if value is not None or name not in known}


def checked(
    shim: Shim,
    session: Session,
    caller: Caller,
    kind: SourceType,
    connection: Mapping[str, Any],
    approved: Collection[str] | None = None,
) -> Checked:
    """Look whether a connection could be made, and whether its secrets may be sent there.

    Args:
        approved: settings whose secret an admin approves, or has approved for this place; None for a new connection,
            where an admin approves all.

    Raises:
        Invalid: what is wrong, by field; a secret that does not exist, or whose value does not fit.
        Forbidden: a secret may not be sent there; the path leads to the files of a source that the caller may not use.
    """
    connection_in_order(shim, session, kind, connection)
    if kind in (SourceType.CSV, SourceType.EXCEL):
        check_file_use(session, shim, caller, str(connection["path"]), folder=True)
    references = references_of(connection)
    if approved is None:
        approved = references if caller.role >= Role.ADMIN else ()
    allowed = frozenset(approved) & references.keys()
    opened = Secrets(session, shim.platform.keyring).opened(kind, connection, allowed, keep=True)
    if references:
        connection_in_order(shim, session, kind, opened)
    return Checked(connection, opened, allowed)


def rechecked(
    shim: Shim,
    session: Session,
    caller: Caller,
    row: SourceRow,
    kept: Mapping[str, str],
    given: Mapping[str, Any],
) -> Checked:
    """The same for a source's connection that a request changes; its secrets must not be sent elsewhere unseen.

    Args:
        kept: the secrets it has, those by name as references.
        given: settings that the request gives.

    Raises:
        As `checked` does.
    """
    kind = source_type(row.type)
    connection = laid_over(kind, {**row.connection, **kept}, given)
    connection_in_order(shim, session, kind, connection)
    moved = [name for name in CONNECTIONS[kind].names("place") if connection.get(name) != row.connection.get(name)]
    # Whoever may change where it is sent must not learn the password by having it sent elsewhere.
    for name in sorted(SECRET_FIELDS & set(kept)):
        if moved and name not in given:
            raise Invalid.field(f"connection.{name}", f"must be given again when {moved[0]} changes")
    before = {name for name, each in row.secret_references.items() if each["approved"] and not moved}
    approved = {name for name in before if connection.get(name) == kept[name]}
    if caller.role >= Role.ADMIN:
        approved |= given.keys()
    return checked(shim, session, caller, kind, connection, approved)
