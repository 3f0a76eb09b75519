"""Whose rows the target of an import holds: what somebody else has made is not written."""

from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy.orm import Session

from dataops_defs.adapters.warehouse import loaded_files
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.importing import ImportTarget, LoadMode, TargetFormat
from dataops_defs.errors import Conflict
from dataops_defs.flows.import_lake import iceberg_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Work


def check_owner(work: Work, row: ImportRow, connection: Connection) -> None:
    """Refuse a target that another owner has; to be called by whoever holds the target.

    A watch takes over what one that is deleted has gathered. What was dropped is forgotten.

    Raises:
        Conflict: the target holds what something else has made.
    """
    target = row.target
    owner = loaded_files.owner_of(connection, str(target))
    exists, another = owner is not None, False
    if target.format is TargetFormat.POSTGRES:
        relation = loaded_files.relation_of(connection, target.schema, target.table)
        exists = relation is not None
        another = relation is not None and loaded_files.is_another(connection, str(target), relation)
    elif target.format is TargetFormat.ICEBERG:
        # The lake knows better: a worker may have died before it could enter here what it had written there.
        found = iceberg_of(work, row).found_owner()
        exists, another = found is not None, found == "" and owner is not None
        owner = found or owner
    if owner is not None and not exists:
        loaded_files.forget_target(connection, str(target))  # somebody has dropped it
    elif another:
        raise Conflict(
            f"{target} is not the table that was imported: that one was dropped, and somebody made this one;"
            " drop it too, or import into another table"
        )
    elif owner is None and exists:
        raise Conflict(f"{target} exists already, and no import has made it; import into another table")
    elif owner is not None and owner != row.owner:
        _take_over(work, row, connection, owner)


def check_may_gather(platform: Platform, session: Session, target: ImportTarget) -> None:
    """Refuse a table of the warehouse in which a new watch could never gather its files.

    Raises:
        Conflict: something else has made it, or makes it.
    """
    Imports(session).refuse_others(target)
    with platform.warehouse("dataops import") as connection:
        relation = loaded_files.relation_of(connection, target.schema, target.table)
        if relation is None:
            return
        owner = loaded_files.owner_of(connection, str(target))
        another = loaded_files.is_another(connection, str(target), relation)
    if another or owner is None or not _gathers_no_more(session, owner):
        raise Conflict(f"{target} is there already, and no watch has made it: name another table, or drop that one")


def _take_over(work: Work, row: ImportRow, connection: Connection, owner: str) -> None:
    with work.platform.catalogue() as session:
        is_free = _gathers_no_more(session, owner)
    if not is_free or row.watch_id is None or row.mode is not LoadMode.APPEND:
        raise Conflict(f"{row.target} {_held(owner, row.mode, is_free=is_free)} import into another table")
    loaded_files.hand_over(connection, str(row.target), row.owner)


def _gathers_no_more(session: Session, owner: str) -> bool:
    """Whether rows are those of a watch that is deleted."""
    kind, _, id = owner.partition(":")
    return kind == "watch" and Watches(session).find(id) is None


def _held(owner: str, mode: LoadMode, *, is_free: bool) -> str:
    """Whose rows a table holds, and what may be done about it."""
    kind, _, name = owner.partition(":")
    if is_free:
        return "gathers the files of a folder that is watched no more: watch it again into this table, or"
    if kind == "watch":
        return "gathers the files of a watched folder: put the file into that folder, or"
    if kind == "gathered":
        return "gathers the rows of several files, of which replace would leave one: use the mode append, or"
    why = "and append adds to what append has made" if mode is LoadMode.APPEND else "and replace takes its new versions"
    return f"holds the rows of {name}, {why}:"
