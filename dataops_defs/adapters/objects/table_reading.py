"""Reading objects in PostgreSQL; see ``ObjectStore``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.json_values import exact_object
from dataops_defs.adapters.objects.columns import SYSTEM_COLUMNS, columns_of, index_expression
from dataops_defs.adapters.objects.conditions import SYSTEM, Conditions
from dataops_defs.adapters.objects.reading import SECONDS, Object, ObjectPage
from dataops_defs.domain.object_query import ObjectQuery, Order
from dataops_defs.domain.object_type import ObjectType, table_of
from dataops_defs.errors import Invalid

# Objects are counted one by one up to here; of more, all of them are estimated by PostgreSQL's statistics.
COUNTED = 10_000
BATCH = 5_000


class TableStore:
    """The objects of one type, on a connection that may only read."""

    def __init__(self, connection: Connection, kind: ObjectType) -> None:
        self._connection = connection
        self._kind = kind
        self._table = table_of(kind)

    def columns(self) -> Mapping[str, str] | None:
        """See ``ObjectStore``; none while nothing was synced."""
        with self._connection.cursor() as cursor:
            return {name: kind for name, kind in columns_of(cursor, self._table).items() if name not in SYSTEM_COLUMNS}

    def page(self, query: ObjectQuery) -> ObjectPage:
        """See ``ObjectStore``."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", (f"{SECONDS}s",))
            present = self._readable(cursor)
            if self._table.key not in present:
                return ObjectPage([], 0)
            wanted = _Wanted(self._kind, Conditions(self._table, present), query)
            found = _asked(cursor, query, wanted)
            objects = [exact_object(text) for _, text in found[: query.limit]]
            last = str(found[query.limit - 1][0]) if len(found) > query.limit else None
            total, exact = self._total(cursor, query, wanted, len(found))
        return ObjectPage(objects, total, exact, last if wanted.by_key else None)

    def get(self, key: Any) -> Object | None:
        """See ``ObjectStore``."""
        fields = [*self._kind.properties, *SYSTEM]
        found = self.page(ObjectQuery(limit=1, key=key, fields=fields)).objects
        return found[0] if found else None

    def stored(self, properties: Sequence[str]) -> Iterator[Sequence[tuple[str, Object]]]:
        """See ``ObjectStore``."""
        with self._connection.cursor() as cursor:
            present = self._readable(cursor)
        names = [name for name in properties if name in present]
        if self._table.key not in present:
            return
        columns = sql.SQL(", ").join(
            map(sql.Identifier, [self._table.key, *(n for n in names if n != self._table.key)])
        )
        with self._connection.cursor("dataops_stored") as cursor:
            cursor.itersize = BATCH
            statement = sql.SQL("SELECT {}::text, row_to_json(_t)::text FROM (SELECT {} FROM {}) _t")
            source = sql.Identifier(self._table.schema, self._table.table)
            cursor.execute(statement.format(sql.Identifier(self._table.key), columns, source))
            while rows := cursor.fetchmany(BATCH):
                yield [(key, _filled(text, names)) for key, text in rows]

    def _total(self, cursor: Cursor, query: ObjectQuery, wanted: "_Wanted", found: int) -> tuple[int, bool]:
        """How many objects there are in all pages, and whether that is exact."""
        if query.after is None and found <= query.limit and (found or not query.offset):
            return query.offset + found, True
        try:
            cursor.execute(wanted.count(), wanted.values)
        except errors.QueryCanceled:
            return query.offset + found, False
        [(counted,)] = cursor.fetchall()
        if counted <= COUNTED:
            return int(counted), True
        if query.filtered:
            return COUNTED, False
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", (self._quoted(),))
        [(estimate,)] = cursor.fetchall()
        return max(int(estimate), COUNTED + 1), False

    def _readable(self, cursor: Cursor) -> dict[str, str]:
        """The columns that hold what the type says; those of an earlier type of the same name may not."""
        wanted = self._table.columns
        return {
            name: kind
            for name, kind in columns_of(cursor, self._table).items()
            if name in wanted and (kind == wanted[name] or {kind, wanted[name]} == {"bigint", "numeric"})
        }

    def _quoted(self) -> str:
        return f'"{self._table.schema}"."{self._table.table}"'


