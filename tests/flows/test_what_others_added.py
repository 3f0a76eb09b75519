"""What somebody added to a datamart's table, or made where it is built, is not dropped without a word."""

import pytest

from dataops_defs.domain.datamart import DatamartType, draft_name
from dataops_defs.errors import Conflict
from tests.flows.datamart_scenes import define, leftovers, mart, method, refresh
from tests.scenes import World


@pytest.fixture
def sales(world: World) -> str:
    """A table that was filled twice; the second refresh wrote nothing."""
    world.sql("CREATE TABLE content.sale AS SELECT n AS id, mod(n, 7) AS region FROM generate_series(1, 42) n")
    id = define(world, "sales", "SELECT * FROM content.sale", DatamartType.TABLE)
    refresh(world, id)
    refresh(world, id)
    return id


def test_a_column_and_what_is_in_it_stay(world: World, sales: str) -> None:
    world.sql("ALTER TABLE analytics.sales ADD COLUMN note text; UPDATE analytics.sales SET note = 'mine'")

    with pytest.raises(Conflict, match="column note") as refused:
        refresh(world, sales)

    assert "drop it" in str(refused.value)
    assert mart(world, sales).last_error == str(refused.value)
    assert world.sql("SELECT DISTINCT note FROM analytics.sales") == [("mine",)]
    assert leftovers(world) == []
    world.sql("ALTER TABLE analytics.sales DROP COLUMN note")
    assert method(refresh(world, sales)) == "merge"


def test_a_column_that_the_query_gave_before_goes_with_it(world: World, sales: str) -> None:
    world.sql("ALTER TABLE content.sale ADD COLUMN note text; ALTER TABLE content.sale DROP COLUMN region")
    assert method(refresh(world, sales)) == "swap"
    world.sql("ALTER TABLE content.sale DROP COLUMN note")
    assert method(refresh(world, sales)) == "swap"
    assert [each["name"] for each in mart(world, sales).columns or []] == ["id"]


def test_a_sequence_of_one_of_its_columns_stays(world: World, sales: str) -> None:
    world.sql(
        "CREATE SEQUENCE analytics.numbers; ALTER SEQUENCE analytics.numbers OWNER TO dataops_builder;"
        "ALTER SEQUENCE analytics.numbers OWNED BY analytics.sales.id; ALTER TABLE content.sale ALTER id TYPE bigint"
    )

    with pytest.raises(Conflict, match=r"sequence analytics\.numbers .*OWNED BY NONE"):
        refresh(world, sales)

    world.sql("ALTER SEQUENCE analytics.numbers OWNED BY NONE")
    assert method(refresh(world, sales)) == "swap"
    assert world.sql("SELECT to_regclass('analytics.numbers')::text") == [("analytics.numbers",)]


def test_a_table_where_it_is_built_stays(world: World, sales: str) -> None:
    place = f"analytics.{draft_name(sales)}"
    world.sql(f"CREATE TABLE {place} AS SELECT 42 AS n")

    with pytest.raises(Conflict, match=f"{place} .*rename or drop it"):
        refresh(world, sales)

    assert world.sql(f"SELECT n FROM {place}") == [(42,)]
