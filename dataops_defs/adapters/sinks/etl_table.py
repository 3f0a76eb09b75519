"""A table of the warehouse as the target of an ETL pipeline.

Full: rows are gathered in a table of their own, like the target, and published by changing in the target what differs,
in one transaction. A rename would be quicker, but it breaks views and foreign keys, and a reader whose snapshot is
older than the last batches would see a part of the new rows. Incremental: each batch is brought into the target by key.
"""

from collections.abc import Mapping, Sequence

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.json_values import json_value, python_rows
from dataops_defs.adapters.sinks.copying import by_halves, copy_batch, with_numbers
from dataops_defs.adapters.sinks.etl_columns import check_fit, columns_of_table, equal_is_same, primary_key
from dataops_defs.adapters.sinks.etl_target import Written
from dataops_defs.adapters.sinks.table_shape import refusals
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.etl import EtlMode, EtlTarget, SqlColumn, keys_of
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import SchemaChanged

LANDING = sql.Identifier("pg_temp", "dataops_landing")
LOCK_TIMEOUT = "SET lock_timeout = '10s'"


class TableSink:
    """One load of one pipeline into one table.

    Args:
        keys: as the pipeline says; empty where the table decides.
        load: a short name of the load, the same for all workers that continue it.
    """

    def __init__(self, target: EtlTarget, mode: EtlMode, keys: Sequence[str], pipeline_id: str, load: str) -> None:
        self._schema, self._table, self._mode, self._given_keys, self._load = (
            target.schema or "public",
            target.name,
            mode,
            keys,
            load,
        )
        self._shown = str(target)
        self._target = sql.Identifier(self._schema, self._table)
        self._gathered_name = f"load_{pipeline_id.replace('-', '')}"
        self._gathered = sql.Identifier("dataops", self._gathered_name)
        self._columns: Sequence[SqlColumn] = ()
        self._types: Mapping[str, str] = {}
        self._keys: tuple[str, ...] = ()

    def exists(self, connection: Connection) -> bool:
        """See ``EtlSink``."""
        with connection.cursor() as cursor:
            return bool(columns_of_table(cursor, self._schema, self._table))

    def prepare(self, connection: Connection, columns: Sequence[SqlColumn]) -> bool:
        """Make the table where it is missing, from the query's types; check that they fit it."""
        self._columns = columns
        with connection.cursor() as cursor, refusals(self._schema, self._table):
            cursor.execute(LOCK_TIMEOUT)
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self._shown,))
            if not columns_of_table(cursor, self._schema, self._table):
                self._create(cursor)
            present = columns_of_table(cursor, self._schema, self._table)
            check_fit(columns, present, self._shown)
            self._types = {name: each.type for name, each in present.items()}
            self._keys = self._choose_keys(cursor)
            if self._mode is EtlMode.FULL:
                return self._make_gathered(cursor)
            self._ensure_unique(cursor)
            self._make_landing(cursor)
        return True

    def write(self, connection: Connection, batch: pa.RecordBatch, first: int) -> Written:
        """Take a batch; rows that PostgreSQL refuses are rejected one by one."""
        numbers = range(first, first + batch.num_rows)
        with connection.cursor() as cursor:
            if self._mode is EtlMode.FULL:
                rejected = by_halves(cursor, batch, numbers, lambda rows, _: copy_batch(cursor, self._gathered, rows))
                return Written(inserted=batch.num_rows - len(rejected), rejected=_shown(rejected))
            return self._bring_in(cursor, batch, numbers)

    def publish(self, connection: Connection, *, complete: bool) -> Ledger:
        """Make the target what was gathered, changing what differs; one that was empty is filled."""
        if self._mode is EtlMode.INCREMENTAL:
            return Ledger()
        with connection.cursor() as cursor, refusals(self._schema, self._table):
            cursor.execute(sql.SQL("ANALYZE {}").format(self._gathered))
            cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(self._target))
            if not self._keys:
                return self._replace_all(cursor)
            cursor.execute("SAVEPOINT publish")
            try:
                return self._replace_differences(cursor, complete=complete)
            except psycopg2.IntegrityError:
                # Values of a unique column that change places are in each other's way.
                if not complete:
                    raise
                cursor.execute("ROLLBACK TO SAVEPOINT publish")
                return self._replace_all(cursor)

    def rows(self, connection: Connection) -> int:
        """How many rows the table has."""
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(self._target))
            [(rows,)] = cursor.fetchall()
        return int(rows)

    def discard(self, connection: Connection) -> None:
        """Drop the table that a load is gathered in."""
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._gathered))

    def _create(self, cursor: Cursor) -> None:
        definitions = [sql.SQL("{} ").format(sql.Identifier(each.name)) + sql.SQL(each.type) for each in self._columns]
        if self._given_keys or self._mode is EtlMode.INCREMENTAL:
            keys = keys_of(self._given_keys, (), self._columns)
            definitions.append(sql.SQL("PRIMARY KEY ({})").format(_names(keys)))
        statement = sql.SQL("CREATE TABLE {} ({})")
        cursor.execute(statement.format(self._target, sql.SQL(", ").join(definitions)))

    def _choose_keys(self, cursor: Cursor) -> tuple[str, ...]:
        primary = primary_key(cursor, self._schema, self._table)
        names = {each.name for each in self._columns}
        if self._mode is EtlMode.FULL:
            return primary if set(primary) <= names else ()
        keys = keys_of(self._given_keys, primary, self._columns)
        if unknown := [name for name in keys if name not in names]:
            raise SchemaChanged(
                f"The query does not give the key column '{unknown[0]}'; change key_columns or the query"
            )
        return keys

    def _ensure_unique(self, cursor: Cursor) -> None:
        """An incremental target needs a unique index on its key: for speed, and so that no row is there twice."""
        cursor.execute(
            "SELECT 1 FROM pg_index i WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indpred IS NULL"
            " AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a"
            "      WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) = %s",
            (self._target.as_string(cursor), sorted(self._keys)),
        )
        if cursor.fetchone() is None:
            try:
                cursor.execute(sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(self._target, _names(self._keys)))
            except psycopg2.errors.UniqueViolation as error:
                raise SchemaChanged(
                    f"{self._shown} has several rows with one key ({', '.join(self._keys)}):"
                    f" {error.diag.message_detail} Name other key_columns, or remove the duplicates"
                ) from None

    def _make_gathered(self, cursor: Cursor) -> bool:
        """Whether what earlier workers of this load gathered is there, in a table that is still like the target."""
        there = columns_of_table(cursor, "dataops", self._gathered_name)
        if there and there == columns_of_table(cursor, self._schema, self._table):
            cursor.execute("SELECT obj_description(%s::regclass)", (self._gathered.as_string(cursor),))
            if cursor.fetchone() == (self._load,):
                return True
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._gathered))
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(self._gathered, self._target))
        cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(self._gathered, sql.Literal(self._load)))
        return False

    def _make_landing(self, cursor: Cursor) -> None:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(LANDING))
        cursor.execute(
            sql.SQL(
                "CREATE TEMP TABLE dataops_landing ON COMMIT DELETE ROWS AS"
                " SELECT 0::bigint AS _dataops_row, {} FROM {} WITH NO DATA"
            ).format(self._names, self._target)
        )

    def _bring_in(self, cursor: Cursor, batch: pa.RecordBatch, numbers: range) -> Written:
        rejected, kept, kept_numbers = self._without_empty_keys(batch, numbers)
        done = _Counts()

        def take(rows: pa.RecordBatch, of: Sequence[int]) -> None:
            cursor.execute(sql.SQL("DELETE FROM {}").format(LANDING))
            copy_batch(cursor, LANDING, with_numbers(rows, of))
            filtered = self._run(cursor, _SUPERSEDED)
            updated = self._run(cursor, _UPDATE) if self._others else 0
            inserted = self._run(cursor, _INSERT)
            done.add(inserted, updated, rows.num_rows - filtered - updated - inserted, filtered)

        if kept.num_rows:
            rejected += by_halves(cursor, kept, kept_numbers, take)
        return Written(done.inserted, done.updated, done.unchanged, done.filtered, _shown(rejected))

    def _without_empty_keys(
        self, batch: pa.RecordBatch, numbers: range
    ) -> tuple[list[RejectedRow], pa.RecordBatch, Sequence[int]]:
        rejected, bad = [], set()
        for name in self._keys:
            for place in pc.indices_nonzero(pc.is_null(batch.column(name))).to_pylist():
                if place not in bad:
                    bad.add(place)
                    raw = python_rows(batch.slice(place, 1))[0]
                    rejected.append(RejectedRow(numbers[place], f"the key '{name}' is empty", name, raw))
        if not bad:
            return [], batch, numbers
        good = [place for place in range(batch.num_rows) if place not in bad]
        return rejected, batch.take(pa.array(good, pa.int64())), [numbers[place] for place in good]

    def _replace_all(self, cursor: Cursor) -> Ledger:
        cursor.execute(sql.SQL("DELETE FROM {}").format(self._target))
        deleted = cursor.rowcount
        cursor.execute(
            sql.SQL("INSERT INTO {} ({names}) SELECT {names} FROM {}").format(
                self._target, self._gathered, names=self._names
            )
        )
        return Ledger(inserted=cursor.rowcount, deleted=deleted)

    def _replace_differences(self, cursor: Cursor, *, complete: bool) -> Ledger:
        deleted = self._run(cursor, _ABSENT, self._gathered) if complete else 0
        updated = self._run(cursor, _UPDATE, self._gathered) if self._others else 0
        inserted = self._run(cursor, _INSERT, self._gathered)
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(self._gathered))
        [(rows,)] = cursor.fetchall()
        return Ledger(inserted=inserted, updated=updated, unchanged=rows - inserted - updated, deleted=deleted)

    def _run(self, cursor: Cursor, statement: str, rows: sql.Composable = LANDING) -> int:
        cursor.execute(
            sql.SQL(statement).format(
                target=self._target,
                rows=rows,
                names=self._names,
                keys=_names(self._keys),
                same=_joined(" AND ", "{0}.{1} = {2}.{1}", self._keys, "t", "s"),
                same_last=_joined(" AND ", "{0}.{1} = {2}.{1}", self._keys, "s", "d"),
                pairs=_joined(", ", "{1} = {2}.{1}", self._others, "t", "s"),
                mine=sql.SQL(", ").join(self._comparable(name, "t") for name in self._others),
                theirs=sql.SQL(", ").join(self._comparable(name, "s") for name in self._others),
            )
        )
        return int(cursor.rowcount)

    @property
    def _names(self) -> sql.Composable:
        return _names([each.name for each in self._columns])

    @property
    def _others(self) -> list[str]:
        return [each.name for each in self._columns if each.name not in self._keys]

    def _comparable(self, name: str, side: str) -> sql.Composable:
        column = sql.SQL("{}.{}").format(sql.SQL(side), sql.Identifier(name))
        return column if equal_is_same(self._types[name]) else column + sql.SQL("::text")


