"""A table or view has a row type of its name: a domain, an enum or another type of that name is in its way."""

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.errors import Conflict

# A row type goes with the table or view that has it.
_TYPE = """
SELECT t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = %s AND t.typname = %s AND t.typrelid = 0
"""


def refuse_where_a_type_is(cursor: Cursor, schema: str, name: str) -> None:
    """Refuse a name that a type has.

    Raises:
        Conflict: it has.
    """
    cursor.execute(_TYPE, (schema, name))
    if cursor.fetchone():
        raise Conflict(
            f"{schema}.{name} exists already and is a type, so that no table or view can have that name: take another"
            " name, or rename or drop the type"
        )
