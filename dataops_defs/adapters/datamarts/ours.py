"""Which relations of the warehouse are the platform's to show, fill and drop: a name alone does not tell.

Both signs go with the relation where it is renamed, dumped and restored, and no comment changes them: what a datamart's
query made belongs to the builder's role, which nobody logs in as; the table of a version is noted in the schema
``dataops``, as a ``regclass``, which is dumped as a name. Where only tables were restored, a version's comment tells.
"""

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.domain.datamart import version_table
from dataops_defs.settings import BUILDER

_NOTE = (
    "DELETE FROM dataops.datamart_version WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = relation);"
    "INSERT INTO dataops.datamart_version (version_id, relation) VALUES (%(id)s, %(oid)s)"
    " ON CONFLICT (version_id) DO UPDATE SET relation = excluded.relation"
)
_NOTED = (
    "SELECT coalesce(obj_description(%(oid)s, 'pg_class') = %(mark)s, false)"
    " OR EXISTS (SELECT FROM dataops.datamart_version WHERE version_id = %(id)s AND relation = %(oid)s)"
)

_LEFT = """
SELECT place, name, version_id FROM (
    SELECT n.nspname AS place, c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
        coalesce(v.version_id::text, substring(obj_description(c.oid, 'pg_class') from %(mark)s)) AS version_id
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN dataops.datamart_version v ON v.relation = c.oid
    WHERE c.relkind IN ('r', 'v', 'm') AND (c.relname = %(name)s OR starts_with(c.relname, %(prefix)s))
) found
WHERE CASE name WHEN %(name)s THEN owner = %(builder)s ELSE version_id IS NOT NULL END
ORDER BY place, name
"""


def version_mark(version_id: str) -> str:
    """The comment on a version's table, until somebody writes another one."""
    return f"dataops datamart version {version_id}"


def mark(cursor: Cursor, table: Relation, version_id: str) -> None:
    """Have a table be that version's."""
    comment = sql.SQL("COMMENT ON {} {} IS {}")
    cursor.execute(comment.format(table.kind, table.identifier, sql.Literal(version_mark(version_id))))
    cursor.execute(_NOTE, {"id": version_id, "oid": table.oid})


def is_of_version(cursor: Cursor, found: Relation, version_id: str) -> bool:
    """Whether a relation is the table of that very version, and not of another one that had its name."""
    cursor.execute(_NOTED, {"oid": found.oid, "id": version_id, "mark": version_mark(version_id)})
    [(noted,)] = cursor.fetchall()
    return bool(noted)


def is_made_by_us(cursor: Cursor, found: Relation) -> bool:
    """Whether a datamart's query has made it."""
    cursor.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s", (found.oid,))
    rows = cursor.fetchall()
    return found.type is not None and rows == [(BUILDER,)]


def left_behind(cursor: Cursor, name: str) -> dict[str, dict[str, str]]:
    """By schema, what datamarts of that name have made: the tables of their versions, with the versions' ids.

    Args:
        name: of the table or view of a datamart that the catalogue does not know, or no longer.
    """
    mark = f"^{version_mark('')}(.+)$"
    cursor.execute(_LEFT, {"name": name, "prefix": version_table(name, ""), "mark": mark, "builder": BUILDER})
    found: dict[str, dict[str, str]] = {}
    for schema, relation, version_id in cursor.fetchall():
        versions = found.setdefault(schema, {})
        if relation != name:
            versions[relation] = version_id
    return found


def not_made_by_us(address: str) -> str:
    """What is said of a relation that has a datamart's name and is none."""
    return (
        f"{address} exists already and no datamart has made it: it does not belong to the role {BUILDER}. Rename or"
        " drop it, or give the datamart another name"
    )
