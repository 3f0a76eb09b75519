"""By which of its own output columns a query groups: together they are a key of its result."""

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


def grouped_by(query: str) -> list[str]:
    """The output columns that GROUP BY, DISTINCT or UNION make unique together.

    Returns:
        Empty for a query that does not group, groups by more than it gives, or in several ways at once.
    """
    try:
        root = sqlglot.parse_one(query, read="postgres")
    except (SqlglotError, RecursionError, ValueError):
        return []
    if isinstance(root, exp.SetOperation):
        return _all_outputs(root) if root.args.get("distinct") else []
    if not isinstance(root, exp.Select):
        return []
    if root.args.get("distinct"):
        return _all_outputs(root) if not root.args["distinct"].args.get("on") else []
    group = root.args.get("group")
    if group is None or any(group.args.get(each) for each in ("grouping_sets", "rollup", "cube", "all")):
        return []
    outputs = [_output(root, each) for each in group.expressions]
    return [] if None in outputs else [each for each in outputs if each is not None]


def _all_outputs(root: exp.Query) -> list[str]:
    names = root.named_selects
    return [] if "*" in names or "" in names else list(names)


def _output(root: exp.Select, grouped: exp.Expression) -> str | None:
    """The output column that a GROUP BY expression is, if it is one."""
    if isinstance(grouped, exp.Literal) and not grouped.is_string:
        place = int(grouped.name) - 1
        return root.selects[place].alias_or_name or None if 0 <= place < len(root.selects) else None
    for each in root.selects:
        if each.unalias() == grouped:
            return each.alias_or_name or None
    names = [each.alias_or_name for each in root.selects]
    return grouped.name if isinstance(grouped, exp.Column) and not grouped.table and grouped.name in names else None
