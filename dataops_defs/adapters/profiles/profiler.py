"""Profiles of warehouse tables: counts and ranges over all rows, values by their hash.

Up to 100,000 rows every value is looked at. Beyond that, a column's values are chosen by their hash: one pass over
the table keeps those below a limit, however often each is there. That is a fair sample of the different values, the
same values in every table, and it tells which are there once; a sample of rows would tell neither.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.profiles.tables import WarehouseTable
from dataops_defs.adapters.profiles.types import LONGEST_READ, READ_AS, ColumnType
from dataops_defs.errors import SourceError
from dataops_defs.matching.relationships.profiles import Family, Profile, TableProfile
from dataops_defs.matching.relationships.sketches import (
    HIGHEST,
    SIZE,
    Hashes,
    Sketch,
    limit_of,
    share_of,
)

EVERY_VALUE_UP_TO = 100_000
# So many times more values than are kept are asked for: not all of a column's values are different.
SPARE = 4
FEW = SIZE // 4
STATEMENT_SECONDS = 45
# Most texts that read as nothing else show it in their first rows.
FIRST_ROWS = 100
_HASH = 'hashtextextended(({}) COLLATE "C", 0)'
_SKETCH = """
SELECT h, count(*) OVER (), count(*) FILTER (WHERE n = 1) OVER () FROM (
    SELECT h, count(*) AS n FROM (SELECT {hash} AS h FROM {table} WHERE {filled}) v
    WHERE h <= {limit} GROUP BY h
) g ORDER BY h LIMIT {size}
"""
_HELD = "SELECT DISTINCT h FROM (SELECT {hash} AS h FROM {table} WHERE {filled}) v WHERE h = ANY({hashes})"
_FIRST = "(SELECT {column} FROM {table} WHERE {filled} LIMIT {rows}) v"
_CHOSEN = "(SELECT {column} FROM {table} WHERE {filled} AND {hash} <= {limit}) v"
_READ = "SELECT bool_and({text} ~ {pattern}), min({number})::text, max({number})::text FROM {rows}"


@dataclass(frozen=True)
class Skipped:
    """A column that is not compared with others, and why."""

    table: str
    column: str
    type: str
    reason: str


@dataclass
class Profiler:
    """Profiles of some tables, as one transaction sees them. ``progress`` is told the number of rows of each table."""

    connection: Connection
    tables: Sequence[WarehouseTable]
    progress: Callable[[int], None] = lambda _rows: None
    skipped: list[Skipped] = field(default_factory=list)
    sampled: set[str] = field(default_factory=set)
    _rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bound every statement."""
        self._ask(sql.SQL(f"SELECT set_config('statement_timeout', '{STATEMENT_SECONDS}s', true)"), "the warehouse")

    def profiles(self) -> list[TableProfile]:
        """The profiles of all columns whose values may be keys.

        Raises:
            SourceError: a table cannot be read, or takes too long.
        """
        return [self._table(each) for each in self.tables]

    def together(self, table: str, columns: Sequence[str]) -> Profile:
        """The profile of several columns of a table as one."""
        found = self._named(table)
        types = [found.column(name) for name in columns]
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(found.identifier, _filled(types))
        [(filled,)] = self._ask(query, table)
        return self._profile(found, types, Family.TOGETHER, filled)

    def held(self, table: str, columns: Sequence[str], hashes: Hashes) -> Hashes:
        """Those of the hashes whose values are in the column, or columns together."""
        found = self._named(table)
        types = [found.column(name) for name in columns]
        wanted = sql.SQL("{}::bigint[]").format(sql.Literal("{" + ",".join(map(str, hashes.tolist())) + "}"))
        query = sql.SQL(_HELD).format(hash=_hash(types), table=found.identifier, filled=_filled(types), hashes=wanted)
        return np.array([each for (each,) in self._ask(query, table)], dtype=np.int64)

    def _named(self, table: str) -> WarehouseTable:
        return next(each for each in self.tables if each.name == table)

    def _table(self, table: WarehouseTable) -> TableProfile:
        compared = [each for each in table.columns if each.family is not None]
        for each in table.columns:
            if each.family is None:
                self._skip(table, each, each.why_not)
        rows, measured = self._measured(table, compared)
        self._rows[table.name] = rows
        if rows > EVERY_VALUE_UP_TO:
            self.sampled.add(table.name)
        self.progress(rows)
        columns = list(self._columns(table, compared, measured))
        return TableProfile(table.name, rows, columns, [each.name for each in table.columns])

    def _columns(
        self, table: WarehouseTable, types: Sequence[ColumnType], measured: Sequence["_Measured"]
    ) -> Iterator[Profile]:
        for type, each in zip(types, measured, strict=True):
            if each.has_fractions:
                self._skip(table, type, "numbers with fractions are no keys")
            elif type.family is not None:
                yield self._profile(table, [type], type.family, each.filled, self._read(table, type, each))
                self.progress(0)

    def _skip(self, table: WarehouseTable, column: ColumnType, reason: str) -> None:
        self.skipped.append(Skipped(table.name, column.name, column.shown, reason))

    def _profile(
        self,
        table: WarehouseTable,
        types: Sequence[ColumnType],
        family: Family,
        filled: int,
        measured: "_Measured | None" = None,
    ) -> Profile:
        sketch, distinct, once = self._sketch(table, types, filled)
        names = tuple(each.name for each in types)
        return Profile(
            table=table.name,
            columns=names,
            family=family,
            type=types[0].shown,
            position=[each.name for each in table.columns].index(names[0]),
            rows=self._rows[table.name],
            filled=filled,
            distinct=min(distinct, filled),
            once=once,
            sketch=sketch,
            form=measured.form if measured else None,
            low=measured.low if measured else None,
            high=measured.high if measured else None,
            longest=measured.longest if measured else None,
            primary=table.keys.get(frozenset(names), False),
            unique=any(key <= set(names) for key in table.keys),
            points_out=len(names) == 1 and names[0] in table.points_out,
        )

    def _sketch(self, table: WarehouseTable, types: Sequence[ColumnType], filled: int) -> tuple[Sketch, int, float]:
        """The lowest hashes, how many different values there are, and which share of them is there once."""
        share = _share_looked_at(filled)
        hashes, different, once = self._below(table, types, limit_of(share))
        if different < FEW and share < 1.0:
            # The values repeat: so many more of them may be asked for.
            share = min(1.0, share * SPARE * SIZE / max(different, 1)) if different else 1.0
            hashes, different, once = self._below(table, types, limit_of(share))
        limit = limit_of(share)
        sketch = Sketch.of(hashes, limit) if different <= SIZE else Sketch(hashes, int(hashes[-1]))
        total = different if limit == HIGHEST else round(different / share_of(limit))
        return sketch, total, once / different if different else 0.0

    def _below(self, table: WarehouseTable, types: Sequence[ColumnType], limit: int) -> tuple[Hashes, int, int]:
        query = sql.SQL(_SKETCH).format(
            hash=_hash(types),
            table=table.identifier,
            filled=_filled(types),
            limit=sql.Literal(limit),
            size=sql.Literal(SIZE),
        )
        rows = self._ask(query, table.name)
        different, once = rows[0][1:] if rows else (0, 0)
        return np.array([each[0] for each in rows], dtype=np.int64), different, once

    def _measured(self, table: WarehouseTable, types: Sequence[ColumnType]) -> tuple[int, list["_Measured"]]:
        """The number of rows, and of each column what a pass over all of them tells."""
        asked = [_measures(each) for each in types]
        columns = sql.SQL(", ").join([sql.SQL("count(*)"), *(part for parts in asked for part in parts)])
        [row] = self._ask(sql.SQL("SELECT {} FROM {}").format(columns, table.identifier), table.name)
        size = len(asked[0]) if asked else 0
        parts = [row[1 + place * size : 1 + (place + 1) * size] for place in range(len(types))]
        return row[0], [
            _Measured(filled, _finite(low), _finite(high), longest, bool(fractions))
            for filled, low, high, longest, fractions in parts
        ]

    def _read(self, table: WarehouseTable, column: ColumnType, measured: "_Measured") -> "_Measured":
        """With what all the values that are looked at read as; of numbers kept as text, also with their range."""
        if column.family is not Family.TEXT or not 0 < (measured.longest or 0) <= LONGEST_READ:
            return replace(measured, form=column.writes)
        from_where = {"column": sql.Identifier(column.name), "table": table.identifier, "filled": _filled([column])}
        first = sql.SQL(_FIRST).format(**from_where, rows=sql.Literal(FIRST_ROWS))
        limit = sql.Literal(limit_of(_share_looked_at(measured.filled)))
        chosen = sql.SQL(_CHOSEN).format(**from_where, hash=_hash([column]), limit=limit)
        for family, pattern in READ_AS.items():
            for rows in (first, chosen):
                [(every, low, high)] = self._ask(_reading(column, family, pattern, rows), table.name)
                if not every:
                    break
            else:
                return replace(measured, form=family, low=_finite(low), high=_finite(high))
        return measured

    def _ask(self, query: sql.Composable, table: str) -> list[Any]:
        with _in_words(table), self.connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()


