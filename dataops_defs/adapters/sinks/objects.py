"""Objects of an ontology type in the warehouse: staging, then one publish that counts what it did.

All in the caller's transaction: readers see the old objects or the new ones, never part of a sync.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.json_values import exact_number
from dataops_defs.adapters.sinks.copying import by_halves, copy_batch, with_numbers
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.mapping import OnConflict, Sync, SyncMode
from dataops_defs.domain.object_type import ObjectTable

STAGING = sql.Identifier("dataops_staging")
SYSTEM_COLUMNS = {
    "_mapping_id": "uuid",
    "_run_id": "uuid",
    "_created_at": "timestamp with time zone DEFAULT now()",
    "_updated_at": "timestamp with time zone DEFAULT now()",
}


@dataclass(frozen=True)
class StagedRow:
    """A staged row that was taken out again: its number in the dataset, and its mapped values."""

    number: int
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """What a publish did with the staged rows; ``clashes`` were refused because their key exists."""

    inserted: int
    updated: int
    unchanged: int
    filtered: int
    deleted: int
    clashes: Sequence[StagedRow]


def ensure_table(connection: Connection, table: ObjectTable) -> None:
    """Create the objects' table, or add the columns of properties that are new."""
    name = sql.Identifier(table.schema, table.table)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{table.schema}.{table.table}",))
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (table.schema, table.table),
        )
        present = {found for (found,) in cursor.fetchall()}
        wanted = {**table.columns, **SYSTEM_COLUMNS}
        if not present:
            columns = sql.SQL(", ").join(_column(each, kind, table.key) for each, kind in wanted.items())
            cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(name, columns))
            return
        for each, kind in wanted.items():
            if each not in present:
                addition = sql.SQL("ALTER TABLE {} ADD COLUMN {}")
                cursor.execute(addition.format(name, _column(each, kind, table.key)))


def _column(name: str, kind: str, key: str) -> sql.Composable:
    made = sql.SQL("{} ").format(sql.Identifier(name)) + sql.SQL(kind)
    return made + sql.SQL(" PRIMARY KEY") if name == key else made


class ObjectSink:
    """One sync into one object table: ``stage`` batches, then ``publish`` once."""

    def __init__(self, connection: Connection, table: ObjectTable, properties: Sequence[str]) -> None:
        self._connection = connection
        self._table = table
        self._properties = list(properties)
        with connection.cursor() as cursor:
            columns = [sql.SQL("_dataops_row bigint")] + [
                sql.SQL("{} ").format(sql.Identifier(name)) + sql.SQL(table.columns[name]) for name in self._properties
            ]
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(STAGING, sql.SQL(", ").join(columns))
            )

    def stage(self, numbers: Sequence[int], columns: Mapping[str, pa.Array]) -> list[RejectedRow]:
        """Add rows by COPY; returns those that PostgreSQL would not take, with its reason.

        Args:
            numbers: the rows' numbers in the dataset.
            columns: one array for each property, as text or typed.
        """
        if not numbers:
            return []
        names = self._properties
        batch = pa.RecordBatch.from_arrays([columns[name] for name in names], names=names)
        with self._connection.cursor() as cursor:

            def take(rows: pa.RecordBatch, of: Sequence[int]) -> None:
                copy_batch(cursor, STAGING, with_numbers(rows, of))

            return by_halves(cursor, batch, numbers, take)

    def set_duplicates_aside(self) -> list[StagedRow]:
        """Take out the rows whose key a row before them has."""
        key = sql.Identifier(self._table.key)
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE INDEX ON {} ({}, _dataops_row)").format(STAGING, key))
            cursor.execute(sql.SQL("ANALYZE {}").format(STAGING))
            cursor.execute(
                sql.SQL(
                    "DELETE FROM {staging} s USING (SELECT {key} AS key, min(_dataops_row) AS first FROM {staging}"
                    " GROUP BY {key} HAVING count(*) > 1) d WHERE s.{key} = d.key AND s._dataops_row > d.first"
                    " RETURNING s._dataops_row, to_jsonb(s) - '_dataops_row'"
                ).format(key=key, staging=STAGING)
            )
            return _staged(cursor)

    def publish(self, sync: Sync, mapping_id: str, run_id: str, *, complete: bool = True) -> Published:
        """Bring the staged rows into the table by the sync's mode; exact under concurrent writers.

        Args:
            complete: whether every row of the dataset was staged; else ``replace`` deletes nothing, because an
                object may only be missing for its row was rejected.
        """
        words = self._words(mapping_id, run_id)
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE").format(**words))
            deleted = self._delete_missing(cursor, words) if sync.mode is SyncMode.REPLACE and complete else 0
            clashes = self._take_out_existing(cursor, words) if sync.mode is SyncMode.APPEND else []
            staged = self._count(cursor, words)
            updated, filtered = self._change(cursor, words, sync)
            inserted = self._insert(cursor, words)
        unchanged = staged - updated - inserted - filtered
        return Published(inserted, updated, unchanged, filtered, deleted, clashes)

    def _words(self, mapping_id: str, run_id: str) -> dict[str, sql.Composable]:
        return {
            "target": sql.Identifier(self._table.schema, self._table.table),
            "staging": STAGING,
            "key": sql.Identifier(self._table.key),
            "names": sql.SQL(", ").join(sql.Identifier(name) for name in self._properties),
            "mapping": sql.Literal(mapping_id),
            "run": sql.Literal(run_id),
        }

    @staticmethod
    def _delete_missing(cursor: Cursor, words: dict[str, sql.Composable]) -> int:
        cursor.execute(
            sql.SQL(
                "DELETE FROM {target} t WHERE t._mapping_id = {mapping}"
                " AND NOT EXISTS (SELECT FROM {staging} s WHERE s.{key} = t.{key})"
            ).format(**words)
        )
        return cursor.rowcount

    @staticmethod
    def _take_out_existing(cursor: Cursor, words: dict[str, sql.Composable]) -> list[StagedRow]:
        cursor.execute(
            sql.SQL(
                "DELETE FROM {staging} s USING {target} t WHERE s.{key} = t.{key}"
                " RETURNING s._dataops_row, to_jsonb(s) - '_dataops_row'"
            ).format(**words)
        )
        return _staged(cursor)

    @staticmethod
    def _count(cursor: Cursor, words: dict[str, sql.Composable]) -> int:
        cursor.execute(sql.SQL("SELECT count(*) FROM {staging}").format(**words))
        row = cursor.fetchone()
        return int(row[0]) if row else 0

    def _change(self, cursor: Cursor, words: dict[str, sql.Composable], sync: Sync) -> tuple[int, int]:
        """Rows updated, and rows left as they were because the sync says ``skip``."""
        others = [name for name in self._properties if name != self._table.key]
        if not others:
            return 0, 0
        new = [self._incoming(name, sync.on_conflict) for name in others]
        differs = sql.SQL("({}) IS DISTINCT FROM ({})").format(
            sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in others),
            sql.SQL(", ").join(new),
        )
        words = {**words, "differs": differs}
        if sync.on_conflict is OnConflict.SKIP:
            cursor.execute(
                sql.SQL("SELECT count(*) FROM {staging} s JOIN {target} t ON s.{key} = t.{key} WHERE {differs}").format(
                    **words
                )
            )
            row = cursor.fetchone()
            return 0, int(row[0]) if row else 0
        pairs = [
            sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in zip(others, new, strict=True)
        ]
        cursor.execute(
            sql.SQL(
                "UPDATE {target} t SET {pairs}, _mapping_id = {mapping}, _run_id = {run}, _updated_at = now()"
                " FROM {staging} s WHERE s.{key} = t.{key} AND {differs}"
            ).format(pairs=sql.SQL(", ").join(pairs), **words)
        )
        return cursor.rowcount, 0

    @staticmethod
    def _incoming(name: str, on_conflict: OnConflict) -> sql.Composable:
        column = sql.Identifier(name)
        form = "COALESCE(s.{0}, t.{0})" if on_conflict is OnConflict.MERGE else "s.{0}"
        return sql.SQL(form).format(column)

    @staticmethod
    def _insert(cursor: Cursor, words: dict[str, sql.Composable]) -> int:
        cursor.execute(
            sql.SQL(
                "INSERT INTO {target} ({names}, _mapping_id, _run_id)"
                " SELECT {names}, {mapping}::uuid, {run}::uuid FROM {staging} s"
                " WHERE NOT EXISTS (SELECT FROM {target} t WHERE t.{key} = s.{key})"
            ).format(**words)
        )
        return cursor.rowcount


