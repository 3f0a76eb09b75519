"""Joins that are suggested for relationships."""

from collections.abc import Sequence

from dataops_defs.adapters.profiles.joins import quoted, suggested_joins
from dataops_defs.domain.relationship import Cardinality, DetectionMethod, Relationship, RelationshipType


def refers(table: str, columns: Sequence[str] | str, parent: str, others: Sequence[str] | str) -> Relationship:
    return Relationship(
        table,
        [columns] if isinstance(columns, str) else columns,
        parent,
        [others] if isinstance(others, str) else others,
        0.9,
        DetectionMethod.STATISTICAL,
        RelationshipType.MANY_TO_ONE,
        Cardinality(1, 1, 1),
    )


ITEMS_ORDERS = refers("order_items", "order_id", "orders", "order_id")
ITEMS_PRODUCTS = refers("order_items", "product_id", "products", "product_id")
ORDERS_CUSTOMERS = refers("orders", "customer_id", "customers", "customer_id")


class TestTheOrder:
    def test_begins_with_the_first_table_and_goes_on_from_those_that_are_joined(self) -> None:
        found = [ITEMS_PRODUCTS, ITEMS_ORDERS, ORDERS_CUSTOMERS]

        assert suggested_joins(["customers", "orders", "products", "order_items"], "public", found) == [
            "customers JOIN orders ON customers.customer_id = orders.customer_id",
            "orders JOIN order_items ON orders.order_id = order_items.order_id",
            "order_items JOIN products ON order_items.product_id = products.product_id",
        ]

    def test_begins_anew_where_nothing_connects(self) -> None:
        apart = refers("b", "a_id", "a", "id")

        assert suggested_joins(["customers", "a", "b", "orders"], "public", [apart, ORDERS_CUSTOMERS]) == [
            "customers JOIN orders ON customers.customer_id = orders.customer_id",
            "a JOIN b ON a.id = b.a_id",
        ]


class TestATableThatIsJoinedTwice:
    def test_goes_by_another_name(self) -> None:
        found = [refers("flights", "origin", "airports", "faa"), refers("flights", "dest", "airports", "faa")]

        assert suggested_joins(["flights", "airports"], "public", found) == [
            "flights JOIN airports ON flights.origin = airports.faa",
            "flights JOIN airports AS airports_dest ON flights.dest = airports_dest.faa",
        ]

    def test_comes_after_tables_that_are_not_joined_yet(self) -> None:
        airports = [refers("flights", name, "airports", "faa") for name in ("origin", "dest")]

        joins = suggested_joins(["flights"], "public", [*airports, refers("flights", "plane", "planes", "id")])

        assert [join.split()[2] for join in joins] == ["airports", "planes", "airports"]

    def test_may_be_joined_with_itself(self) -> None:
        assert suggested_joins(["staff"], "public", [refers("staff", "boss", "staff", "id")]) == [
            "staff JOIN staff AS staff_boss ON staff.boss = staff_boss.id"
        ]

    def test_never_goes_by_the_name_of_another_table(self) -> None:
        found = [refers("staff", "boss", "staff", "id")]

        [join] = suggested_joins(["staff", "staff_boss"], "public", found)

        assert "AS staff_boss_2 " in join


class TestNames:
    def test_are_quoted_where_they_need_it_only(self) -> None:
        names = ("orders", "Orders", "order", "user", "a b", 'a"b', "straße", "1st", "a$1", "_x", "год")

        assert [quoted(name) for name in names] == [
            "orders", '"Orders"', '"order"', '"user"', '"a b"', '"a""b"', '"straße"', '"1st"', "a$1", "_x", '"год"',
        ]  # fmt: skip

    def test_of_another_schema_carry_it(self) -> None:
        assert suggested_joins(["customers"], "analytics", [ORDERS_CUSTOMERS]) == [
            "analytics.customers JOIN analytics.orders ON customers.customer_id = orders.customer_id"
        ]

    def test_of_several_columns_are_compared_one_by_one(self) -> None:
        found = [refers("trips", ["station", "hour"], "weather", ["station", "hour"])]

        assert suggested_joins(["trips"], "public", found) == [
            "trips JOIN weather ON trips.station = weather.station AND trips.hour = weather.hour"
        ]
