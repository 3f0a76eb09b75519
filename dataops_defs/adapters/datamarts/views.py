"""A view takes another query and keeps all that it has.

CREATE OR REPLACE VIEW keeps grants, comments, triggers and what is built on the view, and clears its options, among
them those that guard rows (``security_invoker``, ``security_barrier``): these have to be said again.
"""

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812


def replacing(cursor: Cursor, oid: int, query: sql.Composable) -> sql.Composable:
    """The statement that gives a view that query; PostgreSQL refuses it where columns differ, except for added ones."""
    cursor.execute(
        "SELECT n.nspname, c.relname, array_to_string(c.reloptions, ', ')"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s",
        (oid,),
    )
    [(schema, name, options)] = cursor.fetchall()
    return sql.SQL("CREATE OR REPLACE VIEW {}{} AS {}").format(
        sql.Identifier(schema, name), sql.SQL(f" WITH ({options})" if options else ""), query
    )
