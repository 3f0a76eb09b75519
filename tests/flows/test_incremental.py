"""Incremental extractions: the copy equals the source's table, whatever has happened to it since."""

from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.catalogue.sources import Sources
from dataops_defs.errors import Invalid
from dataops_defs.flows.extract_dataset import extract_dataset
from tests.flows.extraction_scenes import BY_TIME, QUERY, Orders, counts


class TestWhatIsNew:
    def test_is_asked_for_and_joins_what_was_there(self, orders: Orders) -> None:
        orders.dataset(lagSeconds=0)
        assert counts(orders.extract()) == (3, 3, 0, 0, 0, 0)
        orders.put((2, "B", 5), (4, "d", 4))

        outcome = orders.extract()

        assert counts(outcome) == (3, 1, 1, 1, 0, 0)
        assert (outcome.total_rows, orders.row.row_count) == (4, 4)
        assert outcome.details["incremental"] is True
        assert outcome.details["mark"] == orders.row.mark == "2025-01-05T00:00:00Z"
        assert orders.same()

    def test_that_comes_late_is_found_within_the_lag(self, orders: Orders) -> None:
        orders.dataset(lagSeconds=2 * 86_400)
        orders.extract()
        orders.put((4, "late", 1), (5, "too late", 0))

        assert counts(orders.extract()) == (4, 1, 0, 3, 0, 0)
        assert [row[0] for row in orders.rows("id")] == [1, 2, 3, 4]

    def test_and_has_the_last_ones_cursor_is_found(self, orders: Orders) -> None:
        orders.dataset(lagSeconds=0)
        orders.extract()
        orders.put((4, "a tie", 3))

        assert counts(orders.extract()) == (2, 1, 0, 1, 0, 0)
        assert orders.same()

    def test_and_has_no_cursor_is_found_every_time(self, orders: Orders) -> None:
        orders.put((4, "when?", None))
        orders.dataset(lagSeconds=0)
        orders.extract()
        orders.put((4, "WHEN?", None), (5, "who knows", None))

        assert counts(orders.extract()) == (3, 1, 1, 1, 0, 0)
        assert orders.same()

    def test_is_nothing_and_the_copy_stays(self, orders: Orders) -> None:
        orders.dataset(lagSeconds=0)
        before = orders.extract()
        outcome = orders.extract()

        assert counts(outcome) == (1, 0, 0, 1, 0, 0)
        assert (outcome.uri, outcome.total_rows, outcome.bytes) == (before.uri, 3, 0)
        assert orders.row.last_extracted_at == outcome.taken_at
        assert orders.same()

    def test_is_told_apart_by_several_keys(self, orders: Orders) -> None:
        orders.dataset(keyColumns=["id", "name"])
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (3, 'another', '2025-01-04Z'), (3, 'c', '2025-01-05Z')")

        assert counts(orders.extract()) == (3, 1, 1, 0, 0, 1)
        assert orders.rows("id", "name") == [(1, "a"), (2, "b"), (3, "another"), (3, "c")]


class TestARowFromTheFuture:
    @pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
    def test_hides_none_that_come_later(self, orders: Orders, kind: str) -> None:
        orders.sql(f"ALTER TABLE orders ALTER changed TYPE {kind}")
        orders.sql("UPDATE orders SET changed = '9999-12-31' WHERE id = 3")
        orders.dataset(lagSeconds=0)
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (4, 'now', now())")

        assert orders.extract().ledger.inserted == 1
        assert orders.same()

    def test_in_the_servers_own_time_hides_none_either(self, orders: Orders) -> None:
        orders.sql("ALTER TABLE orders ALTER changed TYPE timestamp")
        orders.sql("ALTER ROLE CURRENT_USER SET TimeZone = 'America/Anchorage'")
        orders.sql("UPDATE orders SET changed = localtimestamp + interval '1 hour' WHERE id = 3")
        orders.dataset(lagSeconds=0)
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (4, 'now', localtimestamp)")

        assert orders.extract().ledger.inserted == 1


