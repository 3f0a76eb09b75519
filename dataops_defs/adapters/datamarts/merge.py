"""A table takes on the rows of another one: only rows that differ are written, in one transaction, and nobody waits.

The rows are compared as multisets by their text, which is exact for every type; the n-th of several equal rows stands
for the n-th on the other side.
"""

from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation

_NUMBERED = "SELECT t.ctid AS place, ROW(t.*)::text AS content, row_number() OVER (PARTITION BY ROW(t.*)::text) AS nth"
_DIFFERENCES = """
CREATE TEMPORARY TABLE datamart_difference ON COMMIT DROP AS
SELECT old.place AS gone, new.place AS added
FROM ({numbered} FROM {target} t) old FULL JOIN ({numbered} FROM {draft} t) new USING (content, nth)
WHERE old.place IS NULL OR new.place IS NULL
"""
_DELETE = "DELETE FROM {target} t USING datamart_difference d WHERE t.ctid = d.gone"
_INSERT = "INSERT INTO {target} SELECT t.* FROM {draft} t JOIN datamart_difference d ON t.ctid = d.added"


@dataclass(frozen=True)
class Merged:
    """How many rows were written."""

    inserted: int
    deleted: int


def merge(cursor: Cursor, draft: Relation, target: Relation) -> Merged:
    """Make the target hold what the draft holds; both have the same columns."""
    names = {"target": target.identifier, "draft": draft.identifier}
    cursor.execute("DROP TABLE IF EXISTS pg_temp.datamart_difference")
    # Another writer's rows would be neither seen nor deleted; readers go on.
    cursor.execute(sql.SQL("LOCK TABLE {target} IN SHARE ROW EXCLUSIVE MODE").format(**names))
    cursor.execute(sql.SQL(_DIFFERENCES).format(numbered=sql.SQL(_NUMBERED), **names))
    cursor.execute(sql.SQL(_DELETE).format(**names))
    deleted = cursor.rowcount
    cursor.execute(sql.SQL(_INSERT).format(**names))
    return Merged(cursor.rowcount, deleted)
