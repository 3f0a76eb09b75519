"""Deletions at the source, found by comparing its keys with those of the copy."""

from tests.flows.extraction_scenes import Orders, counts


class TestRowsThatAreGone:
    def test_go_where_the_sources_keys_are_read(self, orders: Orders) -> None:
        orders.dataset(deletions="keys")
        orders.extract()
        orders.sql("DELETE FROM orders WHERE id = 2")
        orders.put((4, "d", 4))

        outcome = orders.extract()

        assert counts(outcome) == (2, 1, 0, 1, 1, 0)
        assert orders.same()
        [check] = [each for each in outcome.checks if each.name == "keys_match_source"]
        assert (check.passed, check.counts) == (True, {"deleted": 1, "missing": 0})

    def test_stay_otherwise(self, orders: Orders) -> None:
        orders.dataset()
        orders.extract()
        orders.sql("DELETE FROM orders WHERE id = 2")
        assert orders.extract().ledger.deleted == 0
        assert orders.extract(full=True).ledger.deleted == 1
        assert orders.same()

    def test_are_not_all_rows_of_a_source_that_suddenly_has_none(self, orders: Orders) -> None:
        orders.dataset(deletions="keys")
        orders.extract()
        orders.sql("TRUNCATE orders")

        outcome = orders.extract()

        assert (outcome.ledger.deleted, outcome.total_rows) == (0, 3)
        [check] = [each for each in outcome.checks if each.name == "keys_match_source"]
        assert not check.passed
        assert "allowEmpty" in check.description

    def test_may_be_all_where_that_is_said(self, orders: Orders) -> None:
        orders.dataset(deletions="keys", allowEmpty=True)
        orders.extract()
        orders.sql("TRUNCATE orders")
        assert counts(orders.extract()) == (0, 0, 0, 0, 3, 0)
        assert orders.rows() == []

        orders.put((7, "again", 7))
        assert counts(orders.extract()) == (1, 1, 0, 0, 0, 0)
        assert orders.same()

    def test_shows_too_what_came_later_than_the_lag_allows(self, orders: Orders) -> None:
        orders.dataset(deletions="keys")
        orders.extract()
        orders.put((4, "too late", 1))

        [_, check] = orders.extract().checks
        assert (check.passed, check.counts["missing"]) == (False, 1)
        assert counts(orders.extract(full=True)) == (4, 1, 0, 3, 0, 0)
        assert orders.same()

    def test_keys_of_decimals_are_equal_whatever_their_digits(self, orders: Orders) -> None:
        orders.sql("ALTER TABLE orders ALTER id TYPE numeric")
        orders.sql("INSERT INTO orders VALUES (10.125, 'x', '2025-01-01Z'), (100, 'y', '2025-01-01Z')")
        orders.dataset(deletions="keys")
        orders.extract()
        orders.sql("DELETE FROM orders WHERE id IN (10.125, 2)")
        assert counts(orders.extract()) == (1, 0, 0, 1, 2, 0)
        assert orders.same()


class TestSeveralRowsOfAKey:
    """What the source's keys tell; without them a second row of a key counts as the newer version of the first."""

    def test_the_one_that_came_later_is_rejected_and_the_first_stays(self, orders: Orders) -> None:
        orders.dataset(deletions="keys", lagSeconds=0)
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (1, 'twin', '2025-01-09Z')")

        outcome = orders.extract()

        assert (outcome.ledger.updated, outcome.ledger.rejected) == (0, 1)
        [(_, column, reason, raw)] = orders.rejects()
        assert (column, reason) == ("id", "another row of the source has the same key")
        assert raw["name"] == "twin"
        assert [row[1] for row in orders.rows() if row[0] == 1] == ["a"]

        orders.sql("DELETE FROM orders WHERE name = 'twin'")
        orders.extract()
        assert orders.same()

    def test_a_row_that_is_read_again_as_it_was_is_none(self, orders: Orders) -> None:
        orders.dataset(deletions="keys", lagSeconds=10 * 86_400)
        orders.extract()
        orders.sql("INSERT INTO orders VALUES (3, 'older twin', '2024-12-31Z')")

        outcome = orders.extract()

        assert (outcome.ledger.updated, outcome.ledger.unchanged, outcome.ledger.rejected) == (0, 3, 1)
