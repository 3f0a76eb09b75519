"""Whether a query's columns fit a table: every value kept as it is, or refused by itself; none rounded or cut."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.domain.etl import SqlColumn
from dataops_defs.errors import SchemaChanged

WHOLE = ("smallint", "integer", "bigint")
TEXTS = ("text", "character varying", "character", "name", "citext")
EXACT = (
    *("boolean", "smallint", "integer", "bigint", "oid", "text", "character varying", "name", "uuid", "bytea"),
    *("date", "timestamp without time zone", "timestamp with time zone", "time without time zone", "inet"),
)
_WIDER: dict[str, tuple[str, ...]] = {
    # A whole number that is too large for its column is refused, row by row.
    **dict.fromkeys(WHOLE, WHOLE),
    **dict.fromkeys(TEXTS, TEXTS),
    "real": ("double precision",),
    "date": ("timestamp without time zone",),
    "json": ("jsonb",),
    "jsonb": ("json",),
}
_LENGTH = re.compile(r"\(\d+\)")
_DIGITS = re.compile(r"numeric\((\d+),(-?\d+)\)")


@dataclass(frozen=True)
class TableColumn:
    """A column of a table; ``required``: a row must bring a value for it."""

    type: str
    required: bool


def columns_of_table(cursor: Cursor, schema: str, table: str) -> dict[str, TableColumn]:
    """The columns of a table by name, in order; none when there is no such table."""
    cursor.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod),"
        " a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        (schema, table),
    )
    return {name: TableColumn(kind, required) for name, kind, required in cursor.fetchall()}


def primary_key(cursor: Cursor, schema: str, table: str) -> tuple[str, ...]:
    """The columns of a table's primary key, in the key's order; empty without one."""
    cursor.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indisprimary AND n.nspname = %s AND c.relname = %s ORDER BY k.place",
        (schema, table),
    )
    return tuple(name for (name,) in cursor.fetchall())


def check_fit(given: Sequence[SqlColumn], present: Mapping[str, TableColumn], target: str) -> None:
    """Refuse a query whose columns the table cannot take.

    Raises:
        SchemaChanged: says each column that does not fit, and what to do.
    """
    wrong = []
    for each in given:
        column = present.get(each.name)
        if column is None:
            wrong.append(f"the query gives '{each.name}' ({each.type}), which {target} does not have")
        elif not holds(column.type, each.type):
            wrong.append(f"the query gives '{each.name}' as {each.type}, {target} has it as {column.type}")
    names = {each.name for each in given}
    wrong += [
        f"the query no longer gives '{name}', which {target} requires"
        for name, column in present.items()
        if column.required and name not in names
    ]
    if wrong:
        raise SchemaChanged(f"The columns do not fit: {'; '.join(wrong)}. Change the query (a cast) or the table")


def equal_is_same(kind: str) -> bool:
    """Whether values that PostgreSQL finds equal are the same; of other types the text says it.

    Equal but not the same are 1.0 and 1.00, '1 mon' and '30 days', 0 and -0; JSON of type json cannot be compared.
    """
    given = kind.removesuffix("[]")
    return _LENGTH.sub("", given) in EXACT or bool(_DIGITS.fullmatch(given))


def check_kept(given: Sequence[SqlColumn], last: Sequence[SqlColumn]) -> None:
    """Refuse a query that has lost columns since the last load, as when its source was changed.

    Raises:
        SchemaChanged: says which, and what to do.
    """
    names = {each.name for each in given}
    if gone := [each for each in last if each.name not in names]:
        lost = ", ".join(f"'{each.name}' ({each.type})" for each in gone)
        raise SchemaChanged(
            f"The query no longer gives {lost}: what the target has there would grow stale. Bring it back, or change"
            " source_query to say that it is meant"
        )


def holds(column: str, value: str) -> bool:
    """Whether a column of one type keeps every value of another as it is, or refuses it."""
    if column == value:
        return True
    family, given = column.partition("(")[0], value.partition("(")[0]
    if family == "numeric" and given in (*WHOLE, "numeric"):
        return _scale(column) is None or ((_scale(value) or 0) <= (_scale(column) or 0) and value != "numeric")
    if family == given == "numeric" or (family in WHOLE and given == "numeric"):
        return value.endswith(",0)") and family in WHOLE
    return family in _WIDER.get(given, ())


def _scale(kind: str) -> int | None:
    """Digits after the point; None for any number of them."""
    found = _DIGITS.fullmatch(kind)
    return int(found[2]) if found else None
