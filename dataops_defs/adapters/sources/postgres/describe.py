"""What a query's result is like: its columns, their types, and the digits that its numerics need."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg2 import sql

from dataops_defs.adapters.sources.postgres.types import NUMERIC, PgColumn, numeric_digits
from dataops_defs.domain.etl import SqlColumn
from dataops_defs.errors import Invalid

# varchar and char; a modifier counts the header of such a value too.
LIMITED_TEXTS = (1042, 1043)
MODIFIER_OFFSET = 4


def describe(connection: Any, query: str) -> list[PgColumn]:
    """The columns of a query's result; a numeric without limits is not proven yet.

    Raises:
        Invalid: there are none, or two of one name.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS described LIMIT 0")  # noqa: S608 - guarded
        columns = [
            PgColumn(each.name, each.type_code, *numeric_digits(each.precision, each.scale))
            for each in cursor.description or ()
        ]
        cursor.execute(
            "SELECT oid FROM pg_catalog.pg_type WHERE typcategory = 'A' AND oid = ANY(%s::oid[])",
            ([each.oid for each in columns],),
        )
        arrays = {oid for (oid,) in cursor.fetchall()}
    _check_names(columns)
    return [replace(each, is_array=each.oid in arrays) for each in columns]


def sql_columns(connection: Any, query: str) -> list[SqlColumn]:
    """The same with their types in PostgreSQL's words.

    Raises:
        Invalid: as `describe` does, or no table could hold one of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS described LIMIT 0")  # noqa: S608 - guarded
        found = list(cursor.description or ())
        cursor.execute(
            "SELECT pg_catalog.format_type(given.oid, modifier), typcategory = 'P'"
            " FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS given (oid, modifier, place)"
            " JOIN pg_catalog.pg_type t ON t.oid = given.oid ORDER BY place",
            ([each.type_code for each in found], [_modifier(each) for each in found]),
        )
        told = cursor.fetchall()
    made = [SqlColumn(each.name, kind) for each, (kind, _) in zip(found, told, strict=True)]
    _check_names(made)
    for each, (kind, pseudo) in zip(made, told, strict=True):
        if pseudo:
            raise Invalid.field(
                "extraction.query",
                f"column '{each.name}' is a {kind}, which no table can hold: select its parts, or cast it",
            )
    return made


def _modifier(column: Any) -> int:
    """The type modifier, from what the driver makes of it: the digits of a numeric, the length of a text."""
    precision, scale = numeric_digits(column.precision, column.scale)
    if column.type_code == NUMERIC and precision is not None and scale is not None:
        return ((precision << 16) | (scale & 0x7FF)) + MODIFIER_OFFSET
    if column.type_code in LIMITED_TEXTS and (column.internal_size or 0) > 0:
        return int(column.internal_size) + MODIFIER_OFFSET
    return -1


def _check_names(columns: Sequence[PgColumn | SqlColumn]) -> None:
    if not columns:
        raise Invalid.field("extraction.query", "returns no columns")
    seen: set[str] = set()
    for each in columns:
        if each.name in seen:
            raise Invalid.field("extraction.query", f"two columns are called '{each.name}'; give one another name")
        seen.add(each.name)


def prove_numerics(connection: Any, query: str, columns: Sequence[PgColumn]) -> list[PgColumn]:
    """Numerics without limits get the digits that their values need."""
    unproven = [index for index, each in enumerate(columns) if each.unproven]
    if not unproven:
        return list(columns)
    measures = sql.SQL(", ").join(
        sql.SQL(
            "coalesce(max(scale({c})), 0),"
            " coalesce(max(length(trim_scale(trunc(abs({c})))::text)), 1),"
            " coalesce(bool_or({c} IN ('NaN', 'Infinity', '-Infinity')), false)"
        ).format(c=alias(index))
        for index in unproven
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(measures, derived(query, len(columns))))
        found = cursor.fetchone()
    proven = list(columns)
    for place, index in enumerate(unproven):
        scale, whole, endless = found[3 * place : 3 * place + 3]
        proven[index] = columns[index] if endless else columns[index].proven(scale, whole)
    return proven


def derived(query: str, width: int) -> sql.Composable:
    """The query as a table, its columns by the names of `alias`."""
    names = sql.SQL(", ").join(alias(index) for index in range(width))
    return sql.SQL("({}) AS result ({})").format(sql.SQL(query), names)


def alias(index: int) -> sql.Identifier:
    """The name of a column by its place."""
    return sql.Identifier(f"c{index}")
