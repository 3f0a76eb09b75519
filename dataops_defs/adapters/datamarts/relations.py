"""What PostgreSQL has under a datamart's name: its kind, its columns, how many rows, how large."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts.shown_rows import shown_rows
from dataops_defs.adapters.json_values import exact_object
from dataops_defs.domain.columns import SYSTEM_COLUMN_NAMES, Column
from dataops_defs.domain.datamart import DatamartType

KINDS = {DatamartType.TABLE: "TABLE", DatamartType.VIEW: "VIEW", DatamartType.MATERIALIZED_VIEW: "MATERIALIZED VIEW"}
TYPE_OF = {"r": DatamartType.TABLE, "v": DatamartType.VIEW, "m": DatamartType.MATERIALIZED_VIEW}
PREVIEW_ROWS = 10
_COLUMNS = (
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull FROM pg_attribute a"
    " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)
_PSEUDO = (
    "SELECT given.name, given.type FROM unnest(%s::text[], %s::text[]) AS given (name, type)"
    " JOIN pg_type t ON t.oid = to_regtype(given.type) WHERE t.typtype = 'p'"
)
Name = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True)
class Relation:
    """A table or view that is there; ``type`` is None for what no datamart can be, such as an index or a sequence."""

    schema: str
    name: str
    oid: int
    type: DatamartType | None
    populated: bool
    columns: Sequence[Column]

    @property
    def address(self) -> str:
        """Its schema and name, for people."""
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """Its name, quoted."""
        return sql.Identifier(self.schema, self.name)

    @property
    def kind(self) -> sql.SQL:
        """What DDL calls it."""
        return sql.SQL(KINDS[self.type or DatamartType.TABLE])


def find(cursor: Cursor, schema: str, name: str) -> Relation | None:
    """What has that name, if anything has."""
    cursor.execute(
        "SELECT c.oid, c.relkind, c.relispopulated FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        (schema, name),
    )
    found = cursor.fetchone()
    if found is None:
        return None
    oid, kind, populated = found
    cursor.execute(_COLUMNS, (oid,))
    return Relation(schema, name, oid, TYPE_OF.get(kind), populated, [Column(*each) for each in cursor.fetchall()])


def query_columns(cursor: Cursor, query: str) -> list[Column]:
    """The columns that a query gives, without running it; types without length or precision."""
    cursor.execute(f"SELECT * FROM ({query}) AS planned LIMIT 0")  # noqa: S608 - passed the guard
    described = list(cursor.description or ())
    cursor.execute(
        "SELECT format_type(kind, NULL) FROM unnest(%s::oid[]) WITH ORDINALITY AS t(kind, n) ORDER BY n",
        ([each.type_code for each in described],),
    )
    return [Column(each.name, type) for each, (type,) in zip(described, cursor.fetchall(), strict=True)]


def change_of(cursor: Cursor, query: str, kept: Relation, place: Name) -> str | None:
    """What is not as it was when the query of a table or view was last told; None where nothing changed.

    What a query is described by tells neither domains nor fields of intervals, so PostgreSQL is asked for a view of it,
    which nobody sees. A materialized view is refreshed by the query that it was made of, so that must be the same too.

    Args:
        place: schema and name that nothing has.
    """
    cursor.execute("SAVEPOINT described")
    cursor.execute(sql.SQL("CREATE VIEW {} AS {}").format(sql.Identifier(*place), sql.SQL(query)))
    made = find(cursor, *place)
    columns = made.columns if made else []
    cursor.execute("SELECT pg_get_viewdef(%s) = pg_get_viewdef(%s)", (made.oid if made else None, kept.oid))
    [(same,)] = cursor.fetchall()
    cursor.execute("ROLLBACK TO SAVEPOINT described")
    if [(each.name, each.type) for each in columns] != [(each.name, each.type) for each in kept.columns]:
        return "its columns changed"
    return "its query changed" if kept.type is DatamartType.MATERIALIZED_VIEW and not same else None


def unheld(cursor: Cursor, columns: Sequence[Column], type: DatamartType) -> str | None:
    """Why such a table or view cannot have the columns of a query; None where it can."""
    names, types = [each.name for each in columns], [each.type for each in columns]
    taken = [name for name in names if name in SYSTEM_COLUMN_NAMES] if type is not DatamartType.VIEW else []
    if taken:
        return (
            f"it gives a column named '{taken[0]}', a name that PostgreSQL keeps to itself: name it otherwise with AS"
        )
    cursor.execute(_PSEUDO, (names, types))
    for name, kind in cursor.fetchall():
        return f"its column '{name}' is a {kind}, which no table or view can hold: select its parts, or cast it"
    return None


def same_columns(one: Sequence[Column], other: Sequence[Column]) -> bool:
    """Whether names, order and types agree; a length or precision that only one of them tells does not count."""
    return [(each.name, _bare(each.type)) for each in one] == [(each.name, _bare(each.type)) for each in other]


def columns_of(cursor: Cursor, tables: Collection[tuple[str | None, str]]) -> dict[tuple[str | None, str], list[str]]:
    """The columns of the tables that a query reads, as far as they are there."""
    found: dict[tuple[str | None, str], list[str]] = {}
    for schema, name in tables:
        relation = find(cursor, schema or "public", name)
        if relation is not None:
            found[schema, name] = [each.name for each in relation.columns]
    return found


@dataclass(frozen=True)
class Content:
    """What a datamart holds: rows, bytes with its indexes, columns, and its first rows as JSON holds them."""

    rows: int
    bytes: int
    columns: Sequence[Column]
    preview: Sequence[dict[str, Any]]


def content_of(cursor: Cursor, relation: Relation) -> Content:
    """Count and look."""
    cursor.execute("SELECT pg_total_relation_size(%s)", (relation.oid,))
    [(size,)] = cursor.fetchall()
    return _content(cursor, relation.identifier, relation.columns, size)


def first_rows(cursor: Cursor, relation: Relation) -> Sequence[dict[str, Any]]:
    """A few rows, as JSON holds them."""
    return _first_rows(cursor, relation.identifier)


def content_of_query(cursor: Cursor, query: str, columns: Sequence[Column]) -> Content:
    """What a view of that query and these columns gives."""
    return _content(cursor, sql.SQL(f"({query})"), columns, 0)


def analyze(cursor: Cursor, relation: Relation) -> None:
    """Have PostgreSQL sample the new rows: plans of queries over them, and statistics of columns, come from that."""
    if relation.type is not DatamartType.VIEW:
        cursor.execute(sql.SQL("ANALYZE {}").format(relation.identifier))


def _content(cursor: Cursor, source: sql.Composable, columns: Sequence[Column], size: int) -> Content:
    cursor.execute(sql.SQL("SELECT count(*) FROM {} AS counted").format(source))
    [(rows,)] = cursor.fetchall()
    return Content(rows, size, columns, _first_rows(cursor, source))


def _first_rows(cursor: Cursor, source: sql.Composable) -> Sequence[dict[str, Any]]:
    return [exact_object(text) for text in shown_rows(cursor, source, PREVIEW_ROWS)]


def _bare(type: str) -> str:
    head, _, rest = type.partition("(")
    return head + rest.partition(")")[2]
