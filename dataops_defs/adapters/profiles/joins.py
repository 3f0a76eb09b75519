"""Relationships as joins: SQL that PostgreSQL takes as it stands, in an order that connects."""

from collections.abc import Iterator, Sequence

from pglast.keywords import COL_NAME_KEYWORDS, RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

from dataops_defs.domain.relationship import Relationship

KEYWORDS = frozenset({*RESERVED_KEYWORDS, *TYPE_FUNC_NAME_KEYWORDS, *COL_NAME_KEYWORDS})
FIRST, LATER = frozenset("abcdefghijklmnopqrstuvwxyz_"), frozenset("abcdefghijklmnopqrstuvwxyz_0123456789$")
DEFAULT_SCHEMA = "public"
LONGEST = 63


def suggested_joins(tables: Sequence[str], schema: str, found: Sequence[Relationship]) -> list[str]:
    """One join for each relationship: ``customers JOIN orders ON customers.customer_id = orders.customer_id``.

    The left table is the first of all, or one that an earlier join has; a table that nothing connects to those begins
    anew. A table that is joined once more, or with itself, goes by another name. So the joins of one beginning, each
    from its JOIN on, make one FROM clause.

    Args:
        tables: in the order in which to begin.
        found: of two that connect the same tables the surer one first.
    """
    joins = _Joins(schema, set(tables))
    waiting = list(found)
    for table in tables:
        if table in joins.joined:
            continue
        joins.joined.add(table)
        while (each := _next(waiting, joins.joined)) is not None:
            waiting.remove(each)
            joins.add(each)
    return joins.lines


def _next(waiting: Sequence[Relationship], joined: set[str]) -> Relationship | None:
    """One that brings a new table, before one between tables that are joined already."""
    reached = [each for each in waiting if each.table in joined or each.parent in joined]
    fresh = (each for each in reached if not {each.table, each.parent} <= joined)
    return next(fresh, reached[0] if reached else None)


class _Joins:
    """Joins so far, and the names by which their tables go."""

    def __init__(self, schema: str, names: set[str]) -> None:
        self._schema = schema
        self._names = names
        self.joined: set[str] = set()
        self.lines: list[str] = []

    def add(self, found: Relationship) -> None:
        """The join of one relationship, one of whose tables is joined."""
        if found.table in self.joined:
            left, left_columns, right, right_columns = (
                found.table, found.columns, found.parent, found.parent_columns,
            )  # fmt: skip
        else:
            left, left_columns, right, right_columns = (
                found.parent, found.parent_columns, found.table, found.columns,
            )  # fmt: skip
        alias = self._alias(right, found.columns) if right in self.joined else right
        self.joined.add(right)
        self._names.add(alias)
        named = self._placed(right) if alias == right else f"{self._placed(right)} AS {quoted(alias)}"
        cast = "::text" if found.as_text else ""
        equal = " AND ".join(
            f"{quoted(left)}.{quoted(mine)}{cast} = {quoted(alias)}.{quoted(its)}{cast}"
            for mine, its in zip(left_columns, right_columns, strict=True)
        )
        self.lines.append(f"{self._placed(left)} JOIN {named} ON {equal}")

    def _placed(self, table: str) -> str:
        return quoted(table) if self._schema == DEFAULT_SCHEMA else f"{quoted(self._schema)}.{quoted(table)}"

    def _alias(self, table: str, columns: Sequence[str]) -> str:
        """``airports_dest`` for the airports that dest names."""
        return next(name for name in _aliases(f"{table}_{'_'.join(columns)}") if name not in self._names)


def _aliases(wanted: str) -> Iterator[str]:
    yield _cut(wanted, LONGEST)
    for number in range(2, 1_000_000):
        yield f"{_cut(wanted, LONGEST - len(str(number)) - 1)}_{number}"


def _cut(name: str, size: int) -> str:
    return name.encode()[:size].decode(errors="ignore")


def quoted(name: str) -> str:
    """An identifier as SQL, in quotation marks only where it needs them."""
    plain = name[:1] in FIRST and LATER.issuperset(name) and name not in KEYWORDS
    return name if name and plain else '"' + name.replace('"', '""') + '"'
