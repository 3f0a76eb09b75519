"""Which source columns each column of a query comes from, as far as the text alone can tell."""

from collections.abc import Mapping, Sequence, Set

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

DEFAULT_SCHEMA = "public"
Column = tuple[str | None, str, str]


def column_lineage(
    sql: str, columns: Mapping[tuple[str | None, str], Sequence[str]] | None = None
) -> dict[str, list[Column]]:
    """Output column -> ``(schema or None, table, column)`` it is computed from, best effort.

    Args:
        columns: the columns of the tables read, where known; without them ``*`` and unqualified columns of a join
            stay unresolved.
    Returns:
        Only the columns that could be resolved; empty for SQL that cannot be read.
    """
    try:
        query = sqlglot.parse_one(sql, read="postgres")
        bare = {table.name for table in query.find_all(exp.Table) if not table.db}
        roots = lineage(None, query, _schema(columns or {}), dialect="postgres", db=DEFAULT_SCHEMA)
    except (SqlglotError, RecursionError, ValueError, KeyError, AttributeError):
        return {}
    if isinstance(roots, Node):
        return {}
    found = {name: _leaves(root, bare) for name, root in roots.items() if name != "*"}
    return {name: sources for name, sources in found.items() if sources}


def _schema(columns: Mapping[tuple[str | None, str], Sequence[str]]) -> dict[str, object]:
    nested: dict[str, dict[str, dict[str, str]]] = {}
    for (schema, table), names in columns.items():
        nested.setdefault(schema or DEFAULT_SCHEMA, {})[table] = dict.fromkeys(names, "unknown")
    return dict(nested)


def _leaves(root: Node, bare: Set[str]) -> list[Column]:
    """Columns of tables that the node comes from; a table written without its schema keeps none."""
    found: set[Column] = set()
    for node in root.walk():
        table = node.expression
        if isinstance(table, exp.Table) and not node.downstream:
            schema = None if table.db == DEFAULT_SCHEMA and table.name in bare else table.db or None
            column = node.name.rpartition(".")[2].strip('"')
            if column != "*":
                found.add((schema, table.name, column))
    return sorted(found, key=lambda column: (column[0] or "", column[1], column[2]))
