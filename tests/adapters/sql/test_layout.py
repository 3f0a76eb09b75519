"""SQL laid out for people to read."""

import pytest

from dataops_defs.adapters.sql.layout import laid_out

LONG = "and_a_name_that_makes_this_line_a_long_one_which_begins_at_eighty_letters"


def test_clauses_and_columns_begin_lines() -> None:
    query = f"SELECT c.id, 'x FROM y' AS word FROM customers c JOIN orders o ON c.id = o.id WHERE o.n = '{LONG}'"

    assert laid_out(query).splitlines() == [
        "SELECT",
        "  c.id,",
        "  'x FROM y' AS word",
        "FROM customers AS c",
        "JOIN orders AS o",
        "  ON c.id = o.id",
        "WHERE",
        f"  o.n = '{LONG}'",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1   FROM short",
        f"SELECT 1\nFROM t -- laid out by its author, {LONG}",
        f"SELECT 'unterminated FROM {LONG}",
        f"))) FROM ((( {LONG} ))))) FROM",
        f"SELECT {'(' * 10_000}1{')' * 10_000}",
        "",
    ],
    ids=["short", "with lines", "unterminated", "no SQL", "nested", "empty"],
)
def test_what_is_short_has_lines_or_cannot_be_read_stays_as_it_is(query: str) -> None:
    assert laid_out(query) == query
