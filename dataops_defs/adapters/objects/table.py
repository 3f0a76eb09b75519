"""Objects of a type as rows of a PostgreSQL table: one publish, all or nothing for readers."""

from collections.abc import Sequence

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.objects.columns import ensure_table
from dataops_defs.adapters.objects.sink import EXISTS, Published, StagedRow
from dataops_defs.adapters.objects.staging import STAGING, Staging, taken_out
from dataops_defs.domain.mapping import OnConflict, Sync, SyncMode
from dataops_defs.domain.object_type import ObjectTable, ObjectType, table_of
from dataops_defs.errors import Conflict


class TableSink(Staging):
    """See ``ObjectSink``: the table is made, or brought up to date, and held."""

    def __init__(self, connection: Connection, kind: ObjectType, properties: Sequence[str]) -> None:
        ensure_table(connection, table_of(kind))
        super().__init__(connection, table_of(kind), properties)

    def publish(
        self, sync: Sync, mapping_id: str, run_id: str, *, complete: bool = True, rehearse: bool = False
    ) -> Published:
        """See ``ObjectSink``; exact under concurrent writers of the table."""
        words = self._words(mapping_id, run_id)
        with self._connection.cursor() as cursor:
            self._lock(cursor, words)
            deleted = self._delete_missing(cursor, words) if sync.mode is SyncMode.REPLACE and complete else 0
            refused = self._take_out_existing(cursor, words) if sync.mode is SyncMode.APPEND else []
            staged = self._count(cursor, words)
            updated, filtered = self._change(cursor, words, sync)
            inserted = self._insert(cursor, words)
        unchanged = staged - updated - inserted - filtered
        return Published(inserted, updated, unchanged, filtered, deleted, refused)

    def _lock(self, cursor: Cursor, words: dict[str, sql.Composable]) -> None:
        try:
            cursor.execute(sql.SQL("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE").format(**words))
        except psycopg2.errors.UndefinedTable:
            raise Conflict(
                f"{self._table.schema}.{self._table.table} was dropped while the sync was at work: nothing was written."
                " If its object type still exists, sync again: that makes it anew"
            ) from None

    def count(self) -> int | None:
        """See ``ObjectSink``."""
        return count_objects(self._connection, self._table)

    def orphans(self, name: str, parent: ObjectType) -> tuple[int, int] | None:
        """See ``ObjectSink``."""
        if parent.dynamodb_table is not None:
            return None
        return count_orphans(self._connection, self._table, name, table_of(parent))

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
                "DELETE FROM {target} _t WHERE _t._mapping_id = {mapping}"
                " AND NOT EXISTS (SELECT FROM {staging} _s WHERE _s.{key} = _t.{key})"
            ).format(**words)
        )
        return cursor.rowcount

    @staticmethod
    def _take_out_existing(cursor: Cursor, words: dict[str, sql.Composable]) -> list[StagedRow]:
        cursor.execute(
            sql.SQL(
                "DELETE FROM {staging} _s USING {target} _t WHERE _s.{key} = _t.{key}"
                " RETURNING _s._dataops_row, to_jsonb(_s) - '_dataops_row'"
            ).format(**words)
        )
        return taken_out(cursor, EXISTS)

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
            sql.SQL(", ").join(sql.SQL("_t.{}").format(sql.Identifier(name)) for name in others),
            sql.SQL(", ").join(new),
        )
        words = {**words, "differs": differs}
        if sync.on_conflict is OnConflict.SKIP:
            cursor.execute(
                sql.SQL(
                    "SELECT count(*) FROM {staging} _s JOIN {target} _t ON _s.{key} = _t.{key} WHERE {differs}"
                ).format(**words)
            )
            row = cursor.fetchone()
            return 0, int(row[0]) if row else 0
        pairs = [
            sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in zip(others, new, strict=True)
        ]
        cursor.execute(
            sql.SQL(
                "UPDATE {target} _t SET {pairs}, _mapping_id = {mapping}, _run_id = {run}, _updated_at = now()"
                " FROM {staging} _s WHERE _s.{key} = _t.{key} AND {differs}"
            ).format(pairs=sql.SQL(", ").join(pairs), **words)
        )
        return cursor.rowcount, 0

    @staticmethod
    def _incoming(name: str, on_conflict: OnConflict) -> sql.Composable:
        column = sql.Identifier(name)
        form = "COALESCE(_s.{0}, _t.{0})" if on_conflict is OnConflict.MERGE else "_s.{0}"
        return sql.SQL(form).format(column)

    @staticmethod
    def _insert(cursor: Cursor, words: dict[str, sql.Composable]) -> int:
        cursor.execute(
            sql.SQL(
                "INSERT INTO {target} ({names}, _mapping_id, _run_id)"
                " SELECT {names}, {mapping}::uuid, {run}::uuid FROM {staging} _s"
                " WHERE NOT EXISTS (SELECT FROM {target} _t WHERE _t.{key} = _s.{key})"
            ).format(**words)
        )
        return cursor.rowcount


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
            sql.SQL("EXISTS (SELECT FROM {} _p WHERE _p.{}::text = _c.{}::text)").format(
                sql.Identifier(parent.schema, parent.table), sql.Identifier(parent.key), sql.Identifier(name)
            )
            if found and found[0]
            else sql.SQL("false")
        )
        cursor.execute(
            sql.SQL(
                "SELECT count(*) FILTER (WHERE _c.{0} IS NULL), count(*) FILTER (WHERE _c.{0} IS NOT NULL AND NOT {1})"
                " FROM {2} _c"
            ).format(sql.Identifier(name), partner, sql.Identifier(table.schema, table.table))
        )
        row = cursor.fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)