class _Wanted:
    """One query as SQL."""

    def __init__(self, kind: ObjectType, conditions: Conditions, query: ObjectQuery) -> None:
        self._table = table_of(kind)
        self._conditions, self._query = conditions, query
        self._fields = query.fields or list(kind.properties)
        self._order = list(query.order) or [Order(kind.key_field)]
        self._where = self._tests()
        self._key = sql.SQL("_t.{}").format(sql.Identifier(kind.key_field))

    @property
    def values(self) -> dict[str, Any]:
        """The statements' parameters."""
        return self._conditions.values

    @property
    def by_key(self) -> bool:
        """Whether the key alone says where an object stands."""
        return [each.property for each in self._order] == [self._table.key]

    def page(self) -> sql.Composable:
        """(key, object as JSON) of one more object than is wanted: whether there is more."""
        fields = [
            sql.SQL("{} AS {}").format(self._conditions.column(name), sql.Identifier(name)) for name in self._fields
        ]
        return sql.SQL(
            "SELECT {key}::text, (SELECT row_to_json(_o) FROM (SELECT {fields}) _o)::text"
            " FROM (SELECT _t.* FROM {table} _t {where} {order} LIMIT {limit} OFFSET {offset}) _t"
        ).format(
            key=self._key,
            table=sql.Identifier(self._table.schema, self._table.table),
            where=self._with_after(),
            order=self._ordered(),
            fields=sql.SQL(", ").join(fields),
            limit=sql.Literal(self._query.limit + 1),
            offset=sql.Literal(self._query.offset),
        )

    def count(self) -> sql.Composable:
        """How many objects there are, of more than are counted one more."""
        return sql.SQL("SELECT count(*) FROM (SELECT FROM {} _t {} LIMIT {}) counted").format(
            sql.Identifier(self._table.schema, self._table.table), _where(self._where), sql.Literal(COUNTED + 1)
        )

    def _tests(self) -> list[sql.Composable]:
        tests = [self._conditions.sql_of(each) for each in self._query.conditions]
        if self._query.key is not None:
            key = self._conditions.parameter(self._query.key)
            tests.append(sql.SQL("_t.{} = {}").format(sql.Identifier(self._table.key), key))
        if self._query.search is not None:
            tests.append(self._conditions.search(self._query.search))
        return tests

    def _with_after(self) -> sql.Composable:
        if self._query.after is None:
            return _where(self._where)
        sign = sql.SQL("<" if self._order[0].descending else ">")
        after = sql.SQL("{} {} {}").format(self._key, sign, self._conditions.parameter(self._query.after))
        return _where([*self._where, after])

    def _ordered(self) -> sql.Composable:
        made = []
        for each in self._order:
            direction = sql.SQL("DESC" if each.descending else "ASC")
            # The key is never null; said so, its index would not be used.
            nulls = sql.SQL("" if each.property == self._table.key else " NULLS LAST")
            column = self._conditions.column(each.property)
            if each.property in self._table.indexed and self._table.columns[each.property] == "text":
                beginning = index_expression(each.property, "text")
                made.append(sql.SQL("{} {}{}").format(beginning, direction, nulls))
            made.append(sql.SQL("{} {}{}").format(column, direction, nulls))
        if not any(each.property == self._table.key for each in self._order):
            made.append(self._key)
        return sql.SQL("ORDER BY ") + sql.SQL(", ").join(made)


def _where(tests: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL("WHERE ") + sql.SQL(" AND ").join(tests) if tests else sql.SQL("")


def _asked(cursor: Cursor, query: ObjectQuery, wanted: "_Wanted") -> list[tuple[str, str]]:
    statement = wanted.page()
    try:
        cursor.execute(statement, wanted.values)
        return list(cursor.fetchall())
    except errors.QueryCanceled:
        field = "q" if query.search is not None else "where" if query.conditions else "sort"
        said = f"takes longer than {SECONDS} s over so many objects; narrow it, or mark a property with x-index"
        raise Invalid.field(field, said) from None
    except psycopg2.DataError as error:
        raise Invalid.field("where", f"meets a stored value it cannot read: {error.diag.message_primary}") from None


def _filled(text: str, names: Sequence[str]) -> Object:
    found = orjson.loads(text)
    return {name: found[name] for name in names if found[name] is not None}
