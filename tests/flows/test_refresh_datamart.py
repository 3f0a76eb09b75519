"""How a refresh puts new rows in place: which method is taken, what stays as it was."""

import pytest

from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Conflict, SourceError
from tests.flows.datamart_scenes import define, leftovers, mart, method, refresh
from tests.scenes import World

SALES = """
CREATE TABLE content.sale AS
SELECT n AS id, mod(n, 7) AS region, mod(n, 3) AS product, n * 1.5 AS amount FROM generate_series(1, 420) n
"""
TOTALS = "SELECT region, product, count(*) AS sales, sum(amount) AS amount FROM content.sale GROUP BY region, product"
BY_SALE = "SELECT id, amount FROM content.sale"


@pytest.fixture(autouse=True)
def _sales(world: World) -> None:
    world.sql(SALES)


class TestAMaterializedView:
    def test_the_printed_order_works_create_then_refresh_concurrently(self, world: World) -> None:
        id = define(world, "totals", TOTALS)

        first = refresh(world, id, concurrent=True)
        world.sql("UPDATE content.sale SET amount = amount + 1 WHERE region = 3 AND product = 1")
        second = refresh(world, id, concurrent=True)

        assert [method(first), method(second)] == ["build", "concurrently"]
        assert "region, product" in second.details["reason"]
        assert first.ledger == Ledger(read=21, inserted=21)
        assert second.ledger == Ledger(read=21, inserted=1, unchanged=20, deleted=1)
        assert world.sql(f"{TOTALS} EXCEPT SELECT * FROM analytics.totals") == []
        assert mart(world, id).last_method == "concurrently"

    def test_the_index_that_was_made_serves_the_next_refresh_too(self, world: World) -> None:
        id = define(world, "totals", TOTALS)
        refresh(world, id)
        refresh(world, id, concurrent=True)

        again = refresh(world, id, concurrent=True)

        assert again.details["reason"] == "Only rows that differ were written, by a unique index"
        assert again.ledger == Ledger(read=21, unchanged=21)
        assert len(world.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'totals'")) == 1

    def test_what_is_no_key_any_more_is_dropped_and_the_rows_come_all_the_same(self, world: World) -> None:
        id = define(world, "by_sale", BY_SALE)
        refresh(world, id)
        assert method(refresh(world, id, concurrent=True)) == "concurrently"
        world.sql("INSERT INTO content.sale SELECT id, region, product, amount + 100 FROM content.sale WHERE id < 3")

        done = refresh(world, id, concurrent=True)

        assert method(done) == "swap"
        assert "what was its unique key is none any more" in done.details["reason"]
        assert world.sql("SELECT count(*) FROM analytics.by_sale") == [(422,)]
        assert world.sql("SELECT indexname FROM pg_indexes WHERE tablename = 'by_sale'") == []

    def test_rows_that_nothing_tells_apart_are_swapped(self, world: World) -> None:
        id = define(world, "regions", "SELECT region FROM content.sale")
        refresh(world, id)

        done = refresh(world, id, concurrent=True)

        assert method(done) == "swap"
        assert "no columns of it are unique" in done.details["reason"]

    def test_one_that_another_is_built_on_keeps_its_identity(self, world: World) -> None:
        id = define(world, "regions", "SELECT region FROM content.sale")
        refresh(world, id)
        above = define(world, "counted", "SELECT count(*) FROM analytics.regions")
        refresh(world, above)
        world.sql("INSERT INTO content.sale VALUES (1000, 1, 1, 1)")

        done = refresh(world, id)
        refresh(world, above)

        assert method(done) == "refresh"
        assert "materialized view analytics.counted" in done.details["reason"]
        assert world.sql("SELECT * FROM analytics.counted") == [(421,)]

    def test_without_data_it_is_filled(self, world: World) -> None:
        id = define(world, "totals", TOTALS)
        refresh(world, id)
        world.sql("REFRESH MATERIALIZED VIEW analytics.totals WITH NO DATA")

        assert method(refresh(world, id, concurrent=True)) == "swap"
        assert world.sql("SELECT count(*) FROM analytics.totals") == [(21,)]

    def test_new_columns_of_a_star_arrive(self, world: World) -> None:
        id = define(world, "everything", "SELECT * FROM content.sale")
        refresh(world, id)
        world.sql("ALTER TABLE content.sale ADD COLUMN note text DEFAULT 'new'")

        done = refresh(world, id, concurrent=True)

        assert method(done) == "swap"
        assert [each.name for each in done.columns][-1] == "note"
        assert [each["name"] for each in mart(world, id).columns or []][-1] == "note"


@pytest.mark.parametrize("type", [DatamartType.MATERIALIZED_VIEW, DatamartType.TABLE])
def test_what_people_gave_a_datamart_outlives_a_refresh(world: World, type: DatamartType) -> None:
    id = define(world, "totals", TOTALS, type)
    refresh(world, id)
    kind = "TABLE" if type is DatamartType.TABLE else "MATERIALIZED VIEW"
    world.sql(
        "CREATE INDEX by_amount ON analytics.totals (amount DESC) WHERE sales > 1;"
        "CREATE UNIQUE INDEX their_key ON analytics.totals (region, product);"
        f"COMMENT ON {kind} analytics.totals IS 'Ask Ann';"
        "COMMENT ON COLUMN analytics.totals.amount IS 'In euros';"
        "REVOKE SELECT ON analytics.totals FROM dataops_reader;"
        "GRANT SELECT (region) ON analytics.totals TO dataops_reader;"
        "GRANT SELECT ON analytics.totals TO PUBLIC;"
        f"ALTER {kind} analytics.totals SET (autovacuum_vacuum_threshold = 77);"
        "CREATE VIEW public.best AS SELECT region, amount FROM analytics.totals WHERE amount > 100;"
        "CREATE VIEW public.best_region AS SELECT region FROM public.best;"
        "COMMENT ON VIEW public.best IS 'Their view'; GRANT SELECT ON public.best TO PUBLIC"
    )
    told = (
        "SELECT relacl::text, reloptions, obj_description(oid), col_description(oid, 4),"
        " (SELECT array_agg(indexdef ORDER BY indexname) FROM pg_indexes WHERE tablename = 'totals'),"
        " (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'region'),"
        " (SELECT (relacl, obj_description(oid))::text FROM pg_class WHERE relname = 'best')"
        " FROM pg_class c WHERE oid = 'analytics.totals'::regclass"
    )
    before = world.sql(told)
    world.sql("UPDATE content.sale SET amount = 1000 WHERE region = 6")

    done = refresh(world, id)

    assert method(done) == ("merge" if type is DatamartType.TABLE else "swap")
    assert world.sql(told) == before
    assert world.sql("SELECT count(*) FROM public.best_region WHERE region = 6") == [(3,)]
    assert world.sql("SELECT max(amount) FROM public.best") == [(20000,)]
    assert leftovers(world) == []


def test_views_that_do_not_fit_the_new_columns_are_named_and_nothing_changes(world: World) -> None:
    id = define(world, "everything", "SELECT * FROM content.sale")
    refresh(world, id)
    world.sql("CREATE VIEW public.amounts AS SELECT amount FROM analytics.everything")
    world.sql("ALTER TABLE content.sale RENAME COLUMN amount TO price")

    with pytest.raises(Conflict, match=r"view public\.amounts"):
        refresh(world, id)

    assert world.sql("SELECT count(*) FROM public.amounts") == [(420,)]
    assert "public.amounts" in (mart(world, id).last_error or "")
    assert leftovers(world) == []


class TestATable:
    def test_only_rows_that_differ_are_written(self, world: World) -> None:
        id = define(world, "everything", "SELECT region, product FROM content.sale", DatamartType.TABLE)
        refresh(world, id)
        world.sql("DELETE FROM content.sale WHERE id <= 5; INSERT INTO content.sale VALUES (0, 99, 99, 0)")

        done = refresh(world, id)

        assert method(done) == "merge"
        assert done.ledger == Ledger(read=416, inserted=1, unchanged=415, deleted=5)
        same = "SELECT region, product FROM content.sale EXCEPT ALL SELECT * FROM analytics.everything"
        assert world.sql(same) == []

    def test_values_that_have_no_equality_are_compared_too(self, world: World) -> None:
        query = (
            "SELECT id, jsonb_build_object('a', amount)::json AS document, '(1,2)'::point AS place FROM content.sale"
        )
        id = define(world, "odd", query, DatamartType.TABLE)
        refresh(world, id)
        world.sql("UPDATE content.sale SET amount = NULL WHERE id = 1")

        assert refresh(world, id).ledger == Ledger(read=420, inserted=1, unchanged=419, deleted=1)

    def test_changed_columns_are_built_beside(self, world: World) -> None:
        id = define(world, "everything", "SELECT * FROM content.sale", DatamartType.TABLE)
        refresh(world, id)
        world.sql("ALTER TABLE content.sale ALTER COLUMN region TYPE text")

        assert method(refresh(world, id)) == "swap"
        assert world.sql("SELECT count(*) FROM analytics.everything WHERE region = '3'") == [(60,)]


class TestAView:
    def test_it_is_replaced_and_tells_how_many_rows_it_gives(self, world: World) -> None:
        id = define(world, "totals", TOTALS, DatamartType.VIEW)

        assert method(refresh(world, id)) == "build"
        done = refresh(world, id, concurrent=True)

        assert (method(done), done.total_rows, done.ledger) == ("replace", 21, Ledger())

    def test_changed_columns_reach_views_on_it(self, world: World) -> None:
        id = define(world, "everything", "SELECT * FROM content.sale", DatamartType.VIEW)
        refresh(world, id)
        world.sql("CREATE VIEW public.amounts AS SELECT amount FROM analytics.everything")
        world.sql("ALTER TABLE content.sale ADD COLUMN note text")

        assert "note" in [each.name for each in refresh(world, id).columns]
        world.sql("INSERT INTO content.sale (amount) VALUES (7)")
        assert world.sql("SELECT count(*) FROM public.amounts") == [(421,)]


class TestWhatItReadsIsGone:
    def test_a_refresh_names_the_table_and_the_datamart_tells_of_it(self, world: World) -> None:
        id = define(world, "totals", TOTALS, DatamartType.TABLE)
        refresh(world, id)
        world.sql("DROP TABLE content.sale")

        with pytest.raises(SourceError, match=r"content\.sale"):
            refresh(world, id)

        assert "content.sale" in (mart(world, id).last_error or "")
        assert world.sql("SELECT count(*) FROM analytics.totals") == [(21,)]
        world.sql(SALES)
        refresh(world, id)
        assert mart(world, id).last_error is None

    def test_with_its_view_it_is_built_again(self, world: World) -> None:
        id = define(world, "totals", TOTALS)
        refresh(world, id)
        world.sql("DROP TABLE content.sale CASCADE")
        world.sql(SALES)

        assert method(refresh(world, id)) == "build"


# What Python has no form for, and what of it people are shown.
BEYOND_PYTHON = {
    "date '10000-01-01'": "10000-01-01",
    "date '0044-03-15 BC'": "0044-03-15 BC",
    "timestamp 'infinity'": "infinity",
    "timestamptz '9999-12-31 23:00-05'": "10000-01-01T04:00:00+00:00",
    "ARRAY[date '-infinity']": ["-infinity"],
    "repeat('9', 5000)::numeric": "9" * 5000,
}


@pytest.mark.parametrize("type", list(DatamartType))
def test_rows_that_python_cannot_hold_are_placed_and_shown(world: World, type: DatamartType) -> None:
    columns = [f"{value} AS c{place}" for place, value in enumerate(BEYOND_PYTHON)]
    id = define(world, "days", f"SELECT {', '.join(columns)}", type)

    for _ in range(2):
        [shown] = refresh(world, id).preview
        assert list(shown.values()) == list(BEYOND_PYTHON.values())


def test_a_query_without_end_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataops_defs.flows.build_draft.BUILD_TIME_LIMIT", "200ms")
    id = define(world, "endless", "SELECT count(*) FROM generate_series(1, 1000000000)")

    with pytest.raises(SourceError, match="took longer than 200ms"):
        refresh(world, id)

    assert leftovers(world) == []


def test_lineage_goes_through_stars_joins_unions_and_other_datamarts(world: World) -> None:
    world.sql("CREATE TABLE content.region AS SELECT n AS region, 'R' || n AS title FROM generate_series(0, 6) n")
    query = (
        "WITH named AS (SELECT s.*, title FROM content.sale s JOIN content.region USING (region))"
        " SELECT title, amount AS money FROM named UNION ALL SELECT 'none', amount FROM content.sale"
    )
    first = define(world, "named", query)
    second = define(world, "above", "SELECT *, money * 2 AS twice FROM analytics.named")

    below = refresh(world, first).lineage
    above = refresh(world, second).lineage

    sale, region = ("warehouse", "content", "sale"), ("warehouse", "content", "region")
    named = ("warehouse", "analytics", "named")
    assert below == {"title": [(region, "title")], "money": [(sale, "amount")]}
    assert above == {"title": [(named, "title")], "money": [(named, "money")], "twice": [(named, "money")]}


class TestOneThatTakesOverWhatAnotherQueryMade:
    @pytest.mark.parametrize("concurrent", [True, False])
    def test_holds_its_own_querys_rows(self, world: World, concurrent: bool) -> None:
        first = define(world, "few", "SELECT id FROM content.sale WHERE id < 3")
        refresh(world, first)
        assert method(refresh(world, first, concurrent=True)) == "concurrently"
        with world.platform.catalogue() as session:
            Datamarts(session).remove(Datamarts(session).get(first))
        second = define(world, "few", "SELECT id FROM content.sale WHERE id > 418")

        assert method(refresh(world, second, concurrent=concurrent)) == "swap"
        assert world.sql("SELECT id FROM analytics.few ORDER BY id") == [(419,), (420,)]
        assert method(refresh(world, second, concurrent=True)) == "concurrently"

    def test_is_refused_where_it_cannot_replace_it(self, world: World) -> None:
        first = define(world, "few", "SELECT id FROM content.sale WHERE id < 3")
        refresh(world, first)
        refresh(world, define(world, "above", "SELECT count(*) AS n FROM analytics.few"))
        with world.platform.catalogue() as session:
            Datamarts(session).remove(Datamarts(session).get(first))
        second = define(world, "few", "SELECT id FROM content.sale WHERE id > 418")

        with pytest.raises(Conflict, match="its query changed"):
            refresh(world, second)


class TestColumnsOfTypesThatAreMoreThanTheirBase:
    """Domains, fields of intervals, lengths: a query's description tells none of them."""

    @pytest.fixture(autouse=True)
    def _people(self, world: World) -> None:
        world.sql(
            "CREATE DOMAIN public.email AS text CHECK (value ~ '@');"
            "CREATE TABLE content.person (id int PRIMARY KEY, mail public.email, stay interval day to second,"
            " at timestamptz(3), code varchar(10)[], price numeric(10, 2));"
            "INSERT INTO content.person VALUES (1, 'ann@x', '1 day', now(), '{a}', 1.5)"
        )

    @pytest.mark.parametrize(
        ("type", "concurrent", "wanted"),
        [
            (DatamartType.TABLE, False, "merge"),
            (DatamartType.VIEW, False, "replace"),
            (DatamartType.MATERIALIZED_VIEW, True, "concurrently"),
        ],
    )
    def test_are_not_taken_for_changed(self, world: World, type: DatamartType, concurrent: bool, wanted: str) -> None:
        id = define(world, "people", "SELECT * FROM content.person", type)
        refresh(world, id)

        assert method(refresh(world, id, concurrent=concurrent)) == wanted
        assert leftovers(world) == []

    def test_may_be_its_key(self, world: World) -> None:
        id = define(world, "mails", "SELECT mail FROM content.person", DatamartType.MATERIALIZED_VIEW)
        refresh(world, id)

        assert method(refresh(world, id, concurrent=True)) == "concurrently"

    def test_do_not_hinder_one_that_others_are_built_on(self, world: World) -> None:
        lower = define(world, "people", "SELECT id, mail FROM content.person")
        upper = define(world, "counted", "SELECT count(*) AS n, max(mail) AS last FROM analytics.people")
        for id in (lower, upper):
            refresh(world, id)
        world.sql("INSERT INTO content.person VALUES (2, 'bob@x')")

        assert [method(refresh(world, id)) for id in (lower, upper)] == ["concurrently", "swap"]
        assert world.sql("SELECT * FROM analytics.counted") == [(2, "bob@x")]

    @pytest.mark.parametrize("type", [DatamartType.TABLE, DatamartType.VIEW])
    @pytest.mark.parametrize(
        ("before", "after"),
        [("varchar(10)", "varchar(20)"), ("numeric(10, 2)", "numeric(12, 2)"), ("text", "public.email")],
    )
    def test_are_seen_to_change(self, world: World, type: DatamartType, before: str, after: str) -> None:
        world.sql(f"CREATE TABLE content.thing (it {before})")
        id = define(world, "things", "SELECT it FROM content.thing", type)
        refresh(world, id)
        value = "123456789.25" if "numeric" in after else "longer@than.before"
        world.sql(
            "ALTER TABLE content.thing RENAME TO thing_before;"
            f"CREATE TABLE content.thing (it {after}); GRANT SELECT ON content.thing TO PUBLIC"
        )
        world.sql("INSERT INTO content.thing VALUES (%s)", value)

        assert method(refresh(world, id)) == "swap"
        assert world.sql("SELECT it::text FROM analytics.things") == [(value,)]
