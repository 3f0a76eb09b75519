"""SQL laid out for people to read."""

import pytest

from dataops_defs.adapters.sql.layout import laid_out

LONG = "and_a_name_that_makes_this_line_a_long_one_which_begins_at_eighty_letters"


def test_clauses_and_columns_begin_lines() -> None:
    query = (
        "SELECT c.id, coalesce(a, b) AS n, 'x FROM y' AS word FROM customers c LEFT OUTER JOIN orders o ON c.id = o.id"
        " CROSS JOIN other WHERE left(c.name, 2) = extract(year FROM c.born) GROUP BY 1, 2 ORDER BY 1 LIMIT 3"
    )

    assert laid_out(query).splitlines() == [
        "SELECT c.id,",
        "  coalesce(a, b) AS n,",
        "  'x FROM y' AS word",
        "FROM customers c",
        "LEFT OUTER JOIN orders o ON c.id = o.id",
        "CROSS JOIN other",
        "WHERE left(c.name, 2) = extract(year FROM c.born)",
        "GROUP BY 1, 2",
        "ORDER BY 1",
        "LIMIT 3",
    ]


def test_queries_within_are_indented() -> None:
    query = f"WITH a AS (SELECT x FROM t), b AS (SELECT 1) SELECT * FROM a WHERE x IN (SELECT 1 AS {LONG})"

    assert laid_out(query).splitlines() == [
        "WITH a AS (",
        "  SELECT x",
        "  FROM t), b AS (",
        "  SELECT 1)",
        "SELECT *",
        "FROM a",
        "WHERE x IN (",
        f"  SELECT 1 AS {LONG})",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1   FROM short",
        f"SELECT 1\nFROM t -- laid out by its author, {LONG}",
        f"SELECT 'unterminated FROM {LONG}",
        f"))) FROM ((( {LONG} ))))) FROM",
        "",
    ],
)
def test_nothing_but_white_space_differs(query: str) -> None:
    assert laid_out(query).split() == query.split()
