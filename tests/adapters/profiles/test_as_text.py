"""Keys that are kept as text in one table and as what they are in the other."""

import pytest

from dataops_defs.adapters.profiles import profiler
from dataops_defs.adapters.profiles.joins import suggested_joins
from tests.adapters.profiles.conftest import Detect
from tests.scenes import World

CUSTOMERS = """
CREATE TABLE customers (customer_id {type} PRIMARY KEY);
INSERT INTO customers SELECT 1000 + n FROM generate_series(1, 300) n;
"""
ORDERS = """
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id {type});
INSERT INTO orders SELECT n, {value} FROM generate_series(1, 2000) n;
"""
PAIR = "orders.customer_id -> customers.customer_id"
SAME = "1001 + n %% 300"


def shop(world: World, child: str, parent: str, value: str = SAME) -> None:
    world.sql(CUSTOMERS.format(type=parent))
    world.sql(ORDERS.format(type=child, value=value))


class TestNumbersAsText:
    @pytest.mark.parametrize(
        ("child", "parent"), [("text", "int"), ("varchar(9)", "bigint"), ("char(9)", "int"), ("bigint", "text")]
    )
    def test_refer_and_the_join_runs(self, world: World, found: Detect, child: str, parent: str) -> None:
        shop(world, child, parent)

        pair = found("customers", "orders")[PAIR]

        assert pair.confidence >= 0.8
        assert any(each.startswith("against it: orders.customer_id holds") for each in pair.evidence)
        [join] = suggested_joins(["orders"], "public", [pair])
        assert join == "orders JOIN customers ON orders.customer_id::text = customers.customer_id::text"
        assert world.sql(f"SELECT count(*) FROM {join}") == [(2000,)]

    def test_are_a_little_less_sure(self, world: World, found: Detect) -> None:
        shop(world, "text", "int", f"CASE WHEN n %% 2 = 0 THEN 9000 + n ELSE {SAME} END")
        mixed = found("customers", "orders")[PAIR].confidence
        world.sql("ALTER TABLE orders ALTER customer_id TYPE int USING customer_id::int")

        assert mixed < found("customers", "orders")[PAIR].confidence

    @pytest.mark.parametrize(
        "value", ["'C' || n", f"lpad(({SAME})::text, 9, '0')", f"CASE n WHEN 999 THEN 'none' ELSE ({SAME})::text END"]
    )
    def test_are_none_where_a_value_reads_otherwise(self, world: World, found: Detect, value: str) -> None:
        shop(world, "text", "int", value)

        assert PAIR not in found("customers", "orders")

    def test_of_a_large_table_refer_too(self, world: World, found: Detect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(profiler, "EVERY_VALUE_UP_TO", 5000)
        monkeypatch.setattr(profiler, "SIZE", 500)
        world.sql("CREATE TABLE customers AS SELECT 1000 + n AS customer_id FROM generate_series(1, 20000) n")
        world.sql("CREATE TABLE orders AS SELECT n AS order_id, (1001 + n * 31 %% 20000)::text AS customer_id"
                  " FROM generate_series(1, 30000) n")  # fmt: skip

        pair = found("customers", "orders")[PAIR]

        assert (pair.sampled, pair.as_text, pair.confidence >= 0.8) == (True, True, True)

    def test_that_merely_overlap_are_no_keys(self, world: World, found: Detect) -> None:
        world.sql("CREATE TABLE sizes (size_id int PRIMARY KEY); INSERT INTO sizes SELECT generate_series(1, 300)")
        world.sql("CREATE TABLE shoes (shoe_id int PRIMARY KEY, stars text, floor text)")
        world.sql("INSERT INTO shoes SELECT 1000 + n, n %% 5 + 1, n %% 40 FROM generate_series(1, 900) n")

        assert [pair for pair, each in found("sizes", "shoes").items() if each.confidence >= 0.5] == []


def test_uuids_as_text_refer_and_the_join_runs(world: World, found: Detect) -> None:
    world.sql("CREATE TABLE devices (device_id uuid PRIMARY KEY)")
    world.sql("INSERT INTO devices SELECT md5(n::text)::uuid FROM generate_series(1, 100) n")
    world.sql("CREATE TABLE readings (reading_id int, device_id text)")
    world.sql("INSERT INTO readings SELECT n, md5((n %% 100 + 1)::text)::uuid FROM generate_series(1, 400) n")

    pair = found("devices", "readings")["readings.device_id -> devices.device_id"]

    assert pair.confidence >= 0.8
    [join] = suggested_joins(["devices"], "public", [pair])
    assert world.sql(f"SELECT count(*) FROM {join}") == [(400,)]
