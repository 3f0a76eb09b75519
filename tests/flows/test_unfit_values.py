"""Values of PostgreSQL that have no exact form in a raw copy: their rows are kept as rejects, the rest flows on."""

import pytest

from dataops_defs.errors import SourceError
from tests.flows.etl_scenes import pipeline, ran, same
from tests.flows.extraction_scenes import TABLE, Orders, counts
from tests.scenes import World

ENDLESS = "INSERT INTO orders VALUES (%s, 'endless', 'infinity')"
WIDE = """SELECT n AS id, CASE n WHEN 2 THEN 'infinity' WHEN 3 THEN '0044-03-15 BC' ELSE date '2020-01-01' END AS day,
    CASE n WHEN 2 THEN 'infinity' WHEN 3 THEN '12345-01-01' ELSE timestamptz '2020-01-01+00' END AS moment,
    CASE n WHEN 2 THEN '24:00' ELSE time '10:00' END AS clock,
    CASE n WHEN 2 THEN 'NaN' ELSE n * 1.5 END::numeric(10, 2) AS price,
    ARRAY[n * 1.5, 'NaN']::numeric(10, 2)[] AS prices FROM generate_series(1, 25) AS n"""


@pytest.fixture
def orders(world: World, operations_url: str) -> Orders:
    made = Orders(world, operations_url)
    made.sql(TABLE)
    return made


class TestAnExtraction:
    def test_keeps_the_row_as_a_reject_and_takes_the_others(self, orders: Orders) -> None:
        orders.put((1, "a", 1), (3, "c", None))
        orders.sql(ENDLESS, 2)
        orders.define(query="SELECT * FROM orders ORDER BY id")

        outcome = orders.extract()

        assert counts(outcome) == (3, 2, 0, 0, 0, 1)
        assert [row[0] for row in orders.rows()] == [1, 3]
        [(number, column, reason, raw)] = orders.rejects()
        assert (number, column, raw["name"], raw["changed"]) == (2, "changed", "endless", "infinity")
        assert "cast it to text" in reason

    def test_that_has_no_other_rows_fails_with_the_reason(self, orders: Orders) -> None:
        orders.sql(ENDLESS, 2)
        orders.define()

        with pytest.raises(SourceError, match=r"No row of 'Orders' could be read.*'changed'.*cast it to text"):
            orders.extract()

        assert len(orders.rejects()) == 1

    def test_of_what_is_new_goes_on_with_the_others(self, orders: Orders) -> None:
        orders.put((1, "a", 1))
        orders.sql(ENDLESS, 2)
        orders.dataset(deletions="keys")
        assert counts(orders.extract()) == (2, 1, 0, 0, 0, 1)
        orders.put((3, "c", 3))

        assert counts(orders.extract()) == (3, 1, 0, 1, 0, 1)
        assert [row[0] for row in orders.rows()] == [1, 3]
        assert [raw["id"] for *_, raw in orders.rejects()] == [2]


@pytest.mark.parametrize("mode", ["full", "incremental"])
class TestAPipeline:
    def test_brings_them_over_as_they_are(self, films: World, mode: str) -> None:
        id = pipeline(films, mode, query=WIDE, cursor_column="id", key_columns=["id"])

        ledger = ran(films, id).ledger

        assert (ledger.read, ledger.inserted, ledger.rejected) == (25, 25, 0)
        columns = "id, day::text, moment::text, clock::text, price::text, prices::text"
        shown = f"SELECT {columns} FROM"
        assert same(films, f"{shown} ({WIDE}) AS w", f"{shown} analytics.film_dim")

    def test_can_go_by_a_number_that_is_none(self, films: World, mode: str) -> None:
        films.sql("ALTER TABLE content.film_work ALTER rating TYPE numeric(10, 2)")
        films.sql("UPDATE content.film_work SET rating = CASE id WHEN 3 THEN 'NaN'::numeric ELSE id END")
        query = "SELECT id AS film_id, title, rating FROM content.film_work"
        id = pipeline(films, mode, query=query, cursor_column="rating", key_columns=["film_id"])
        ran(films, id)
        films.sql("INSERT INTO content.film_work VALUES (99, 'later', 26)")

        assert ran(films, id).ledger.inserted == 1
        rated = "title, rating::text FROM"
        assert same(films, f"SELECT {rated} content.film_work", f"SELECT {rated} analytics.film_dim")
