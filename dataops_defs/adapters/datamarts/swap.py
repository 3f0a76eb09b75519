"""A draft takes the place of a table or view in one short transaction; what hangs on the old one hangs on the new one.

A draft of a materialized view is made empty and then refreshed: such rows are visible to every transaction, also to a
REPEATABLE READ one that began before them and looks the name up afterwards; PostgreSQL 17 and later do so themselves.
It finds a table that was made meanwhile empty: tables are merged, and swapped only where their columns changed.
"""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import belongings, dependants, indexes
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.datamarts.losses import losses_of
from dataops_defs.adapters.datamarts.relations import KINDS, Relation
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.errors import Conflict


def build(cursor: Cursor, schema: str, name: str, type: DatamartType, query: str, *, passing: bool = False) -> None:
    """Run the query into a new table or view, as the role of the cursor.

    Args:
        query: as the guard renders it.
        passing: the table is only read once by us, and need not outlive a crash of the server.
    """
    place, kind = sql.Identifier(schema, name), sql.SQL(KINDS[type])
    create = sql.SQL("CREATE {}{} {} AS ").format(sql.SQL("UNLOGGED " if passing else ""), kind, place)
    if type is DatamartType.MATERIALIZED_VIEW:
        cursor.execute(create.as_string(cursor) + query + " WITH NO DATA")
        cursor.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(place))
    else:
        cursor.execute(create.as_string(cursor) + query)


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


def put_in_place(cursor: Cursor, draft: Relation, name: str, old: Relation | None) -> None:
    """Give the draft the name, and all that the old one has; readers wait for a moment at most.

    Raises:
        Conflict: something is built on the old one that does not fit, or cannot be bound to, the new one; or somebody
            reads it without a pause; or it has what cannot be carried over, such as policies and triggers.
    """
    rename = sql.SQL("ALTER {} {} RENAME TO {}").format(draft.kind, draft.identifier, sql.Identifier(name))
    if old is None:
        cursor.execute(rename)
        return
    hindrance = hindrance_to_swap(cursor, old)
    if hindrance:
        raise Conflict(f"{old.schema}.{name} cannot be replaced: {hindrance}")
    found = dependants.dependants_of(cursor, old)
    rebinding = dependants.rebinding(cursor, found)
    naming = _give_all(cursor, old, draft)
    aside = f"{draft.name}_old"

    def swap() -> None:
        cursor.execute(sql.SQL("ALTER {} {} RENAME TO {}").format(old.kind, old.identifier, sql.Identifier(aside)))
        for statement in [rename, *rebinding]:
            cursor.execute(statement)
        cursor.execute(sql.SQL("DROP {} {}").format(old.kind, sql.Identifier(old.schema, aside)))
        for statement in naming:
            cursor.execute(statement)

    try:
        patiently(cursor, f"{old.schema}.{name}", swap)
    except (psycopg2.errors.DependentObjectsStillExist, psycopg2.errors.InvalidTableDefinition) as error:
        raise Conflict(_misfit(old, dependants.all_of(found), error)) from None
    except (psycopg2.errors.UndefinedColumn, psycopg2.errors.UndefinedFunction) as error:
        raise Conflict(_misfit(old, dependants.all_of(found), error)) from None


def _give_all(cursor: Cursor, old: Relation, draft: Relation) -> list[sql.Composable]:
    """Give the draft what people gave to the old one; the statements that name its indexes after the swap."""
    try:
        naming = indexes.give_indexes(cursor, draft, indexes.indexes_of(cursor, old))
        belongings.give_the_rest(cursor, old, draft)
    except Conflict as error:
        raise Conflict(f"{old.schema}.{old.name} cannot be replaced: {error}") from None
    except psycopg2.errors.NotNullViolation as error:
        raise Conflict(f"{old.schema}.{old.name} cannot be replaced: {error.diag.message_primary}") from None
    return naming


def _misfit(old: Relation, readers: list[str], error: psycopg2.Error) -> str:
    said = error.diag.message_detail or error.diag.message_primary or ""
    return (
        f"{old.schema}.{old.name} cannot be replaced: its new columns do not fit what reads it "
        f"({', '.join(readers)}): {said}".replace("\n", "; ")
    )
