"""Bounded reads of datamarts: the first rows, and what PostgreSQL's sample tells of columns."""

from collections.abc import Sequence
from typing import Any

from psycopg2 import Error, OperationalError, errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from api_shim.schemas.datamarts import ColumnStatistics, DatamartPreview
from api_shim.shim import Shim
from dataops_defs.adapters.datamarts import ours
from dataops_defs.adapters.datamarts.relations import Relation, find, query_columns
from dataops_defs.adapters.datamarts.shown_rows import shown_rows
from dataops_defs.adapters.json_values import exact_object
from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.columns import Column
from dataops_defs.errors import Conflict, DependencyUnavailable, SourceError, SourceUnavailable
from dataops_defs.settings import BUILDER

TIME_LIMIT = "15s"
MOST_BYTES = 16 * 1024 * 1024
AT_ONCE = 50
# What a versioned one shows is the table that its view is on.
_STATISTICS = """
SELECT wanted.id, s.attname, s.null_frac,
    CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * c.reltuples ELSE s.n_distinct END
FROM unnest(%s::text[], %s::text[], %s::text[], %s::boolean[]) AS wanted (id, schema, name, versioned)
    JOIN pg_namespace place ON place.nspname = wanted.schema
    JOIN pg_class mart ON mart.relnamespace = place.oid AND mart.relname = wanted.name
    CROSS JOIN LATERAL (
        SELECT mart.oid
        UNION
        SELECT d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE wanted.versioned AND r.ev_class = mart.oid AND d.refclassid = 'pg_class'::regclass
    ) AS shown (oid)
    JOIN pg_class c ON c.oid = shown.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
WHERE pg_get_userbyid(mart.relowner) = %s
"""
_LOST = """
SELECT wanted.id, c.oid IS NOT NULL
FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (id, schema, name)
    LEFT JOIN pg_namespace n ON n.nspname = wanted.schema
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
WHERE c.oid IS NULL OR pg_get_userbyid(c.relowner) <> %s
"""
Statistics = dict[str, ColumnStatistics]


def preview(shim: Shim, row: DatamartRow, limit: int) -> DatamartPreview:
    """The first rows, read as a role that may only read; 16 MB of them at most.

    Raises:
        Conflict: the role may not read it, it is gone, or what has its name is not the datamart's.
        SourceError: its query, where it is a view, fails over the rows that are there now.
        SourceUnavailable: it took too long.
    """
    with shim.platform.warehouse("dataops preview", role="reader") as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(TIME_LIMIT)))
        relation = held_by(cursor, row)
        if relation is None or not relation.populated:
            return _shown(row, _to_come(shim, row, cursor), [], 0)
        try:
            data = _rows(connection, relation.identifier, limit)
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(relation.identifier))
            [(total,)] = cursor.fetchall()
        except errors.InsufficientPrivilege:
            raise unreadable(row) from None
        except errors.QueryCanceled:
            raise SourceUnavailable(f"Reading took longer than {TIME_LIMIT}") from None
        except errors.ConfigurationLimitExceeded:
            raise SourceError(f"Reading datamart '{row.name}' needs more temporary space than it may have") from None
        except OperationalError:
            raise
        except Error as error:
            raise SourceError(f"Reading datamart '{row.name}' was refused: {error.diag.message_primary}") from None
    return _shown(row, list(relation.columns), data, total)


def held_by(cursor: Cursor, row: DatamartRow) -> Relation | None:
    """What a datamart holds; None where it was never filled.

    Raises:
        Conflict: it is gone, or something else has its name.
    """
    relation = find(cursor, row.schema, row.slug)
    if relation is not None and not ours.is_made_by_us(cursor, relation):
        raise Conflict(ours.not_made_by_us(relation.address))
    if row.last_refreshed_at is None:
        return None  # what is there before the first refresh, an earlier datamart of that name has left
    if relation is None:
        raise Conflict(_gone(row))
    return relation


def lost(shim: Shim, rows: Sequence[DatamartRow]) -> dict[str, str]:
    """By the datamart's id, why what it was filled with is not there any more; nothing of those that are whole.

    Nor anything while the warehouse does not answer: what is kept of datamarts can be told all the same.
    """
    filled = {row.id: row for row in rows if row.last_refreshed_at is not None}
    wanted = zip(*((row.id, row.schema, row.slug) for row in filled.values()), strict=True)
    if not filled:
        return {}
    try:
        with shim.platform.warehouse("dataops datamarts", role="reader") as connection, connection.cursor() as cursor:
            cursor.execute(_LOST, (*map(list, wanted), BUILDER))
            found = dict(cursor.fetchall())
    except DependencyUnavailable:
        return {}
    addresses = {id: f"{filled[id].schema}.{filled[id].slug}" for id in found}
    return {id: ours.not_made_by_us(addresses[id]) if taken else _gone(filled[id]) for id, taken in found.items()}


def unreadable(row: DatamartRow) -> Conflict:
    """What is said of one that the reader's role may not read."""
    return Conflict(f"The reader's role may not read {row.schema}.{row.slug}: grant it SELECT")


def _gone(row: DatamartRow) -> str:
    again = "a rollback to one of its versions" if row.versioned else "a refresh"
    return f"{row.schema}.{row.slug} is not there any more: {again} makes it again"


def statistics_of(shim: Shim, rows: Sequence[DatamartRow]) -> dict[str, Statistics]:
    """By the datamart's id, what is known of its columns; nothing of what others made under its name."""
    filled = [(row.id, row.schema, row.slug, row.versioned) for row in rows if row.last_refreshed_at is not None]
    wanted = zip(*filled, strict=True)
    found: dict[str, Statistics] = {}
    if filled:
        with shim.platform.warehouse("dataops statistics", role="reader") as connection, connection.cursor() as cursor:
            cursor.execute(_STATISTICS, (*map(list, wanted), BUILDER))
            for id, column, nulls, distinct in cursor.fetchall():
                told = ColumnStatistics(null_fraction=round(nulls, 4), distinct_values=round(distinct))
                found.setdefault(id, {})[column] = told
    return found


def _rows(connection: Connection, name: sql.Identifier, limit: int) -> list[dict[str, Any]]:
    """Rows as JSON holds them; numbers that a double does not keep are text."""
    data: list[dict[str, Any]] = []
    size = 0
    with connection.cursor(name="preview") as cursor:
        cursor.itersize = AT_ONCE
        for text in shown_rows(cursor, name, limit):
            size += len(text)
            if data and size > MOST_BYTES:
                break
            data.append(exact_object(text))
    return data


def _to_come(shim: Shim, row: DatamartRow, cursor: Cursor) -> list[Column]:
    """The columns that a datamart will have; none while what it reads is not there."""
    try:
        return query_columns(cursor, check_query(row.query, allowed_functions=shim.settings.allowed_functions))
    except Error:
        return [Column.from_json(each) for each in row.columns or []]


def _shown(row: DatamartRow, columns: list[Column], data: list[dict[str, Any]], total: int) -> DatamartPreview:
    return DatamartPreview(
        datamart_name=row.name,
        schema_name=row.schema,
        columns=[each.name for each in columns],
        column_types={each.name: each.type for each in columns},
        data=data,
        rows_returned=len(data),
        total_rows=total,
    )
