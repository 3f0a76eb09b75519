"""Tables that have the name which a query asks for in vain, in other schemas: most often one of them was meant."""

import re

from psycopg2.extensions import cursor as Cursor  # noqa: N812

MOST_NAMED = 5
_NAMED = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname !~ '^pg_'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY 1 LIMIT %s
"""


def undefined(cursor: Cursor, said: str) -> str:
    """What PostgreSQL says of a table that is not there, and which tables of that name the cursor's role may read."""
    quoted = re.search('"([^"]+)"', said)
    if quoted is None:
        return said
    cursor.execute(_NAMED, (quoted[1].rpartition(".")[2], MOST_NAMED))
    found = [name for (name,) in cursor.fetchall()]
    return f"{said}; there is {', '.join(found)}: name the schema too" if found else said
