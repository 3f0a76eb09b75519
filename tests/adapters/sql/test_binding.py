"""Named parameters of a query: bound where PostgreSQL sees a name after a colon, as literals that stay literals."""

import psycopg2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from dataops_defs.adapters.sql.binding import bind
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.errors import Invalid

WORLD = {"date": "2024-06-30", "n": -5, "yes": True, "name": "O'Brien \\' -- x", "none": None, "list": [1]}


def test_only_names_after_a_colon_are_parameters() -> None:
    query = "SELECT 'ж:date', \":date\", a[1:n], c::date, d /* :date */ FROM t -- :date\nWHERE d = :date::date"
    assert bind(query, WORLD) == query.replace("= :date", "= '2024-06-30'")
    assert bind("SELECT :date, :n, :yes, :none, :other", WORLD) == "SELECT '2024-06-30', (-5), TRUE, NULL, NULL"
    assert bind("SELECT $$ :date $$, U&':n', E':n', :\"n\", : n", WORLD).count(":") == 5
    assert bind("SELECT '", WORLD) == "SELECT '"


def test_a_list_is_no_value() -> None:
    with pytest.raises(Invalid, match="list"):
        bind("SELECT :list", WORLD)
    assert bind("SELECT 1", WORLD) == "SELECT 1"


@profile(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@pytest.mark.parametrize("standard", ["on", "off"])
def test_whatever_a_text_holds_comes_back_as_it_was(warehouse_connection: object, standard: str, text: str) -> None:
    cursor = warehouse_connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(f"SET standard_conforming_strings = {standard}")
    cursor.execute(bind("SELECT :text, 1", {"text": text}))
    assert cursor.fetchall() == [(text, 1)]


@pytest.fixture
def warehouse_connection(warehouse_url: str) -> object:
    with psycopg2.connect(libpq_url(warehouse_url)) as connection:
        connection.autocommit = True
        yield connection
    connection.close()
