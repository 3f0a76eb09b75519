"""What people gave to a table or view, as statements that give it to the one which takes its place.

Indexes (with their names), grants, comments and storage options. The query is the datamart's own, rows are new.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.keys import made_name
from dataops_defs.adapters.datamarts.relations import Relation

_INDEXES = """
SELECT i.relname, pg_get_indexdef(i.oid),
    format('CREATE %%sINDEX %%I ON %%I.%%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
        i.relname, n.nspname, c.relname)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE x.indrelid = %s ORDER BY i.oid
"""
_GRANTS = """
SELECT coalesce(r.rolname, 'PUBLIC'), a.grantee = 0, a.privilege_type, a.is_grantable, t.attname
FROM (
    SELECT relacl AS acl, NULL::name AS attname, relowner FROM pg_class WHERE oid = %(oid)s
    UNION ALL
    SELECT t.attacl, t.attname, c.relowner FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
    WHERE t.attrelid = %(oid)s AND t.attacl IS NOT NULL AND NOT t.attisdropped
) t CROSS JOIN LATERAL aclexplode(t.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> t.relowner
"""
_COMMENTS = """
SELECT a.attname, d.description FROM pg_description d LEFT JOIN pg_attribute a
    ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = %s AND (d.objsubid = 0 OR NOT a.attisdropped)
"""


@dataclass(frozen=True)
class Index:
    """An index: its name, the start of its definition, and the rest, which names columns only."""

    name: str
    head: str
    rest: str

    @property
    def unique(self) -> bool:
        """Whether it refuses two rows of one key."""
        return self.head.startswith("CREATE UNIQUE")


def indexes_of(cursor: Cursor, relation: Relation) -> list[Index]:
    """The indexes that people made, and not the key that we found."""
    cursor.execute(_INDEXES, (relation.oid,))
    return [
        Index(name, head, definition.removeprefix(head))
        for name, definition, head in cursor.fetchall()
        if name != made_name(relation)
    ]


def give_indexes(cursor: Cursor, draft: Relation, indexes: Sequence[Index]) -> list[sql.Composable]:
    """Build the same indexes on the draft; the statements that give them their names, once these are free.

    Raises:
        psycopg2.errors.UniqueViolation: the new rows have one key twice.
        psycopg2.errors.UndefinedColumn: the new rows lack a column.
    """
    naming: list[sql.Composable] = []
    for number, index in enumerate(indexes):
        interim = f"{draft.name[:50]}_{number}"
        cursor.execute(
            sql.SQL("CREATE {}INDEX {} ON {} {}").format(
                sql.SQL("UNIQUE " if index.unique else ""),
                sql.Identifier(interim),
                draft.identifier,
                sql.SQL(index.rest),
            )
        )
        naming.append(
            sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                sql.Identifier(draft.schema, interim), sql.Identifier(index.name)
            )
        )
    return naming


def give_the_rest(cursor: Cursor, old: Relation, draft: Relation) -> None:
    """Give grants, comments and storage options to the draft; those of a column that is gone go with it."""
    names = {each.name for each in draft.columns}
    for statement in [*_grants(cursor, old, draft, names), *_comments(cursor, old, draft, names)]:
        cursor.execute(statement)
    cursor.execute("SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = %s", (old.oid,))
    [(options,)] = cursor.fetchall()
    if options:
        cursor.execute(sql.SQL("ALTER {} {} SET ({})").format(draft.kind, draft.identifier, sql.SQL(options)))


def _grants(cursor: Cursor, old: Relation, draft: Relation, names: set[str]) -> list[sql.Composable]:
    cursor.execute(_GRANTS, {"oid": draft.oid})
    made: list[sql.Composable] = [
        sql.SQL("REVOKE ALL ON {} FROM {}").format(draft.identifier, _role(role, everyone))
        for role, everyone in dict.fromkeys((role, everyone) for role, everyone, *_ in cursor.fetchall())
    ]
    cursor.execute(_GRANTS, {"oid": old.oid})
    for role, everyone, privilege, grantable, column in cursor.fetchall():
        if column is None or column in names:
            made.append(
                sql.SQL("GRANT {}{} ON {} TO {}{}").format(
                    sql.SQL(privilege),
                    sql.SQL("") if column is None else sql.SQL(" ({})").format(sql.Identifier(column)),
                    draft.identifier,
                    _role(role, everyone),
                    sql.SQL(" WITH GRANT OPTION" if grantable else ""),
                )
            )
    return made


def _role(name: str, everyone: bool) -> sql.Composable:
    return sql.SQL("PUBLIC") if everyone else sql.Identifier(name)


def _comments(cursor: Cursor, old: Relation, draft: Relation, names: set[str]) -> list[sql.Composable]:
    cursor.execute(_COMMENTS, (old.oid,))
    made: list[sql.Composable] = []
    for column, text in cursor.fetchall():
        if column is None:
            made.append(sql.SQL("COMMENT ON {} {} IS {}").format(draft.kind, draft.identifier, sql.Literal(text)))
        elif column in names:
            place = sql.Identifier(draft.schema, draft.name, column)
            made.append(sql.SQL("COMMENT ON COLUMN {} IS {}").format(place, sql.Literal(text)))
    return made
