"""What requests for datamarts say, checked against the warehouse: names, places, queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import Error, errors, sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from sqlalchemy.orm import Session

from api_shim.datamart_leftovers import taken_over
from api_shim.shim import Shim
from dataops_defs.adapters.datamarts import elsewhere, names, ours, relations
from dataops_defs.adapters.datamarts.relations import columns_of, find, query_columns
from dataops_defs.adapters.sql.guard import check_query, tables_of
from dataops_defs.adapters.warehouse.connection import locked
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.columns import Column
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.errors import Conflict, Invalid
from dataops_defs.flows.lineage import lineage_of

PLAN_TIME_LIMIT = "15s"
LOCK_TIMEOUT = "3s"
CLOSED_SCHEMAS = ("information_schema", "dataops", "objects")
_PLACE = (
    "SELECT has_schema_privilege(n.oid, 'CREATE'),"
    " EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = %s)"
    " FROM pg_namespace n WHERE n.nspname = %s AND n.nspname !~ '^pg_' AND n.nspname <> ALL (%s)"
)


@dataclass(frozen=True)
class Planned:
    """What is known of a query before it is run.

    ``columns`` is None while tables that it reads have still to be made, of which ``note`` tells; ``lineage`` is as a
    row keeps it.
    """

    upstream: list[dict[str, str]]
    columns: list[Column] | None
    lineage: dict[str, Any]
    note: str | None = None

    @property
    def columns_kept(self) -> list[dict[str, object]] | None:
        """The columns as a row keeps them."""
        return None if self.columns is None else [each.as_json() for each in self.columns]


def check_place(shim: Shim, schema: str, table: str, kind: DatamartType) -> str | None:
    """Refuse a schema where the builder may not create, and a name that something else has there.

    Returns:
        What people should know of what has that name: an earlier datamart left it, and the new one takes it over.
    """
    with shim.platform.catalogue() as session:
        known = Datamarts(session).by_slug(table) is not None
    with shim.platform.warehouse("dataops datamart", role="builder") as connection, connection.cursor() as cursor:
        cursor.execute(_PLACE, (table, schema, list(CLOSED_SCHEMAS)))
        found = cursor.fetchone()
        names.refuse_where_a_type_is(cursor, schema, table)
        if found is None or not found[0]:
            raise Invalid.field("schema", f"'{schema}' is no schema of the warehouse that datamarts may be made in")
        return taken_over(cursor, schema, table, kind) if found[1] and not known else None


def check_version_place(shim: Shim, schema: str, table: str, version_id: str | None) -> None:
    """Refuse a version whose table would have the name of something else.

    Args:
        version_id: the version of that name that is known already, whose table may be there.
    """
    with shim.platform.warehouse("dataops datamart") as connection, connection.cursor() as cursor:
        names.refuse_where_a_type_is(cursor, schema, table)
        found = find(cursor, schema, table)
        if found is not None and not (version_id and ours.is_of_version(cursor, found, version_id)):
            raise Conflict(
                f"{schema}.{table} exists already and is not this version's table: rename or drop it, or take another"
                " name for the version"
            )


def planned(shim: Shim, given: str, kind: DatamartType) -> Planned:
    """Check a query, and tell what it gives.

    Raises:
        UnsafeQuery: it does more than read.
        Invalid: PostgreSQL refuses it, or to keep what it gives; what it reads may still have to be made.
        DependencyUnavailable: somebody holds a lock on what it reads.
    """
    query = check_query(given, allowed_functions=shim.settings.allowed_functions)
    tables = tables_of(given)
    upstream = [{"schema": schema or "public", "table": name} for schema, name in tables]
    try:
        with shim.platform.warehouse("dataops datamart", role="builder") as connection, connection.cursor() as cursor:
            columns = described(cursor, query)
            unheld = relations.unheld(cursor, columns, kind)
            known = columns_of(cursor, tables)
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        return Planned(upstream, None, {}, _to_be_made(shim, tables, error))
    except Error as error:
        raise Invalid.field("query", f"PostgreSQL refuses it: {error.diag.message_primary}") from None
    if unheld:
        raise Invalid.field("query", unheld)
    _refuse_twins(columns)
    lineage = {
        name: [[list(path), column] for path, column in origins]
        for name, origins in lineage_of(shim.platform, query, known).items()
    }
    return Planned(upstream, columns, lineage)


def described(cursor: Cursor, query: str) -> list[Column]:
    """The columns of a query that the guard has passed, before it is run; nobody waits long for that.

    Raises:
        psycopg2.Error: PostgreSQL refuses it.
        DependencyUnavailable: somebody holds a lock on what it reads.
    """
    cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(PLAN_TIME_LIMIT)))
    cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    try:
        return query_columns(cursor, query)
    except errors.LockNotAvailable:
        raise locked(f"{schema or 'public'}.{name}" for schema, name in tables_of(query)) from None


def _to_be_made(shim: Shim, tables: Collection[tuple[str | None, str]], error: Error) -> str:
    """What is said of a query whose tables are not there yet."""
    with shim.platform.warehouse("dataops datamart", role="builder") as connection, connection.cursor() as cursor:
        if len(columns_of(cursor, tables)) == len(tables):
            raise Invalid.field("query", f"PostgreSQL refuses it: {error.diag.message_primary}")
        said = error.diag.message_primary or ""
        if isinstance(error, errors.UndefinedTable):
            said = elsewhere.undefined(cursor, said)
    return f"A refresh will fail until what the query reads is there: {said}"


def refuse_circle(session: Session, schema: str, table: str, plan: Planned) -> None:
    """Refuse a query that reads its own result, by way of other datamarts or directly."""
    by = Datamarts(session).circle(schema, table, plan.upstream)
    if by is not None:
        raise Invalid.field("query", f"it would read its own result, in {by}")


def not_versioned(row: DatamartRow) -> DatamartRow:
    """The datamart, if it is one that is refreshed."""
    if row.versioned:
        raise Conflict(
            f"'{row.name}' is versioned: what a version holds does not change. Post a new version of it instead"
        )
    return row


def _refuse_twins(columns: Sequence[Column]) -> None:
    names = [each.name for each in columns]
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise Invalid.field("query", f"it gives several columns named '{twins[0]}': name them apart with AS")
