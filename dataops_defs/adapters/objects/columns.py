"""The table of an object type: made, brought up to date with its type, and indexed."""

import hashlib
from collections.abc import Mapping

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.domain.object_type import ObjectTable
from dataops_defs.errors import Conflict

SYSTEM_COLUMNS = {
    "_mapping_id": "uuid",
    "_run_id": "uuid",
    "_created_at": "timestamp with time zone DEFAULT now()",
    "_updated_at": "timestamp with time zone DEFAULT now()",
}
# Whole texts may be too long for an index: its entries begin with as much as always fits.
INDEXED_CHARACTERS = 500
INDEX_PREFIX = "dataops_x_"
PATIENCE = "5s"
HOLD = "SELECT pg_advisory_xact_lock(hashtext(%s))"


def ensure_table(connection: Connection, table: ObjectTable) -> None:
    """Create the objects' table, or bring it up to date; nobody else writes it before the transaction ends.

    Columns are only added, or widened from whole numbers to numbers: what was stored stays readable.

    Raises:
        Conflict: a column that was kept from earlier cannot hold the property of its name.
    """
    with connection.cursor() as cursor:
        cursor.execute(HOLD, (f"{table.schema}.{table.table}",))
        present = columns_of(cursor, table)
        if not present:
            _create(cursor, table)
        else:
            _check_key(cursor, table)
            _bring_up_to_date(cursor, table, present)
        _index(cursor, table)


def hold_objects(connection: Connection, address: str) -> None:
    """Have nobody else write the objects before the transaction ends; not waited for long, where a sync is at work.

    Raises:
        Conflict: a sync is at work.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", (PATIENCE,))
        try:
            cursor.execute(HOLD, (address,))
        except errors.LockNotAvailable:
            raise Conflict("The objects of this type are being written; try again when that run has ended") from None


def columns_of(cursor: Cursor, table: ObjectTable) -> dict[str, str]:
    """Column name -> PostgreSQL type of the table as it is; empty when there is none."""
    cursor.execute(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        (table.schema, table.table),
    )
    return dict(cursor.fetchall())


def index_expression(name: str, kind: str) -> sql.Composable:
    """What the index of a property holds."""
    column = sql.Identifier(name)
    return sql.SQL("left({}, {})").format(column, sql.Literal(INDEXED_CHARACTERS)) if kind == "text" else column


def _create(cursor: Cursor, table: ObjectTable) -> None:
    wanted = {**table.columns, **SYSTEM_COLUMNS}
    columns = sql.SQL(", ").join(_column(each, kind, table.key) for each, kind in wanted.items())
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(_name(table), columns))


def _check_key(cursor: Cursor, table: ObjectTable) -> None:
    cursor.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = to_regclass(%s) AND i.indisprimary",
        (f'"{table.schema}"."{table.table}"',),
    )
    if cursor.fetchall() != [(table.key,)]:
        raise Conflict(
            f"{table.schema}.{table.table} keeps objects of an earlier type with another key:"
            " give the object type another name"
        )


def _bring_up_to_date(cursor: Cursor, table: ObjectTable, present: Mapping[str, str]) -> None:
    changes = []
    for name, kind in {**table.columns, **SYSTEM_COLUMNS}.items():
        if name not in present:
            changes.append(sql.SQL("ADD COLUMN ") + _column(name, kind, table.key))
        elif (present[name], kind) == ("bigint", "numeric"):
            changes.append(sql.SQL("ALTER COLUMN {} TYPE numeric").format(sql.Identifier(name)))
        elif name in table.columns and present[name] != kind and (present[name], kind) != ("numeric", "bigint"):
            raise Conflict(
                f"Objects of an earlier type keep '{name}' as {present[name]}, and it is to be {kind} now:"
                " give the property another name"
            )
    if changes:
        try:
            cursor.execute(sql.SQL("ALTER TABLE {} ").format(_name(table)) + sql.SQL(", ").join(changes))
        except errors.FeatureNotSupported:
            raise Conflict(f"A view needs the columns of {table.schema}.{table.table} as they are") from None


def _column(name: str, kind: str, key: str) -> sql.Composable:
    made = sql.SQL("{} ").format(sql.Identifier(name)) + sql.SQL(kind)
    return made + sql.SQL(" PRIMARY KEY") if name == key else made


def _index(cursor: Cursor, table: ObjectTable) -> None:
    """Two indexes for each property that is marked, one for each direction of sorting; others of ours are dropped.

    They are made in the transaction: readers go on, and syncs of the type wait anyway.
    """
    wanted = {_index_name(table, name, order): (name, order) for name in table.indexed for order in ("ASC", "DESC")}
    cursor.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = %s AND tablename = %s AND starts_with(indexname, %s)",
        (table.schema, table.table, INDEX_PREFIX),
    )
    present = {name for (name,) in cursor.fetchall()}
    for each in sorted(present - set(wanted)):
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(table.schema, each)))
    for each, (name, order) in wanted.items():
        if each not in present:
            cursor.execute(
                sql.SQL("CREATE INDEX {} ON {} (({}) {} NULLS LAST, {})").format(
                    sql.Identifier(each),
                    _name(table),
                    index_expression(name, table.columns[name]),
                    sql.SQL(order),
                    sql.Identifier(table.key),
                )
            )


def _index_name(table: ObjectTable, name: str, order: str) -> str:
    kind = table.columns[name]
    digest = hashlib.sha256(f"{table.table}.{name}.{kind}.{order}".encode()).hexdigest()[:12]
    return f"{INDEX_PREFIX}{digest}_{name[:30]}"


def _name(table: ObjectTable) -> sql.Composable:
    return sql.Identifier(table.schema, table.table)