_SUPERSEDED = (
    "DELETE FROM {rows} s USING (SELECT {keys}, max(_dataops_row) AS last FROM {rows} GROUP BY {keys}"
    " HAVING count(*) > 1) d WHERE {same_last} AND s._dataops_row < d.last"
)
_ABSENT = "DELETE FROM {target} t WHERE NOT EXISTS (SELECT FROM {rows} s WHERE {same})"
_UPDATE = "UPDATE {target} t SET {pairs} FROM {rows} s WHERE {same} AND ({mine}) IS DISTINCT FROM ({theirs})"
_INSERT = (
    "INSERT INTO {target} ({names}) SELECT {names} FROM {rows} s WHERE NOT EXISTS (SELECT FROM {target} t WHERE {same})"
)


class _Counts:
    """What a batch did, in as many parts as it had to be cut into."""

    def __init__(self) -> None:
        self.inserted = self.updated = self.unchanged = self.filtered = 0

    def add(self, inserted: int, updated: int, unchanged: int, filtered: int) -> None:
        """Another part was taken."""
        self.inserted += inserted
        self.updated += updated
        self.unchanged += unchanged
        self.filtered += filtered


def _names(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _joined(by: str, form: str, names: Sequence[str], left: str, right: str) -> sql.Composable:
    each = (sql.SQL(form).format(sql.SQL(left), sql.Identifier(name), sql.SQL(right)) for name in names)
    return sql.SQL(by).join(each)


def _shown(rejected: Sequence[RejectedRow]) -> list[RejectedRow]:
    return [
        RejectedRow(
            each.number, each.reason, each.column, {name: json_value(value) for name, value in each.raw.items()}
        )
        for each in rejected
    ]
