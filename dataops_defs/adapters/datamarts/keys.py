"""A unique key of a materialized view: REFRESH … CONCURRENTLY tells by it which rows differ.

Rule: an index that is there, whoever made it, is taken. Otherwise an index is made on the first of these that is unique
over all rows: the columns that the query groups by, which are a key by construction; each single column that can be a
key and is never null; each pair of such. Guesses are tried on 10,000 rows first, so that hopeless ones cost nothing; at
most five are tried on all. What is no key any more when the rows have changed is dropped; next time another is found.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import combinations

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation

SAMPLE = 10_000
MOST_COLUMNS = 12
MOST_TRIES = 5
LARGEST_KEY = 8
KEY_TYPES = ("smallint", "integer", "bigint", "text", "character varying", "character", "uuid", "date")
_MAY_BE_KEYS = """
SELECT a.attname
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    AND format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL) = ANY(%s)
ORDER BY a.attnum LIMIT %s
"""
_FOUND = """
SELECT EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL
)
"""


def has_key(cursor: Cursor, relation: Relation) -> bool:
    """Whether there is an index that REFRESH … CONCURRENTLY takes."""
    cursor.execute(_FOUND, (relation.oid,))
    [(found,)] = cursor.fetchall()
    return bool(found)


def made_name(relation: Relation) -> str:
    """The name of an index that we made."""
    return f"_key_{hashlib.sha256(relation.name.encode()).hexdigest()[:24]}"


def make_key(cursor: Cursor, relation: Relation, grouped_by: Sequence[str]) -> Sequence[str] | None:
    """Find a key and make its index, in the caller's transaction; its columns, or None where there is none.

    Args:
        grouped_by: output columns that the query groups by; empty where it does not, or does not give all of them.
    """
    if 0 < len(grouped_by) <= LARGEST_KEY and _index(cursor, relation, grouped_by):
        return grouped_by
    tried = 0
    for columns in _guesses(cursor, relation):
        if tried < MOST_TRIES and _holds_in_sample(cursor, relation, columns):
            tried += 1
            if _never_null(cursor, relation, columns) and _index(cursor, relation, columns):
                return columns
    return None


def drop_made_key(cursor: Cursor, relation: Relation) -> None:
    """Drop the index that we made, if there is one."""
    cursor.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(relation.schema, made_name(relation))))


def _guesses(cursor: Cursor, relation: Relation) -> Iterator[tuple[str, ...]]:
    cursor.execute(_MAY_BE_KEYS, (relation.oid, list(KEY_TYPES), MOST_COLUMNS))
    likely = [name for (name,) in cursor.fetchall()]
    for size in (1, 2):
        yield from combinations(likely, size)


def _list(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _holds_in_sample(cursor: Cursor, relation: Relation, columns: Sequence[str]) -> bool:
    cursor.execute(
        sql.SQL(
            "SELECT count(*) = count(DISTINCT ({columns})) FROM (SELECT {columns} FROM {relation} LIMIT {sample}) AS t"
        ).format(columns=_list(columns), relation=relation.identifier, sample=sql.Literal(SAMPLE))
    )
    [(holds,)] = cursor.fetchall()
    return bool(holds)


def _never_null(cursor: Cursor, relation: Relation, columns: Sequence[str]) -> bool:
    nulls = sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(sql.Identifier(each)) for each in columns)
    cursor.execute(sql.SQL("SELECT NOT EXISTS (SELECT FROM {} WHERE {})").format(relation.identifier, nulls))
    [(never,)] = cursor.fetchall()
    return bool(never)


def _index(cursor: Cursor, relation: Relation, columns: Sequence[str]) -> bool:
    """Building the index is the proof: it fails where two rows have one key, or a value is too long for it."""
    cursor.execute("SAVEPOINT key")
    try:
        cursor.execute(
            sql.SQL("CREATE UNIQUE INDEX {} ON {} ({})").format(
                sql.Identifier(made_name(relation)), relation.identifier, _list(columns)
            )
        )
    except (psycopg2.errors.UniqueViolation, psycopg2.errors.ProgramLimitExceeded, psycopg2.errors.UndefinedObject):
        cursor.execute("ROLLBACK TO SAVEPOINT key")
        return False
    return True
