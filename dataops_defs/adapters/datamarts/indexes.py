"""The indexes that people made on a table or view, with the keys that they keep, for the one that takes its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.keys import made_name
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.errors import Conflict

_INDEXES = """
SELECT i.relname, pg_get_indexdef(i.oid),
    format('CREATE %%sINDEX %%I ON %%I.%%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
        i.relname, n.nspname, c.relname),
    CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' END,
    CASE WHEN k.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END,
    x.indisclustered, obj_description(i.oid, 'pg_class'), obj_description(k.oid, 'pg_constraint'),
    ARRAY(SELECT ARRAY[a.attnum, a.attstattarget]::int[] FROM pg_attribute a
        WHERE a.attrelid = i.oid AND a.attstattarget >= 0)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u')
WHERE x.indrelid = %s AND x.indisvalid ORDER BY i.oid
"""


@dataclass(frozen=True)
class Index:
    """An index: its name, the start of its definition, and the rest, which names columns only.

    ``key`` is the kind of constraint that it keeps, None where it is an index only; ``targets`` are pairs of a column's
    number and how closely PostgreSQL samples it.
    """

    name: str
    head: str
    rest: str
    key: str | None
    deferred: str
    clustered: bool
    comment: str | None
    key_comment: str | None
    targets: Sequence[tuple[int, int]]

    @property
    def unique(self) -> bool:
        """Whether it refuses two rows of one key."""
        return self.head.startswith("CREATE UNIQUE")


def indexes_of(cursor: Cursor, relation: Relation) -> list[Index]:
    """The indexes that people made, and not the key that we found, nor what a failed CREATE INDEX CONCURRENTLY left."""
    cursor.execute(_INDEXES, (relation.oid,))
    return [_index(*found) for found in cursor.fetchall() if found[0] != made_name(relation)]


def give_indexes(cursor: Cursor, draft: Relation, indexes: Sequence[Index]) -> list[sql.Composable]:
    """Build the same indexes on the draft; the statements that give them their names, once these are free.

    A key is named by its index.

    Raises:
        Conflict: the new rows have one key twice, or a null in a primary key, or lack a column of an index.
    """
    naming: list[sql.Composable] = []
    for number, index in enumerate(indexes):
        interim = f"{draft.name[:50]}_{number}"
        try:
            for statement in _statements(draft, index, interim):
                cursor.execute(statement)
        except psycopg2.errors.UniqueViolation:
            raise Conflict(f"the new rows have one key twice, which its index {_told(index)} refuses") from None
        except (psycopg2.errors.UndefinedColumn, psycopg2.errors.NotNullViolation) as error:
            raise Conflict(f"its index {_told(index)} does not fit: {error.diag.message_primary}") from None
        naming.append(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                sql.Identifier(draft.schema, interim), sql.Identifier(index.name)
            )
        )
    return naming


def _index(name: str, definition: str, head: str, *more: Any) -> Index:
    return Index(name, head, definition.removeprefix(head), *more)


def _told(index: Index) -> str:
    return f"{index.name} ({index.rest})"


def _statements(draft: Relation, index: Index, interim: str) -> Iterator[sql.Composable]:
    name, alter = sql.Identifier(draft.schema, interim), sql.SQL("ALTER {} {} ").format(draft.kind, draft.identifier)
    yield sql.SQL("CREATE {}INDEX {} ON {} {}").format(
        sql.SQL("UNIQUE " if index.unique else ""), sql.Identifier(interim), draft.identifier, sql.SQL(index.rest)
    )
    if index.key is not None:
        yield alter + sql.SQL("ADD CONSTRAINT {0} {1} USING INDEX {0}{2}").format(
            sql.Identifier(interim), sql.SQL(index.key), sql.SQL(index.deferred)
        )
    if index.key_comment is not None:
        yield sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
            sql.Identifier(interim), draft.identifier, sql.Literal(index.key_comment)
        )
    if index.comment is not None:
        yield sql.SQL("COMMENT ON INDEX {} IS {}").format(name, sql.Literal(index.comment))
    if index.clustered:
        yield alter + sql.SQL("CLUSTER ON {}").format(sql.Identifier(interim))
    for column, target in index.targets:
        yield sql.SQL("ALTER INDEX {} ALTER COLUMN {} SET STATISTICS {}").format(
            name, sql.Literal(column), sql.Literal(target)
        )
