"""Asking MySQL for what is new: the user's query, which was checked, as a table of which rows are chosen."""

from collections.abc import Sequence
from datetime import UTC
from decimal import ROUND_FLOOR
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.sources.mysql.types import DECIMALS, MysqlColumn
from dataops_defs.domain.incremental import FIELD, Mark, MarkKind, Moment
from dataops_defs.errors import Invalid

# A time without a zone is in UTC or in the server's own zone: the earlier of both is not in the future.
_MOMENT = """SELECT UTC_TIMESTAMP(6), COALESCE(LEAST(UTC_TIMESTAMP(6),
    CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', @@GLOBAL.time_zone)), UTC_TIMESTAMP(6))"""


def rows_since(query: str, columns: Sequence[MysqlColumn], cursor: str, since: Mark | None) -> str:
    """The query of the rows from a mark on, and of those whose cursor is empty: nothing says that they are old.

    Raises:
        Invalid: there is no such column, or its type has no order that a mark could stand in.
        Unlike: its type is of another kind than the mark.
    """
    found = next((each for each in columns if each.name == cursor), None)
    if found is None:
        raise Invalid.field(f"{FIELD}.cursorColumn", f"the query does not give '{cursor}'")
    if since is not None:
        since.check_kind(cursor, _kind_of(found.arrow))
    literal = _literal(found, since)
    if since is None:
        return query
    name = f"changed.{_quoted(cursor)}"
    return f"SELECT * FROM ({query}) AS changed WHERE {name} IS NULL OR {name} >= {literal}"  # noqa: S608 - guarded


def keys_of(query: str, names: Sequence[str]) -> str:
    """The query of the keys alone."""
    chosen = ", ".join(f"keyed.{_quoted(name)}" for name in names)
    return f"SELECT {chosen} FROM ({query}) AS keyed"  # noqa: S608 - guarded


def moment_of(connection: Any) -> Moment:
    """Now, by the server's clock."""
    with connection.cursor() as cursor:
        cursor.execute(_MOMENT)
        [(instant, local)] = cursor.fetchall()
    return Moment(instant.replace(tzinfo=UTC), local)


def _kind_of(type: pa.DataType) -> MarkKind:
    if pa.types.is_timestamp(type):
        return MarkKind.INSTANT if type.tz else MarkKind.TIME
    return MarkKind.DATE if pa.types.is_date(type) else MarkKind.NUMBER


def _literal(column: MysqlColumn, since: Mark | None) -> str:
    """A mark as the column's type is written; the session's time zone is UTC."""
    kind = column.arrow
    value = None if since is None else since.value
    if pa.types.is_timestamp(kind):
        return "" if value is None else f"TIMESTAMP'{value.replace(tzinfo=None).isoformat(' ', 'microseconds')}'"
    if pa.types.is_date(kind):
        return "" if value is None else f"DATE'{value.isoformat()}'"
    if pa.types.is_integer(kind):
        return "" if value is None else format(value.to_integral_value(ROUND_FLOOR), "f")
    if pa.types.is_floating(kind):
        return "" if value is None else f"{value:E}"
    if column.kind in DECIMALS:
        return "" if value is None else format(value, "f")
    told = f"'{column.name}' is neither a number nor a date or time: cast it in the query, or choose another"
    raise Invalid.field(f"{FIELD}.cursorColumn", told)


def text_numbers(columns: Sequence[MysqlColumn]) -> frozenset[str]:
    """Decimals of more digits than Arrow's have arrive as text."""
    return frozenset(each.name for each in columns if each.kind in DECIMALS and pa.types.is_string(each.arrow))


def _quoted(name: str) -> str:
    doubled = name.replace("`", "``")
    return f"`{doubled}`"
