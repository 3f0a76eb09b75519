"""A draft takes the place of a table or view in one short transaction; what hangs on the old one hangs on the new one.

What takes time is done to the draft, before anybody has to wait: under the exclusive lock only the catalogue changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import belongings, dependants, indexes
from dataops_defs.adapters.datamarts.indexes import Index
from dataops_defs.adapters.datamarts.locks import lock, patiently
from dataops_defs.adapters.datamarts.losses import losses_of
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.errors import Conflict, DependencyUnavailable

_ASIDE = "_old"
_MISFITS = (
    psycopg2.errors.DependentObjectsStillExist,
    psycopg2.errors.InvalidTableDefinition,
    psycopg2.errors.UndefinedColumn,
    psycopg2.errors.UndefinedFunction,
)


@dataclass(frozen=True)
class Heir:
    """A draft that has all that the old one has, its indexes under other names, and what names these when it is in."""

    draft: Relation
    old: Relation
    indexes: Sequence[Index]
    naming: Sequence[sql.Composable]


def drop(cursor: Cursor, relation: Relation) -> None:
    """Drop it.

    Raises:
        Conflict: something that we may not change is built on it; the message names what.
    """
    try:
        cursor.execute(sql.SQL("DROP {} {}").format(relation.kind, relation.identifier))
    except psycopg2.errors.DependentObjectsStillExist as error:
        told = (error.diag.message_detail or "something depends on it").replace("\n", "; ")
        raise Conflict(f"{relation.schema}.{relation.name} cannot be dropped: {told}") from None


def hindrance_to_swap(cursor: Cursor, old: Relation) -> str | None:
    """Why another one cannot take its place; None where nothing is in the way."""
    lost = losses_of(cursor, old)
    if lost:
        return f"it would lose what was given to it: {', '.join(lost)}"
    fixed = dependants.dependants_of(cursor, old).fixed
    return f"it is read by {', '.join(fixed)}" if fixed else None


def name_it(cursor: Cursor, draft: Relation, name: str) -> None:
    """Give the draft a name that nothing has."""
    cursor.execute(_renaming(draft, name))


def make_heir(cursor: Cursor, draft: Relation, old: Relation) -> Heir:
    """Give the draft all that the old one has; this may take as long as building indexes does, and nobody waits.

    Raises:
        Conflict: the old one has what cannot be carried over, such as policies and triggers, or the new rows do not
            fit its keys.
    """
    _refuse_hindered(cursor, old)
    given = indexes.indexes_of(cursor, old)
    try:
        naming = indexes.give_indexes(cursor, draft, given)
        belongings.give_the_rest(cursor, old, draft)
    except Conflict as error:
        raise _refusal(old, draft, str(error)) from None
    except psycopg2.errors.NotNullViolation as error:
        raise _refusal(old, draft, error.diag.message_primary or "") from None
    return Heir(draft, old, given, naming)


def put_in_place(cursor: Cursor, heir: Heir) -> None:
    """Give the draft the name of the old one, which goes; readers wait for a moment at most.

    Raises:
        Conflict: something is built on the old one that does not fit, or cannot be bound to, the new one; or somebody
            reads it without a pause.
        DependencyUnavailable: somebody has changed its indexes meanwhile.
    """
    draft, old = heir.draft, heir.old
    try:
        patiently(cursor, old.address, lambda: _swap(cursor, heir))
    except _MISFITS as error:
        readers = ", ".join(dependants.all_of(dependants.dependants_of(cursor, old)))
        said = error.diag.message_detail or error.diag.message_primary or ""
        raise _refusal(old, draft, f"its new columns do not fit what reads it ({readers}): {said}") from None


def _swap(cursor: Cursor, heir: Heir) -> None:
    draft, old = heir.draft, heir.old
    for oid in [*dependants.from_the_top(cursor, old), old.oid]:
        lock(cursor, oid)
    _refuse_hindered(cursor, old)
    if indexes.indexes_of(cursor, old) != heir.indexes:
        raise DependencyUnavailable(f"The indexes of {old.address} were changed meanwhile; try again shortly")
    rebinding = dependants.rebinding(cursor, dependants.dependants_of(cursor, old))
    aside = f"{draft.name}{_ASIDE}"
    gone = sql.SQL("DROP {} {}").format(old.kind, sql.Identifier(old.schema, aside))
    for statement in [_renaming(old, aside), _renaming(draft, old.name), *rebinding, gone, *heir.naming]:
        cursor.execute(statement)


def _renaming(relation: Relation, name: str) -> sql.Composable:
    return sql.SQL("ALTER {} {} RENAME TO {}").format(relation.kind, relation.identifier, sql.Identifier(name))


def _refuse_hindered(cursor: Cursor, old: Relation) -> None:
    hindrance = hindrance_to_swap(cursor, old)
    if hindrance:
        raise Conflict(f"{old.address} cannot be replaced: {hindrance}")


def _refusal(old: Relation, draft: Relation, reason: str) -> Conflict:
    """In words that people know: neither the draft's name nor the one that the old one had for a moment."""
    told = reason.replace(f"{draft.name}{_ASIDE}", old.name).replace(draft.name, old.name).replace("\n", "; ")
    return Conflict(f"{old.address} cannot be replaced: {told}")