class TestACursorThatIsANumber:
    @pytest.mark.parametrize("value", ["NaN", "Infinity"])
    @pytest.mark.parametrize("kind", ["numeric", "double precision", "real"])
    def test_and_a_value_that_is_none_hides_none_that_come_later(self, orders: Orders, kind: str, value: str) -> None:
        orders.sql(f"ALTER TABLE orders ADD version {kind}")
        orders.sql(f"UPDATE orders SET version = CASE id WHEN 3 THEN '{value}' ELSE id::{kind} END")
        orders.dataset(cursorColumn="version")
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (4, 'later', NULL, 2.5)")

        outcome = orders.extract()

        assert (outcome.ledger.inserted, outcome.details["mark"]) == (1, "2.5")
        assert sorted(orders.copy()["id"].to_pylist()) == [1, 2, 3, 4]

    def test_has_a_lag_in_its_units(self, orders: Orders) -> None:
        orders.sql("ALTER TABLE orders ADD version bigint")
        orders.sql("UPDATE orders SET version = 9007199254740990 + id")
        orders.dataset(cursorColumn="version", lag=2)
        assert orders.extract().details["mark"] == "9007199254740993"
        orders.sql("INSERT INTO orders SELECT 10 + n, 'late', NULL, 9007199254740985 + n FROM generate_series(1, 9) n")

        assert counts(orders.extract()) == (7, 4, 0, 3, 0, 0)
        seen = {row[0] for row in orders.sql("SELECT id FROM orders WHERE version >= 9007199254740991")}
        assert seen <= set(orders.copy()["id"].to_pylist())

    @pytest.mark.parametrize("kind", ["numeric(38,0)", "numeric(50,0)", "numeric"])
    def test_may_have_more_digits_than_a_context_of_decimals(self, orders: Orders, kind: str) -> None:
        long = 20251121194419999999999999999999
        orders.sql(f"ALTER TABLE orders ADD version {kind}")
        orders.sql("UPDATE orders SET version = %s + id - 3", long)
        orders.dataset(cursorColumn="version")
        assert orders.extract().details["mark"] == str(long)
        orders.sql("INSERT INTO orders VALUES (4, 'next', NULL, %s), (5, 'a tie', NULL, %s)", long + 1, long)

        assert counts(orders.extract()) == (3, 2, 0, 1, 0, 0)
        assert orders.rows("id") == [(1,), (2,), (3,), (4,), (5,)]

    @pytest.mark.parametrize(
        ("kind", "newest"),
        [("bigint", 2**53 + 1), ("numeric(38,0)", 10**37 + 1), ("numeric(50,0)", 10**49 + 1), ("numeric", 10**49 + 1)],
    )
    def test_tells_neighbours_apart_that_no_float_does(self, orders: Orders, kind: str, newest: int) -> None:
        orders.sql(f"ALTER TABLE orders ADD version {kind}")
        orders.sql("INSERT INTO orders VALUES (4, 'new', NULL, %s), (4, 'old', NULL, %s)", newest, newest - 1)
        orders.dataset(cursorColumn="version")

        assert orders.extract().ledger.rejected == 1
        assert orders.rows("id", "name")[3] == (4, "new")

    def test_may_need_more_digits_from_time_to_time(self, orders: Orders) -> None:
        orders.sql("ALTER TABLE orders ADD price numeric")
        orders.sql("UPDATE orders SET price = id + 0.5")
        orders.dataset(lagSeconds=0)
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (4, 'd', '2025-01-04Z', 1234.125), (5, 'e', '2025-01-05Z', 7)")

        outcome = orders.extract()

        assert outcome.details["drift"]["retyped"] == []
        assert orders.copy().schema.field("price").type == pa.decimal128(7, 3)
        assert orders.same()


