"""The columns of a warehouse table: made for rows to come, or shown to hold them without loss."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import psycopg2
import pyarrow as pa
from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.sinks.copying import sql_type
from dataops_defs.domain.columns import SYSTEM_COLUMN_NAMES
from dataops_defs.errors import Conflict, DependencyUnavailable, Invalid

Mode = Literal["replace", "append"]

MAX_COLUMNS = 1600
MAX_NAME_BYTES = 63
MOST_SHOWN = 10
_WHOLE = ("smallint", "integer", "bigint")
_KEEPS: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean",),
    "date": ("date", "timestamp without time zone"),
    "timestamp without time zone": ("timestamp without time zone",),
    "timestamp with time zone": ("timestamp with time zone",),
    "time without time zone": ("time without time zone",),
    "bytea": ("bytea",),
    "real": ("real", "double precision", "numeric"),
    "double precision": ("double precision", "numeric"),
    **dict.fromkeys(_WHOLE, (*_WHOLE, "numeric", "real", "double precision")),
    "numeric": ("numeric", "real", "double precision"),
}
_DECLARED = b"dataops.declared"
_FULL_NAME = {
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
}


def prepare(cursor: Cursor, schema: str, table: str, wanted: pa.Schema, mode: Mode) -> list[str]:
    """Make the table ready for rows of ``wanted``; returns the table's column for each field.

    ``replace``: a table of the same columns is emptied, so that grants, indexes and views on it stay; another is
    dropped and made anew. ``append``: the table is made when missing, lacking columns are added, numbers are widened.

    Raises:
        Invalid: a system schema or one that does not exist, too many columns.
        Conflict: views need the table as it is, a column could not keep the values, or none is shared.
    """
    _check_target(schema, table, wanted)
    names = column_names(wanted.names)
    types = dict(zip(names, map(declared_type, wanted), strict=True))
    target = sql.Identifier(schema, table)
    with refusals(schema, table):
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{schema}.{table}",))
        present = _present(cursor, schema, table)
        if present and mode == "append":
            check_shared(list(present), names, f"{schema}.{table}")
            _extend(cursor, target, present, types, f"{schema}.{table}")
        elif list(present.items()) == list(types.items()):
            cursor.execute(sql.SQL("TRUNCATE {}").format(target))
        else:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(target))
            columns = sql.SQL(", ").join(_definition(*each) for each in types.items())
            cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(target, columns))
    return names


def check_shared(present: Sequence[str], wanted: Sequence[str], shown: str) -> None:
    """Conflict where rows have no column of the table that they shall be added to: something else is meant."""
    if present and not set(present) & set(wanted):
        has, mine = (", ".join([*names[:MOST_SHOWN], *["…"][: len(names) > MOST_SHOWN]]) for names in (present, wanted))
        raise Conflict(
            f"{shown} has the columns {has}, and the file has none of them but {mine}: let its first row name them,"
            " say by has_header what its first row is, or write to another table"
        )


def types_to_keep(cursor: Cursor, schema: str, table: str, wanted: pa.Schema) -> dict[str, str]:
    """By column of ``wanted``, the other type that a table has for it, and that appending to it will not widen."""
    present = _present(cursor, schema, table)
    found: dict[str, str] = {}
    for name, column in zip(column_names(wanted.names), wanted, strict=True):
        kind, mine = present.get(name), declared_type(column)
        if kind is None or kind == mine:
            continue
        try:
            widened = _widened(kind, mine, name)
        except Conflict:
            widened = kind
        if widened == kind:
            found[column.name] = kind
    return found


def with_declared_type(column: pa.Field, declared: str) -> pa.Field:
    """The column, to be kept in a type of PostgreSQL that Arrow does not have, such as ``character varying(50)``."""
    return column.with_metadata({_DECLARED: declared})


def declared_type(column: pa.Field) -> str:
    """The PostgreSQL type that a column is kept in, as PostgreSQL itself names it."""
    declared = (column.metadata or {}).get(_DECLARED)
    return declared.decode() if declared else column_type(column.type)


def column_type(kind: pa.DataType) -> str:
    """The PostgreSQL type that keeps every value of an Arrow type, as PostgreSQL itself names it."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytea"
    name = sql_type(kind).replace(", ", ",")
    return _FULL_NAME.get(name, name)