def _staged(cursor: Cursor) -> list[StagedRow]:
    return [StagedRow(number, content) for number, content in sorted(cursor.fetchall(), key=lambda row: row[0])]


def count_objects(connection: Connection, table: ObjectTable) -> int:
    """Objects of the type in all."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.schema, table.table)))
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def count_orphans(connection: Connection, table: ObjectTable, name: str, parent: ObjectTable) -> tuple[int, int]:
    """Objects whose property is no key of the parent type: (empty, unknown). A parent without a table holds none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (f'"{parent.schema}"."{parent.table}"',))
        found = cursor.fetchone()
        partner = (
            sql.SQL("EXISTS (SELECT FROM {} p WHERE p.{}::text = c.{}::text)").format(
                sql.Identifier(parent.schema, parent.table), sql.Identifier(parent.key), sql.Identifier(name)
            )
            if found and found[0]
            else sql.SQL("false")
        )
        cursor.execute(
            sql.SQL(
                "SELECT count(*) FILTER (WHERE c.{0} IS NULL), count(*) FILTER (WHERE c.{0} IS NOT NULL AND NOT {1})"
                " FROM {2} c"
            ).format(sql.Identifier(name), partner, sql.Identifier(table.schema, table.table))
        )
        row = cursor.fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)


def read_objects(
    connection: Connection, table: ObjectTable, *, limit: int, offset: int = 0, key: str | None = None
) -> tuple[Iterable[Mapping[str, Any]], int]:
    """Objects in the order of their key, and their number in all; none when nothing was synced yet."""
    name = sql.Identifier(table.schema, table.table)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (f'"{table.schema}"."{table.table}"',))
        found = cursor.fetchone()
        if not found or found[0] is None:
            return [], 0
        condition = sql.SQL("WHERE t.{}::text = %(key)s" if key is not None else "").format(sql.Identifier(table.key))
        values = {"key": key, "limit": limit, "offset": offset}
        cursor.execute(sql.SQL("SELECT count(*) FROM {} t {}").format(name, condition), values)
        counted = cursor.fetchone()
        cursor.execute(
            sql.SQL("SELECT to_jsonb(t)::text FROM {} t {} ORDER BY t.{} LIMIT %(limit)s OFFSET %(offset)s").format(
                name, condition, sql.Identifier(table.key)
            ),
            values,
        )
        rows = [
            {each: value for each, value in row.items() if each in table.columns}
            for row in map(_exact, cursor.fetchall())
        ]
        return rows, int(counted[0]) if counted else 0


def _exact(row: tuple[str]) -> dict[str, Any]:
    """An object from its JSON text, without losing digits."""
    content: dict[str, Any] = json.loads(row[0], parse_float=exact_number, parse_int=exact_number)
    return content