class TestRowsThatCannotBeToldApart:
    def test_are_rejected_with_their_reason_and_the_latest_counts(self, orders: Orders) -> None:
        orders.sql("INSERT INTO orders VALUES (NULL, 'nobody', '2025-01-02Z'), (1, 'newer', '2025-01-03Z')")
        orders.dataset(lagSeconds=86_400)

        assert counts(orders.extract()) == (5, 3, 0, 0, 0, 2)
        assert orders.rows("id", "name") == [(1, "newer"), (2, "b"), (3, "c")]
        reasons = {(column, reason) for _, column, reason, _ in orders.rejects()}
        assert reasons == {
            ("id", "the key 'id' is empty"),
            ("id", "another row of the source has the same key"),
        }
        assert {raw["name"] for *_, raw in orders.rejects()} == {"nobody", "a"}

    def test_are_open_once_however_often_they_are_read(self, orders: Orders) -> None:
        orders.sql("INSERT INTO orders VALUES (NULL, 'nobody', '2025-01-03Z')")
        orders.dataset(lagSeconds=0)
        for _ in range(2):
            orders.extract()
        last = orders.work()
        extract_dataset(last, orders.id)
        assert len(orders.rejects("superseded")) == 2
        query = "SELECT run_id::text FROM dataops.reject WHERE subject_id = %s AND state = 'open'"
        assert orders.world.sql(query, orders.id) == [(last.run_id,)]

        orders.put((4, "d", 9))
        orders.extract()  # does not read it any more
        orders.extract()
        assert len(orders.rejects()) == 1

        orders.sql("DELETE FROM orders WHERE id IS NULL")
        orders.extract(full=True)
        assert orders.rejects() == []


