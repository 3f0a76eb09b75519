"""Which relations of the warehouse are the platform's to show, fill and drop: a name alone does not tell.

Both signs go with the relation where it is renamed, dumped and restored: what a datamart's query made belongs to the
builder's role, which nobody logs in as; the table of a version carries that version's mark as its comment.
"""

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.settings import BUILDER


def version_mark(version_id: str) -> str:
    """The comment on a version's table."""
    return f"dataops datamart version {version_id}"


def mark(cursor: Cursor, table: Relation, version_id: str) -> None:
    """Have a table be that version's."""
    cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table.identifier, sql.Literal(version_mark(version_id))))


def is_of_version(cursor: Cursor, found: Relation, version_id: str) -> bool:
    """Whether a relation is the table of that very version, and not of another one that had its name."""
    cursor.execute("SELECT obj_description(%s, 'pg_class')", (found.oid,))
    [(comment,)] = cursor.fetchall()
    return bool(comment == version_mark(version_id))


def is_made_by_us(cursor: Cursor, found: Relation) -> bool:
    """Whether a datamart's query has made it."""
    cursor.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s", (found.oid,))
    rows = cursor.fetchall()
    return rows == [(BUILDER,)]
