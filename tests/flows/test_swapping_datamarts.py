"""What people gave to a datamart is carried over a swap, or the swap is refused by what it would lose."""

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from dataops_defs.adapters.datamarts import swap
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.errors import Conflict
from tests.flows.datamart_scenes import define, leftovers, mart, method, refresh, version
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


class TestTheOptionsOfAView:
    """They guard rows: a view that loses them shows rows to people who may not read what it reads."""

    OPTIONS = "SELECT reloptions FROM pg_class WHERE oid = 'analytics.sales'::regclass"
    GUARDED = ["security_invoker=true", "security_barrier=true"]

    def guard(self, world: World) -> None:
        world.sql("ALTER VIEW analytics.sales SET (security_invoker = true, security_barrier = true)")

    def test_outlive_a_refresh(self, world: World) -> None:
        id = define(world, "sales", "SELECT * FROM content.sale", DatamartType.VIEW)
        refresh(world, id)
        self.guard(world)

        assert method(refresh(world, id)) == "replace"
        assert world.sql(self.OPTIONS) == [(self.GUARDED,)]
        with_another_column(world)
        assert method(refresh(world, id)) == "swap"
        assert world.sql(self.OPTIONS) == [(self.GUARDED,)]

    def test_outlive_a_new_version(self, world: World) -> None:
        id = define(world, "sales", "SELECT 1 AS n", DatamartType.TABLE, versioned=True)
        refresh(world, id, version_id=version(world, id, "v1", "SELECT id FROM content.sale"))
        self.guard(world)

        for name, query in {"v2": "SELECT id FROM content.sale", "v3": "SELECT region FROM content.sale"}.items():
            refresh(world, id, version_id=version(world, id, name, query))
            assert world.sql(self.OPTIONS) == [(self.GUARDED,)]


@pytest.mark.parametrize(
    ("built", "told"),
    [
        ("CREATE TABLE public.kept (rows analytics.sales[])", "read by table kept"),
        (
            "CREATE FUNCTION public.first(rows analytics.sales[]) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "read by function first(analytics.sales[])",
        ),
    ],
)
def test_what_is_built_on_its_rows_in_arrays_is_told_and_it_is_refreshed_in_another_way(
    world: World, built: str, told: str
) -> None:
    id = define(world, "sales", "SELECT region FROM content.sale")
    refresh(world, id)
    world.sql(built)

    done = refresh(world, id)

    assert (method(done), told in done.details["reason"]) == ("refresh", True)
    assert leftovers(world) == []


def test_an_index_that_could_not_be_built_is_not_carried_over(world: World) -> None:
    id = define(world, "sales", "SELECT region FROM content.sale")
    refresh(world, id)
    with closing(psycopg2.connect(libpq_url(world.platform.settings.url("warehouse")))) as theirs:
        theirs.autocommit = True
        with pytest.raises(psycopg2.errors.UniqueViolation):
            theirs.cursor().execute("CREATE UNIQUE INDEX CONCURRENTLY by_region ON analytics.sales (region)")

    assert method(refresh(world, id)) == "swap"
    assert world.sql("SELECT FROM pg_indexes WHERE tablename = 'sales'") == []


def test_an_index_that_was_made_while_it_was_built_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id = define(world, "sales", "SELECT region FROM content.sale")
    refresh(world, id)
    put_in_place = swap.put_in_place

    def after_theirs(*arguments: Any) -> None:
        monkeypatch.setattr(swap, "put_in_place", put_in_place)
        world.sql("CREATE INDEX by_region ON analytics.sales (region)")
        put_in_place(*arguments)

    monkeypatch.setattr(swap, "put_in_place", after_theirs)

    assert method(refresh(world, id)) == "swap"
    assert world.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'sales'") == [("by_region",)]


def test_what_a_failed_swap_leaves_is_gone_when_another_way_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = define(world, "sales", "SELECT region FROM content.sale")
    refresh(world, id)
    put_in_place = swap.put_in_place

    def after_theirs(*arguments: Any) -> None:
        world.sql("CREATE MATERIALIZED VIEW public.theirs AS SELECT * FROM analytics.sales")
        put_in_place(*arguments)

    monkeypatch.setattr(swap, "put_in_place", after_theirs)

    done = refresh(world, id)

    assert (method(done), "public.theirs" in done.details["reason"]) == ("refresh", True)
    assert "_building" not in done.details["reason"]
    assert leftovers(world) == []


def test_a_null_where_none_may_be_is_told_without_the_names_of_drafts(world: World) -> None:
    id = define(world, "sales", "SELECT * FROM content.sale", DatamartType.TABLE)
    refresh(world, id)
    world.sql("ALTER TABLE analytics.sales ALTER COLUMN region SET NOT NULL")
    with_another_column(world)
    world.sql("INSERT INTO content.sale VALUES (43, NULL, 1)")

    with pytest.raises(Conflict, match="null values") as caught:
        refresh(world, id)

    assert "_building" not in str(caught.value)
