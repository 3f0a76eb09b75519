"""What people gave to a datamart is carried over a swap, or the swap is refused by what it would lose."""

import pytest

from dataops_defs.domain.datamart import DatamartType
from dataops_defs.errors import Conflict
from tests.flows.datamart_scenes import define, leftovers, mart, method, refresh
from tests.scenes import World

SALES = (
    "CREATE TABLE content.sale AS SELECT n AS id, mod(n, 7) AS region, n * 1.5 AS amount FROM generate_series(1, 42) n"
)
GIVEN = (
    "SELECT i.relname, pg_get_indexdef(i.oid), x.indisclustered, obj_description(i.oid, 'pg_class'),"
    " pg_get_constraintdef(k.oid), k.conname, obj_description(k.oid, 'pg_constraint'),"
    " ARRAY(SELECT a.attstattarget::int FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget >= 0),"
    " ARRAY(SELECT (attname, attstattarget, attoptions)::text FROM pg_attribute WHERE attrelid = x.indrelid"
    " AND attname IN ('id', 'region') ORDER BY attnum)"
    " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_constraint k ON k.conindid = i.oid"
    " WHERE x.indrelid = 'analytics.sales'::regclass ORDER BY 1"
)


@pytest.fixture(autouse=True)
def _sales(world: World) -> None:
    world.sql(SALES)


def with_another_column(world: World) -> None:
    world.sql("ALTER TABLE content.sale ADD COLUMN note text DEFAULT 'new'")


def test_a_tables_keys_are_keys_after_its_columns_changed(world: World) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale", DatamartType.TABLE)
    refresh(world, id)
    world.sql(
        "ALTER TABLE analytics.sales ADD CONSTRAINT their_key PRIMARY KEY (id),"
        " ADD CONSTRAINT once UNIQUE (id, region) DEFERRABLE INITIALLY DEFERRED,"
        " ALTER COLUMN region SET NOT NULL, ALTER COLUMN region SET STATISTICS 500,"
        " ALTER COLUMN region SET (n_distinct = 7);"
        "CREATE INDEX by_twice ON analytics.sales ((amount * 2)); ALTER INDEX analytics.by_twice"
        " ALTER COLUMN 1 SET STATISTICS 77; ALTER TABLE analytics.sales CLUSTER ON by_twice;"
        "COMMENT ON INDEX analytics.by_twice IS 'Ask Ann'; COMMENT ON CONSTRAINT their_key ON analytics.sales IS 'Bob'"
    )
    before = world.sql(GIVEN)
    with_another_column(world)

    assert method(refresh(world, id)) == "swap"
    assert world.sql(GIVEN) == before
    assert len(before) == 3
    nulls = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'analytics.sales'::regclass AND attname = 'region'"
    assert world.sql(nulls) == [(True,)]


def test_a_materialized_views_marks_outlive_a_swap(world: World) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale")
    refresh(world, id)
    world.sql(
        "CREATE INDEX by_region ON analytics.sales (region); COMMENT ON INDEX analytics.by_region IS 'Ask Ann';"
        "ALTER MATERIALIZED VIEW analytics.sales CLUSTER ON by_region;"
        "ALTER MATERIALIZED VIEW analytics.sales ALTER COLUMN region SET STATISTICS 500"
    )
    before = world.sql(GIVEN)

    assert method(refresh(world, id)) == "swap"
    assert world.sql(GIVEN) == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("ALTER TABLE analytics.sales ENABLE ROW LEVEL SECURITY", "row level security"),
        ("CREATE POLICY theirs ON analytics.sales USING (true)", "policy theirs"),
        (
            "CREATE TRIGGER told BEFORE UPDATE ON analytics.sales FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger told",
        ),
        ("CREATE PUBLICATION news FOR TABLE analytics.sales WITH (publish = 'insert')", "publication news"),
        ("CREATE STATISTICS analytics.both ON id, region FROM analytics.sales", "extended statistics both"),
        ("ALTER TABLE analytics.sales ADD CONSTRAINT above CHECK (id > 0)", "check constraint above"),
        ("ALTER TABLE analytics.sales ALTER COLUMN region SET DEFAULT 1", "default of column region"),
    ],
)
def test_what_a_swap_would_lose_is_named_and_nothing_changes(world: World, given: str, told: str) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale", DatamartType.TABLE)
    refresh(world, id)
    world.sql(given)
    with_another_column(world)

    with pytest.raises(Conflict, match=told):
        refresh(world, id)

    assert told in (mart(world, id).last_error or "")
    assert leftovers(world) == []
    world.sql("ALTER TABLE content.sale DROP COLUMN note")
    world.sql("ALTER TABLE analytics.sales DISABLE ROW LEVEL SECURITY")
    assert method(refresh(world, id)) == "merge"


def test_a_materialized_view_with_extended_statistics_stays_where_it_is(world: World) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale")
    refresh(world, id)
    world.sql("CREATE STATISTICS analytics.both ON id, region FROM analytics.sales")

    done = refresh(world, id)

    assert method(done) == "concurrently"
    assert "extended statistics both" in done.details["reason"]
    assert world.sql("SELECT stxname FROM pg_statistic_ext") == [("both",)]


def test_rows_that_break_a_unique_index_are_told_by_its_name(world: World) -> None:
    id = define(world, "sales", "SELECT id FROM content.sale")
    refresh(world, id)
    world.sql("CREATE UNIQUE INDEX their_key ON analytics.sales (id); INSERT INTO content.sale SELECT 1, 1, 1")

    with pytest.raises(Conflict, match="their_key") as caught:
        refresh(world, id)

    assert "_building" not in str(caught.value)
    assert leftovers(world) == []