class TestAllRowsAreRead:
    def test_when_that_is_asked_for_and_compared_with_what_was_there(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        orders.sql("UPDATE orders SET name = 'silently' WHERE id = 1")
        orders.sql("DELETE FROM orders WHERE id = 2")
        orders.put((4, "d", 4))

        assert counts(orders.extract(full=True)) == (3, 1, 1, 1, 1, 0)
        assert "a full extraction was asked for" in str(orders.said)
        assert orders.same()

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"query": "SELECT id, name, changed FROM orders WHERE id > 1"}, "query, the cursor or the source"),
            ({"incremental": {**BY_TIME, "cursorColumn": "id"}}, "query, the cursor or the source"),
            ({"incremental": {**BY_TIME, "keyColumns": ["name"]}}, "key columns have changed"),
        ],
    )
    def test_when_the_definition_has_changed(self, orders: Orders, change: dict[str, Any], reason: str) -> None:
        id = orders.dataset()
        orders.extract()
        orders.put((2, "b too", 2))
        orders.change(extraction={"type": "sql", "query": QUERY, "incremental": dict(BY_TIME)} | change)

        outcome = orders.extract()

        assert outcome.details["incremental"] is False
        assert reason in str(orders.said)
        assert orders.same(change.get("query", QUERY))
        assert orders.id == id

    def test_when_the_source_has_moved(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        with orders.world.platform.catalogue() as session:
            sources = Sources(session, orders.world.platform.keyring)
            row = sources.get(orders.source)
            row.connection = {**row.connection, "sslmode": "allow"}

        assert orders.extract().details["incremental"] is False

    def test_when_a_lag_or_the_way_of_deletions_has_changed_it_is_not(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        how = {**BY_TIME, "lagSeconds": 86_400, "deletions": "keys"}
        orders.change(extraction={"type": "sql", "query": QUERY, "incremental": how})

        assert counts(orders.extract()) == (2, 0, 0, 2, 0, 0)

    def test_when_the_copy_is_gone_or_was_made_otherwise(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        orders.world.platform.raw_store.delete(orders.row.raw_uri or "")
        assert counts(orders.extract()) == (3, 3, 0, 0, 0, 0)
        orders.change(extraction={"type": "sql", "query": QUERY})
        orders.extract()
        orders.change(extraction={"type": "sql", "query": QUERY, "incremental": dict(BY_TIME)})
        assert counts(orders.extract()) == (3, 3, 0, 0, 0, 0)
        assert "not made incrementally" in str(orders.said)

    def test_when_no_row_had_a_cursor(self, orders: Orders) -> None:
        orders.sql("UPDATE orders SET changed = NULL")
        orders.dataset()
        orders.extract()
        assert orders.row.mark is None
        orders.put((4, "d", 4))
        assert counts(orders.extract()) == (4, 1, 0, 3, 0, 0)
        assert counts(orders.extract()) == (4, 0, 0, 4, 0, 0)


class TestColumnsOfWhatIsNew:
    def test_that_are_added_are_read_of_all_rows(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        orders.sql("ALTER TABLE orders ADD note text DEFAULT 'none'")
        orders.put((4, "d", 4))

        outcome = orders.extract()

        assert "All rows are read again: column 'note' is new (string)" in str(orders.said)
        assert (outcome.details["incremental"], counts(outcome)) == (False, (4, 1, 3, 0, 0, 0))
        assert outcome.details["drift"]["added"] == [{"name": "note", "type": "string"}]
        assert orders.same()
        assert counts(orders.extract()) == (1, 0, 0, 1, 0, 0)

    def test_that_are_gone_are_gone_in_all(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        orders.sql("ALTER TABLE orders DROP name")

        assert orders.extract().details["drift"]["removed"] == [{"name": "name", "type": "string"}]
        assert orders.same()

    def test_that_have_another_type_are_all_read_again(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        orders.sql("ALTER TABLE orders ALTER id TYPE bigint")

        outcome = orders.extract()

        assert "column 'id' is now int64, was int32" in str(orders.said)
        assert (outcome.details["incremental"], outcome.ledger.read) == (False, 3)
        assert outcome.details["drift"]["retyped"] == [{"name": "id", "before": "int32", "now": "int64"}]
        assert orders.same()


class TestACursorOfAnotherType:
    @pytest.mark.parametrize(
        ("before", "now", "made"),
        [
            ("timestamptz", "bigint", "extract(epoch FROM {})"),
            ("date", "bigint", "{} - date '1970-01-01'"),
            ("bigint", "timestamptz", "to_timestamp({})"),
            ("numeric", "date", "date '1970-01-01' + {}::int"),
            ("date", "timestamptz", "{}::timestamptz"),
        ],
    )
    def test_is_noticed_before_the_mark_is_used(self, orders: Orders, before: str, now: str, made: str) -> None:
        first = "changed" if "t" in before[:4] else "date_part('day', changed)"
        orders.sql(f"ALTER TABLE orders ALTER changed TYPE {before} USING {first}::{before}")
        orders.dataset()
        orders.extract()
        orders.sql(f"ALTER TABLE orders ALTER changed TYPE {now} USING {made.format('changed')}")
        orders.sql("DELETE FROM orders WHERE id = 1")

        outcome = orders.extract()

        assert "All rows are read again: the cursor 'changed' is now of kind" in str(orders.said)
        assert (outcome.details["incremental"], outcome.total_rows) == (False, 2)
        assert [each["name"] for each in outcome.details["drift"]["retyped"]] == ["changed"]
        assert orders.same()
        assert orders.extract().details["incremental"] is True


class TestWhatCannotBeDone:
    @pytest.mark.parametrize(
        ("how", "told"),
        [
            ({"cursorColumn": "when"}, "does not give 'when'"),
            ({"cursorColumn": "name"}, "'name' is neither a number nor a date or time"),
            ({"keyColumns": ["nokey"]}, "does not give 'nokey'"),
            ({"lag": 5}, "'changed' is a date or time: give 'lagSeconds'"),
            ({"lagSeconds": 5, "cursorColumn": "id"}, "'id' is a number: give 'lag'"),
        ],
    )
    def test_is_told_with_its_field(self, orders: Orders, how: dict[str, Any], told: str) -> None:
        orders.dataset(**how)
        with pytest.raises(Invalid, match=told) as refusal:
            orders.extract()
        assert refusal.value.fields[0].field == f"extraction.incremental.{next(iter(how))}"

    def test_names_are_quoted_and_marks_are_typed(self, orders: Orders) -> None:
        odd = 'chan"ged; DROP TABLE orders --'
        orders.sql('ALTER TABLE orders RENAME changed TO "%s"' % odd.replace('"', '""'))  # noqa: UP031
        orders.dataset(cursorColumn=odd)
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (4, 'd', '2025-01-04Z')")
        assert counts(orders.extract()) == (2, 1, 0, 1, 0, 0)
        assert orders.same()
