"""Tables and views of the warehouse by their kind: some statements name it."""

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.errors import Conflict

KINDS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW"}


def drop_relation(connection: Connection, schema: str, name: str) -> int | None:
    """Drop a table or view; the rows that it held, or None where there is none.

    Raises:
        Conflict: something else reads it; the message says what.
    """
    address = sql.Identifier(schema, name)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            (schema, name),
        )
        found = cursor.fetchone()
        if found is None or found[0] not in KINDS:
            return None
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(address))
        [(rows,)] = cursor.fetchall()
        try:
            cursor.execute(sql.SQL("DROP {} {}").format(sql.SQL(KINDS[found[0]]), address))
        except psycopg2.errors.DependentObjectsStillExist as error:
            raise Conflict(f"{schema}.{name} cannot be dropped: {error.diag.message_detail}") from None
    return int(rows)
