"""What PostgreSQL has built on a table or view, and how views on it are bound to another one of the same name."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.adapters.datamarts.views import replacing

_VIEWS = """
SELECT DISTINCT n.nspname, c.relname, c.relkind, c.oid, pg_has_role(c.relowner, 'USAGE')
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s AND c.oid <> %(oid)s
ORDER BY c.oid
"""
# What goes with the relation, such as its own constraints and policies, is not built on it.
_OTHERS = """
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d JOIN pg_class c ON c.oid = %(oid)s
WHERE d.deptype = 'n' AND d.classid <> 'pg_rewrite'::regclass
    AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)
        OR (d.refclassid = 'pg_type'::regclass
            AND d.refobjid IN (c.reltype, (SELECT typarray FROM pg_type WHERE oid = c.reltype))))
    AND NOT EXISTS (SELECT FROM pg_depend own WHERE own.classid = d.classid AND own.objid = d.objid
        AND own.deptype IN ('a', 'i') AND own.refclassid = 'pg_class'::regclass AND own.refobjid = c.oid)
"""
# How far above the relation views are, at most: what reads both the relation and another view of it is above both.
_DEPTHS = """
WITH RECURSIVE above (oid, depth) AS (
    SELECT %(oid)s::oid, 0
    UNION
    SELECT r.ev_class, above.depth + 1
    FROM above JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = above.oid
        JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE r.ev_type = '1' AND r.ev_class <> above.oid
)
SELECT oid, max(depth) FROM above GROUP BY oid
"""
MANY = 20


@dataclass(frozen=True)
class Dependants:
    """Views that can be bound anew, by oid, schema and name; and what cannot, in words."""

    views: Sequence[tuple[int, str, str]]
    fixed: Sequence[str]


def dependants_of(cursor: Cursor, relation: Relation) -> Dependants:
    """What is built directly on a relation; what is built on a view of it stays as it is when that is bound anew."""
    views, fixed = [], []
    cursor.execute(_VIEWS, {"oid": relation.oid})
    for schema, name, kind, oid, ours in cursor.fetchall():
        if kind == "v" and ours:
            views.append((oid, schema, name))
        else:
            fixed.append(f"{'materialized view' if kind == 'm' else 'view'} {schema}.{name}")
    cursor.execute(_OTHERS, {"oid": relation.oid})
    return Dependants(views, [*fixed, *(each for (each,) in cursor.fetchall())][:MANY])


def all_of(found: Dependants) -> list[str]:
    """Everything, in words."""
    return [*(f"view {schema}.{name}" for _, schema, name in found.views), *found.fixed]


def from_the_top(cursor: Cursor, relation: Relation) -> list[int]:
    """The views that can be bound anew, by oid, in the order of locks of those who read them.

    A reader locks a view before what that reads.
    """
    cursor.execute(_DEPTHS, {"oid": relation.oid})
    depths = dict(cursor.fetchall())
    views = [oid for oid, _, _ in dependants_of(cursor, relation).views]
    return sorted(views, key=lambda oid: depths.get(oid, 0), reverse=True)


def rebinding(cursor: Cursor, found: Dependants) -> list[sql.Composable]:
    """Statements that bind the views to whatever has the relation's name when they run.

    A view keeps its oid, and with it its grants, its comment and what is built on it.
    """
    made: list[sql.Composable] = []
    cursor.execute("SELECT current_setting('search_path')")
    [(path,)] = cursor.fetchall()
    cursor.execute("SET LOCAL search_path = ''")  # names are spelled out with their schema
    try:
        for oid, _, _ in found.views:
            cursor.execute("SELECT pg_get_viewdef(%s::oid)", (oid,))
            [(query,)] = cursor.fetchall()
            made.append(replacing(cursor, oid, sql.SQL(query.rstrip(";"))))
    finally:
        cursor.execute("SELECT set_config('search_path', %s, true)", (path,))
    return made