@dataclass(frozen=True)
class _Measured:
    """Of one column: rows that are filled, its range, its longest text, whether numbers have fractions, its form."""

    filled: int
    low: float | None
    high: float | None
    longest: int | None
    has_fractions: bool
    form: Family | None = None


def _share_looked_at(filled: int) -> float:
    return min(1.0, SPARE * SIZE / filled) if filled > EVERY_VALUE_UP_TO else 1.0


def _reading(column: ColumnType, family: Family, pattern: str, rows: sql.Composable) -> sql.Composed:
    """Whether the values in some rows all read so, and the ends of their range where they are numbers."""
    text = sql.SQL("{}::text").format(sql.Identifier(column.name))
    number = sql.SQL("substring({}, {})::numeric").format(text, sql.Literal(pattern))
    return sql.SQL(_READ).format(
        text=text, pattern=sql.Literal(pattern), rows=rows, number=number if family is Family.NUMBER else sql.NULL
    )


def _measures(column: ColumnType) -> list[sql.Composable]:
    name = sql.Identifier(column.name)
    longest = sql.SQL("max(length({}::text))") if column.family is Family.TEXT else sql.SQL("NULL::int")
    fractions = sql.SQL("bool_or({0} <> trunc({0}))") if column.may_have_fractions else sql.SQL("false")
    low, high = column.lowest_and_highest()
    return [sql.SQL("count({})").format(name), low, high, longest.format(name), fractions.format(name)]


def _hash(columns: Sequence[ColumnType]) -> sql.Composed:
    # A character that no key has parts the values of several columns.
    together = sql.SQL(" || E'\\x1f' || ").join([each.text() for each in columns])
    return sql.SQL(_HASH).format(together)


def _filled(columns: Sequence[ColumnType]) -> sql.Composed:
    return sql.SQL(" AND ").join([sql.SQL("{} IS NOT NULL").format(sql.Identifier(each.name)) for each in columns])


def _finite(text: str | None) -> float | None:
    value = float(text) if text is not None else None
    return value if value is not None and isfinite(value) else None


@contextmanager
def _in_words(table: str) -> Iterator[None]:
    """What PostgreSQL says of a table or of the query behind a view."""
    try:
        yield
    except psycopg2.errors.QueryCanceled:
        raise SourceError(
            f"Looking at '{table}' takes longer than {STATEMENT_SECONDS} seconds; name a table with fewer rows"
        ) from None
    except psycopg2.OperationalError:
        raise
    except psycopg2.Error as error:
        raise SourceError(f"'{table}' cannot be read: {error.diag.message_primary}") from None