def column_names(names: list[str]) -> list[str]:
    """Names that PostgreSQL takes: at most 63 bytes, none of its system columns, no two alike."""
    made: list[str] = []
    for given in names:
        name, number = _cut(given.replace("\x00", ""), MAX_NAME_BYTES), 1
        while name in made or name in SYSTEM_COLUMN_NAMES:
            number += 1
            ending = f"_{number}"
            name = _cut(given, MAX_NAME_BYTES - len(ending)) + ending
        made.append(name)
    return made


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")


@contextmanager
def refusals(schema: str, table: str) -> Iterator[None]:
    """What PostgreSQL refuses, in the platform's words."""
    try:
        yield
    except (errors.InvalidSchemaName, errors.UndefinedTable):
        raise Invalid.field("target_table", f"there is no schema '{schema}' in the warehouse") from None
    except errors.InsufficientPrivilege:
        raise Invalid.field("target_table", f"'{schema}.{table}' may not be written") from None
    except (errors.DependentObjectsStillExist, errors.FeatureNotSupported) as error:
        needed = (error.diag.message_detail or _said(error)).rstrip(".").replace("\n", "; ")
        told = f"views need them ({needed}); drop these views first, or load into another table"
        raise Conflict(f"{schema}.{table} cannot change its columns: {told}") from None
    except errors.WrongObjectType:
        raise Conflict(f"{schema}.{table} exists and is no table") from None
    except (psycopg2.DataError, psycopg2.IntegrityError) as error:
        raise Conflict(f"{schema}.{table} cannot hold the rows: {_said(error)}") from None
    except errors.DiskFull:
        raise  # for the connection to tell: trying again does not help
    except psycopg2.OperationalError as error:
        raise DependencyUnavailable(f"The warehouse cannot take the rows: {_said(error)}") from None


def _said(error: psycopg2.Error) -> str:
    return error.diag.message_primary or "the connection was lost"


def _check_target(schema: str, table: str, wanted: pa.Schema) -> None:
    if schema.lower().startswith("pg_") or schema.lower() == "information_schema":
        raise Invalid.field("target_table", f"schema '{schema}' belongs to PostgreSQL")
    if not table or len(table.encode()) > MAX_NAME_BYTES or "\x00" in table:
        raise Invalid.field("target_table", f"a table's name has 1 to {MAX_NAME_BYTES} bytes")
    if not 0 < len(wanted) <= MAX_COLUMNS:
        raise Invalid.field("target_table", f"a table has 1 to {MAX_COLUMNS} columns, not {len(wanted)}")


def _present(cursor: Cursor, schema: str, table: str) -> dict[str, str]:
    cursor.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        (schema, table),
    )
    return dict(cursor.fetchall())


def _extend(cursor: Cursor, target: sql.Identifier, present: dict[str, str], types: dict[str, str], shown: str) -> None:
    changes = []
    for name, wanted in types.items():
        if name not in present:
            changes.append(sql.SQL("ADD COLUMN ") + _definition(name, wanted))
        elif (widened := _widened(present[name], wanted, f"column '{name}' of {shown}")) != present[name]:
            changes.append(sql.SQL("ALTER COLUMN {} TYPE {}").format(sql.Identifier(name), sql.SQL(widened)))
    if changes:
        cursor.execute(sql.SQL("ALTER TABLE {} ").format(target) + sql.SQL(", ").join(changes))


def _definition(name: str, kind: str) -> sql.Composable:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))


def _widened(present: str, wanted: str, shown: str) -> str:
    """The column's type, or the wider numeric that it has to become; text is left for COPY to judge."""
    family, wanted_family = present.partition("(")[0], wanted.partition("(")[0]
    if wanted == "text" or family in ("text", "character varying") or family not in _KEEPS:
        return present
    if wanted_family == "numeric" and family in (*_WHOLE, "numeric"):
        return _numeric(present, wanted)
    if family not in _KEEPS.get(wanted_family, ()) or (family == "numeric" != present and "double" in wanted):
        raise Conflict(f"{shown} is {present} and cannot keep {wanted} without loss")
    return present


def _numeric(present: str, wanted: str) -> str:
    if present == "numeric":
        return present
    mine, theirs = _digits(present), _digits(wanted)
    whole, scale = max(mine[0], theirs[0]), max(mine[1], theirs[1])
    return present if (whole, scale) == mine else f"numeric({whole + scale},{scale})"


def _digits(kind: str) -> tuple[int, int]:
    """Digits before and after the point."""
    if "(" not in kind:
        return {"smallint": 5, "integer": 10}.get(kind, 19), 0
    precision, _, scale = kind.partition("(")[2].rstrip(")").partition(",")
    return int(precision) - int(scale or 0), int(scale or 0)
