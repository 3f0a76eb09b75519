"""Relationships over HTTP. Source: document 000, "Relationship Detection"."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from fastapi.testclient import TestClient

from api_shim.schemas.relationships import ASKED
from dataops_defs.adapters.profiles import profiler
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.settings import Settings
from tests.api_shim.in_process import InProcessLauncher

PATH = "/api/v1/mvp/relationships/detect"
SHOP = """
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, region text);
CREATE TABLE products (product_id int PRIMARY KEY, product_name text, price numeric(10, 2));
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int REFERENCES customers, amount numeric(10, 2));
CREATE TABLE order_items (order_item_id int PRIMARY KEY, order_id int CONSTRAINT of_order REFERENCES orders,
    product_id int, quantity int);
INSERT INTO customers SELECT n, 'Customer ' || n, 'north' FROM generate_series(1, 200) n;
INSERT INTO products SELECT n, 'Product ' || n, n + 0.5 FROM generate_series(1, 60) n;
INSERT INTO orders SELECT n, 1 + n * 7919 % 200, n / 4.0 FROM generate_series(1, 800) n;
INSERT INTO order_items SELECT n, 1 + n * 31 % 800, 1 + n * 17 % 60, 1 + n % 5 FROM generate_series(1, 2000) n;
"""
Execute = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def warehouse(shim_settings: Settings) -> Execute:
    def execute(statements: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(libpq_url(shim_settings.url("warehouse")))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statements)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    return execute


def detect(client: TestClient, *tables: str, **more: Any) -> Any:
    reply = client.post(PATH, json={"tables": tables, "use_ai": False, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def pairs(answer: Any) -> dict[str, Any]:
    return {
        f"{each['from_table']}.{each['from_column']} -> {each['to_table']}.{each['to_column']}": each
        for each in answer["relationships"]
    }


class TestTheShopOfTheDocument:
    def test_answers_as_printed(self, client: TestClient, warehouse: Execute) -> None:
        warehouse(SHOP)

        reply = client.post(PATH, json=ASKED)

        assert reply.status_code == 200, reply.text
        found = pairs(reply.json())
        assert {pair: each["detection_method"] for pair, each in found.items()} == {
            "orders.customer_id -> customers.customer_id": "foreign_key_constraint",
            "order_items.order_id -> orders.order_id": "foreign_key_constraint",
            "order_items.product_id -> products.product_id": "ai_inference",
        }
        assert {each["relationship_type"] for each in found.values()} == {"many_to_one"}
        assert reply.json()["total_relationships"] == 3
        assert reply.json()["suggested_joins"] == [
            "customers JOIN orders ON customers.customer_id = orders.customer_id",
            "orders JOIN order_items ON orders.order_id = order_items.order_id",
            "order_items JOIN products ON order_items.product_id = products.product_id",
        ]

    def test_says_why(self, client: TestClient, warehouse: Execute) -> None:
        warehouse(SHOP)

        found = pairs(detect(client, "orders", "order_items", "products"))

        declared = found["order_items.order_id -> orders.order_id"]
        assert (declared["confidence"], declared["evidence"]) == (
            1.0,
            ["the database enforces it: foreign key of_order"],
        )
        inferred = found["order_items.product_id -> products.product_id"]
        assert inferred["detection_method"] == "statistical_inference"
        assert 0.9 < inferred["confidence"] < 1
        assert "product_id names the table products" in inferred["evidence"]
        assert "all 60 different values of order_items.product_id are in products.product_id" in inferred["evidence"]
        assert inferred["cardinality"] == {"from_rows": 2000, "from_values": 60, "to_values": 60}
        assert inferred["sampled"] is False

    def test_leaves_out_what_is_not_sure_enough(self, client: TestClient, warehouse: Execute) -> None:
        warehouse(SHOP.replace("1 + n * 17 % 60", "1 + n * 17 % 120"))
        tables = ("products", "order_items", "orders")
        pair = "order_items.product_id -> products.product_id"

        every = pairs(detect(client, *tables, confidence_threshold=0))
        sure = every[pair]["confidence"]

        assert sure < 0.99
        assert pair in pairs(detect(client, *tables, confidence_threshold=sure))
        assert pair not in pairs(detect(client, *tables, confidence_threshold=sure + 0.01))
        assert list(pairs(detect(client, *tables, confidence_threshold=1))) == [
            "order_items.order_id -> orders.order_id"
        ]

    def test_infers_nothing_by_embeddings_without_use_ai(self, client: TestClient, warehouse: Execute) -> None:
        warehouse(SHOP)

        found = pairs(detect(client, "orders", "order_items", "products", confidence_threshold=0))

        assert {each["detection_method"] for each in found.values()} == {
            "foreign_key_constraint",
            "statistical_inference",
        }


class TestOtherShapes:
    def test_a_composite_key_is_named_whole(self, client: TestClient, warehouse: Execute) -> None:
        warehouse("""
            CREATE TABLE weather (station text, hour int, wind int, PRIMARY KEY (station, hour));
            CREATE TABLE trips (trip_id int PRIMARY KEY, station text, hour int,
                CONSTRAINT of_weather FOREIGN KEY (station, hour) REFERENCES weather);
            INSERT INTO weather SELECT 'S' || n % 4, n / 4, n % 9 FROM generate_series(0, 399) n;
            INSERT INTO trips SELECT n, 'S' || n % 4, n * 7 % 100 FROM generate_series(1, 900) n;
            CREATE TABLE undeclared AS TABLE trips;
        """)

        found = pairs(detect(client, "weather", "trips", "undeclared"))

        declared = found["trips.station, hour -> weather.station, hour"]
        assert (declared["from_columns"], declared["to_columns"]) == (["station", "hour"], ["station", "hour"])
        assert (declared["confidence"], declared["detection_method"]) == (1.0, "foreign_key_constraint")
        inferred = found["undeclared.station, hour -> weather.station, hour"]
        assert (inferred["detection_method"], inferred["confidence"] >= 0.8) == ("statistical_inference", True)

    def test_a_table_may_refer_to_itself(self, client: TestClient, warehouse: Execute) -> None:
        warehouse("""
            CREATE TABLE employees AS SELECT n AS employee_id, 'E' || n AS name, NULLIF(n / 4, 0) AS manager_id
            FROM generate_series(1, 300) n
        """)

        answer = detect(client, "employees")

        assert list(pairs(answer)) == ["employees.manager_id -> employees.employee_id"]
        assert answer["suggested_joins"] == [
            "employees JOIN employees AS employees_manager_id"
            " ON employees.manager_id = employees_manager_id.employee_id"
        ]

    def test_joins_run_as_they_are(self, client: TestClient, warehouse: Execute) -> None:
        """Each by itself, and all together as one FROM clause."""
        warehouse("""
            CREATE TABLE "Air Ports" AS SELECT chr(65 + n / 26) || chr(65 + n % 26) || 'X' AS "Code", n AS "order"
                FROM generate_series(0, 200) n;
            CREATE TABLE flights AS SELECT n AS flight_id, a."Code" AS origin, b."Code" AS destination, n % 40 + 1 AS
                plane_id FROM generate_series(1, 1000) n JOIN "Air Ports" a ON a."order" = n * 7 % 201
                JOIN "Air Ports" b ON b."order" = n * 11 % 201;
            CREATE TABLE planes (plane_id int PRIMARY KEY, replaces_plane_id int REFERENCES planes);
            INSERT INTO planes SELECT n, NULLIF(n - 1, 0) FROM generate_series(1, 40) n;
        """)

        answer = detect(client, "planes", "flights", "Air Ports")

        joins = answer["suggested_joins"]
        assert len(joins) == answer["total_relationships"] == 4
        for join in joins:
            assert warehouse(f"SELECT count(*) > 0 FROM {join}") == [(True,)]
        together = " ".join(["planes", *("JOIN " + join.split(" JOIN ", 1)[1] for join in joins)])
        assert warehouse(f"SELECT count(*) > 900 FROM {together}") == [(True,)]

    def test_another_schema_and_views_will_do(self, client: TestClient, warehouse: Execute) -> None:
        warehouse(
            SHOP
            + """
            CREATE TABLE content.customers AS TABLE customers;
            CREATE VIEW content.orders AS TABLE orders;
        """
        )

        answer = detect(client, "customers", "orders", schema="content")

        assert list(pairs(answer)) == ["orders.customer_id -> customers.customer_id"]
        [join] = answer["suggested_joins"]
        assert warehouse(f"SELECT count(*) FROM {join}") == [(800,)]

    def test_a_large_table_says_how_it_was_looked_at(
        self, client: TestClient, warehouse: Execute, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(profiler, "EVERY_VALUE_UP_TO", 20_000)
        warehouse("""
            CREATE TABLE customers AS SELECT n AS customer_id, '{}'::json AS notes FROM generate_series(1, 50000) n;
            CREATE TABLE orders AS SELECT n AS order_id, 1 + n * 31 % 50000 AS customer_id
                FROM generate_series(1, 50000) n;
            CREATE TABLE vips AS SELECT n * 911 AS customer_id, 'gold' AS level FROM generate_series(1, 50) n;
        """)

        answer = detect(client, "customers", "orders", "vips")

        found = pairs(answer)
        assert found["orders.customer_id -> customers.customer_id"]["sampled"] is True
        assert (
            "judged by values chosen by their hash"
            in found["vips.customer_id -> customers.customer_id"]["evidence"][-1]
        )
        customers, _, vips = answer["tables"]
        assert (customers["rows"], customers["sampled"], vips["sampled"]) == (50_000, True, False)
        assert "lowest hashes" in customers["looked_at"]
        assert customers["skipped_columns"] == [
            {"column": "notes", "type": "json", "reason": "values of type json are not compared"}
        ]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("wrong", "fields"),
        [
            ({"tables": ["customers", "orders", "nowhere"]}, ["tables.2"]),
            ({"tables": ["customers", "customers"]}, ["tables.1"]),
            ({"tables": ["customers; DROP TABLE orders"]}, ["tables.0"]),
            ({"tables": ["cust\x00omers"]}, ["body"]),
            ({"tables": []}, ["tables"]),
            ({"tables": ["t"] * 51}, ["tables"]),
            ({"tables": "customers"}, ["tables"]),
            ({"schema": "dataops"}, ["schema"]),
            ({"schema": "pg_catalog"}, ["schema"]),
            ({"confidence_threshold": 1.1}, ["confidence_threshold"]),
            ({"confidence_threshold": "NaN"}, ["confidence_threshold"]),
            ({"confidence_threshold": "0.5"}, ["confidence_threshold"]),
            ({"confidence_threshold": True}, ["confidence_threshold"]),
            ({"use_ai": "yes"}, ["use_ai"]),
            ({"colour": "red"}, ["colour"]),
        ],
    )
    def test_is_named(
        self, client: TestClient, warehouse: Execute, launcher: InProcessLauncher, wrong: Any, fields: list[str]
    ) -> None:
        warehouse(SHOP)

        reply = client.post(PATH, json={**ASKED, **wrong})

        assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, fields)
        assert launcher.launched == []

    def test_a_view_that_fails_ends_the_run_with_its_reason(self, client: TestClient, warehouse: Execute) -> None:
        warehouse("CREATE VIEW odd AS SELECT 1 / (n - 2) AS id FROM generate_series(1, 3) n")

        reply = client.post(PATH, json={"tables": ["odd"]})

        assert reply.status_code == 422
        assert "'odd' cannot be read: division by zero" in reply.json()["detail"]
