"""Asking PostgreSQL for what is new: the user's query, which was checked, as a table of which rows are chosen."""

from collections.abc import Sequence
from datetime import UTC
from decimal import ROUND_FLOOR
from typing import Any

from psycopg2 import sql

from dataops_defs.adapters.sources.postgres.types import NUMERIC, PgColumn
from dataops_defs.domain.incremental import FIELD, Mark, MarkKind, Moment
from dataops_defs.errors import Invalid

# Type ids of columns that can be cursors, and what a mark is written as, so that an index still serves.
_INTEGERS = dict.fromkeys((20, 21, 23, 26), "int8")
_CASTS = {
    **_INTEGERS,
    700: "float8",
    701: "float8",
    NUMERIC: "numeric",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
}
_KINDS = {1082: MarkKind.DATE, 1114: MarkKind.TIME, 1184: MarkKind.INSTANT}
# A time without a zone is in UTC or in the server's own zone: the earlier of both is not in the future.
_MOMENT = """SELECT now(), least(now() AT TIME ZONE 'UTC', now() AT TIME ZONE
    (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'TimeZone'))"""


def rows_since(connection: Any, query: str, columns: Sequence[PgColumn], cursor: str, since: Mark | None) -> str:
    """The query of the rows from a mark on, and of those whose cursor is empty: nothing says that they are old.

    Raises:
        Invalid: there is no such column, or its type has no order that a mark could stand in.
        Unlike: its type is of another kind than the mark.
    """
    found = next((each for each in columns if each.name == cursor), None)
    if found is None:
        raise Invalid.field(f"{FIELD}.cursorColumn", f"the query does not give '{cursor}'")
    if found.oid not in _CASTS:
        told = f"'{cursor}' is neither a number nor a date or time: cast it in the query, or choose another"
        raise Invalid.field(f"{FIELD}.cursorColumn", told)
    if since is None:
        return query
    since.check_kind(cursor, _KINDS.get(found.oid, MarkKind.NUMBER))
    value = since.text
    if found.oid in _INTEGERS:
        value = format(since.value.to_integral_value(ROUND_FLOOR), "f")
    condition = sql.SQL("({}) AS changed WHERE changed.{} IS NULL OR changed.{} >= {}::pg_catalog.{}")
    name = sql.Identifier(cursor)
    made = condition.format(sql.SQL(query), name, name, sql.Literal(value), sql.SQL(_CASTS[found.oid]))
    return str((sql.SQL("SELECT * FROM ") + made).as_string(connection))


def keys_of(connection: Any, query: str, names: Sequence[str]) -> str:
    """The query of the keys alone."""
    chosen = sql.SQL(", ").join(sql.SQL("keyed.{}").format(sql.Identifier(name)) for name in names)
    return str(sql.SQL("SELECT {} FROM ({}) AS keyed").format(chosen, sql.SQL(query)).as_string(connection))


def moment_of(connection: Any) -> Moment:
    """When this transaction began, by the server's clock."""
    with connection.cursor() as cursor:
        cursor.execute(_MOMENT)
        [(instant, local)] = cursor.fetchall()
    return Moment(instant.astimezone(UTC), local)


def text_numbers(columns: Sequence[PgColumn]) -> frozenset[str]:
    """Numerics that arrive as text: a value is NaN, or needs more digits than Arrow's decimals have."""
    return frozenset(each.name for each in columns if each.oid == NUMERIC and str(each.arrow) == "string")
