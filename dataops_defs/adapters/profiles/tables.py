"""What the warehouse itself says of tables and views: columns with types, keys, foreign keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.profiles.types import ColumnType
from dataops_defs.errors import FieldProblem, Invalid
from dataops_defs.matching.relationships.detect import ForeignKey

CLOSED_SCHEMAS = frozenset({"information_schema", "dataops"})
_TABLES = sql.SQL(
    "SELECT c.oid, c.relname, c.relkind = 'm' AND NOT c.relispopulated FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = {schema} AND c.relname = ANY({tables}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
)
_COLUMNS = sql.SQL("""
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), base.typname, base.typtype
FROM pg_attribute a
CROSS JOIN LATERAL (
    WITH RECURSIVE below AS (
        SELECT oid, typname, typtype, typbasetype FROM pg_type WHERE oid = a.atttypid
        UNION ALL
        SELECT t.oid, t.typname, t.typtype, t.typbasetype FROM pg_type t JOIN below b ON t.oid = b.typbasetype
    )
    SELECT typname, typtype FROM below WHERE typtype <> 'd'
) base
WHERE a.attrelid = ANY({oids}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
""")
# Behind the columns of the key, an index may carry others.
_UNIQUE = sql.SQL("""
SELECT i.indrelid, i.indisprimary,
    (SELECT array_agg(a.attname::text) FROM unnest(i.indkey::int2[]) WITH ORDINALITY p (number, place)
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.number WHERE p.place <= i.indnkeyatts)
FROM pg_index i
WHERE i.indrelid = ANY({oids}) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indisprimary
""")
# A key that is not enforced (PostgreSQL 18) is never a validated one. Of those that another key makes, what a partition
# inherits holds for itself too; but no key names one partition of its parent.
_FOREIGN = sql.SQL("""
SELECT k.conrelid, k.confrelid, k.conname, k.convalidated,
    (SELECT array_agg(a.attname::text ORDER BY p.place) FROM unnest(k.conkey) WITH ORDINALITY p (number, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.number),
    (SELECT array_agg(a.attname::text ORDER BY p.place) FROM unnest(k.confkey) WITH ORDINALITY p (number, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.number)
FROM pg_constraint k
WHERE k.contype = 'f' AND k.conrelid = ANY({oids}) AND NOT EXISTS (
    SELECT FROM pg_constraint above WHERE above.oid = k.conparentid AND above.confrelid <> k.confrelid
)
ORDER BY k.oid
""")


@dataclass(frozen=True)
class WarehouseTable:
    """A table or view as the catalogue of the database has it.

    ``keys`` are sets of columns that are unique together, True for the primary key.
    """

    schema: str
    name: str
    columns: Sequence[ColumnType]
    keys: Mapping[frozenset[str], bool] = field(default_factory=dict)
    points_out: frozenset[str] = frozenset()

    @property
    def identifier(self) -> sql.Identifier:
        """Its name with its schema, quoted."""
        return sql.Identifier(self.schema, self.name)

    def column(self, name: str) -> ColumnType:
        """The column of that name."""
        return next(each for each in self.columns if each.name == name)


def find_tables(
    connection: Connection, schema: str, names: Sequence[str]
) -> tuple[list[WarehouseTable], list[ForeignKey]]:
    """The tables in the order of their names given, and the foreign keys between them.

    Raises:
        Invalid: a table is not there, or the role of the connection may not read it; ``tables.2`` names the third.
    """
    if schema in CLOSED_SCHEMAS or schema.startswith("pg_"):
        raise Invalid.field("schema", f"'{schema}' is no schema of the warehouse that may be looked at")
    found = _oids(connection, schema, names)
    oids = {oid: name for name, oid in found.items()}
    columns = _rows(connection, _COLUMNS, oids=list(oids))
    keys = _rows(connection, _UNIQUE, oids=list(oids))
    foreign = _rows(connection, _FOREIGN, oids=list(oids))
    tables = [
        WarehouseTable(
            schema,
            name,
            [ColumnType(*each[1:]) for each in columns if each[0] == found[name]],
            {frozenset(columns): primary for oid, primary, columns in keys if oid == found[name]},
            frozenset(each[4][0] for each in foreign if each[0] == found[name] and each[3] and len(each[4]) == 1),
        )
        for name in names
    ]
    between = [
        ForeignKey(oids[child], tuple(columns), oids[parent], tuple(others), name, enforced)
        for child, parent, name, enforced, columns, others in foreign
        if parent in oids
    ]
    return tables, between


def _oids(connection: Connection, schema: str, names: Sequence[str]) -> dict[str, int]:
    rows = _rows(connection, _TABLES, schema=schema, tables=list(names))
    found = {name: oid for oid, name, empty in rows if not empty}
    unfilled = {name for _, name, empty in rows if empty}
    problems = [
        FieldProblem(
            f"tables.{place}",
            f"'{name}' was never filled: refresh it first"
            if name in unfilled
            else f"there is no table or view '{name}' in schema '{schema}' that may be read",
        )
        for place, name in enumerate(names)
        if name not in found
    ]
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
    return found


def _rows(connection: Connection, query: sql.SQL, **values: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query.format(**{name: sql.Literal(value) for name, value in values.items()}))
        return cursor.fetchall()
