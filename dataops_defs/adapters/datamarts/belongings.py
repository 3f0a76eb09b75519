"""What people gave to a table or view, as statements that give it to the one which takes its place.

Grants, comments, storage options and how the columns are kept; indexes are told of in ``indexes``. The query is the
datamart's own, rows are new.
"""

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation

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
_COLUMNS = """
SELECT attname, attnotnull, attstattarget, array_to_string(attoptions, ', ') FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


def give_the_rest(cursor: Cursor, old: Relation, draft: Relation) -> None:
    """Give grants, comments and storage options to the draft; those of a column that is gone go with it.

    Raises:
        psycopg2.errors.NotNullViolation: the new rows have a null where none is allowed.
    """
    names = {each.name for each in draft.columns}
    for statement in [
        *_grants(cursor, old, draft, names),
        *_comments(cursor, old, draft, names),
        *_columns(cursor, old, draft, names),
    ]:
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


def _columns(cursor: Cursor, old: Relation, draft: Relation, names: set[str]) -> list[sql.Composable]:
    cursor.execute(_COLUMNS, (old.oid,))
    made: list[sql.Composable] = []
    for name, never_null, target, options in cursor.fetchall():
        if name not in names:
            continue
        column = sql.SQL("ALTER {} {} ALTER COLUMN {} ").format(draft.kind, draft.identifier, sql.Identifier(name))
        if never_null:
            made.append(column + sql.SQL("SET NOT NULL"))
        if target is not None and target >= 0:
            made.append(column + sql.SQL("SET STATISTICS {}").format(sql.Literal(target)))
        if options:
            made.append(column + sql.SQL(f"SET ({options})"))
    return made
