"""Rows of the warehouse as people are shown them: as JSON that PostgreSQL makes.

Read as values they would fail where psycopg2 has no form for one: a date BC, after the year 9999, or infinite.
"""

from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812


def shown_rows(cursor: Cursor, source: sql.Composable, limit: int) -> Iterator[str]:
    """The first rows of a relation or a query in brackets, each the text of a JSON object."""
    statement = sql.SQL("SELECT row_to_json(shown.*)::text FROM {} AS shown LIMIT {}")
    cursor.execute(statement.format(source, sql.Literal(limit)))
    for (text,) in cursor:
        yield text
