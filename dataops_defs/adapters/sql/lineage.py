"""Which source columns each column of a query comes from, as far as the text alone can tell."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.schema import MappingSchema

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
        _spell_out_renamed(query, columns or {})
        bare = {table.name for table in query.find_all(exp.Table) if not table.db}
        roots = lineage(None, query, _schema(columns or {}), dialect="postgres", db=DEFAULT_SCHEMA)
    except (SqlglotError, RecursionError, ValueError, KeyError, AttributeError):
        return {}
    if isinstance(roots, Node):
        return {}
    found = {name: _leaves(root, bare) for name, root in roots.items() if name != "*"}
    return {name: sources for name, sources in found.items() if sources}


def _spell_out_renamed(query: exp.Expr, columns: Mapping[tuple[str | None, str], Sequence[str]]) -> None:
    """``t AS a(x, y)`` as ``(SELECT … FROM t) AS a(x, y)``: sqlglot takes new names of a table for the table's own."""
    made_here = {(None, each.alias) for each in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        name = (table.db or None, table.name)
        if not table.alias_column_names or not (name in columns or name in made_here):
            continue
        held = [exp.column(exp.to_identifier(each, quoted=True)) for each in columns.get(name, ())]
        plain = exp.Table(this=table.this.copy(), db=table.args.get("db"))
        table.replace(exp.Subquery(this=exp.select(*held or "*").from_(plain), alias=table.args["alias"].copy()))


def _schema(columns: Mapping[tuple[str | None, str], Sequence[str]]) -> MappingSchema:
    nested: dict[str, Any] = {}
    for (schema, table), names in columns.items():
        nested.setdefault(schema or DEFAULT_SCHEMA, {})[table] = dict.fromkeys(names, "unknown")
    return MappingSchema(nested, dialect="postgres", normalize=False)  # names are the catalogue's own


def _leaves(root: Node, bare: Set[str]) -> list[Column]:
    """Columns of tables that the node comes from; a table written without its schema keeps none."""
    found: set[Column] = set()
    for node in root.walk():
        table = node.expression
        if isinstance(table, exp.Table) and not node.downstream and not table.alias_column_names:
            schema = None if table.db == DEFAULT_SCHEMA and table.name in bare else table.db or None
            column = node.name.rpartition(".")[2].strip('"')
            if column != "*":
                found.add((schema, table.name, column))
    return sorted(found, key=lambda column: (column[0] or "", column[1], column[2]))
