"""Datamarts over HTTP. Source: document 000, "Datamart Management"."""

from typing import Any

import psycopg2
import pytest
from fastapi.testclient import TestClient

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN
from tests.api_shim.in_process import InProcessLauncher

QUERY = "SELECT customer_id, sum(amount) AS total_spent FROM orders GROUP BY customer_id"
CUSTOMER_360 = {"name": "customer_360_datamart", "query": QUERY, "type": "materialized_view"}
PATH = "/api/v1/mvp/datamarts"


@pytest.fixture
def orders(shim_settings: Settings) -> None:
    with psycopg2.connect(libpq_url(shim_settings.url("warehouse"))) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.orders (customer_id text, amount numeric(10, 2))")
        cursor.execute("GRANT SELECT ON public.orders TO PUBLIC")
        cursor.execute("INSERT INTO orders VALUES ('cust_001', 2000.25), ('cust_001', 450.25), ('cust_002', 1)")
    connection.close()


def create(client: TestClient, **more: Any) -> Any:
    reply = client.post(f"{PATH}/create", json={**CUSTOMER_360, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.usefixtures("orders")
class TestCreatingADatamart:
    def test_it_is_empty_until_it_is_refreshed(self, client: TestClient) -> None:
        made = create(client, description="Customers", metadata={"owner": "data-team"})

        assert made["datamart_id"].startswith("dm_")
        del made["datamart_id"], made["created_at"]
        assert made == {
            "name": "customer_360_datamart",
            "type": "materialized_view",
            "schema": "analytics",
            "status": "created",
            "rows_count": 0,
            "size_mb": 0,
            "refresh_required": True,
        }
        reply = client.get(f"{PATH}/customer_360_datamart/preview")
        assert (reply.status_code, reply.json()["code"]) == (409, "CONFLICT")

    def test_a_wrong_field_is_named(self, client: TestClient) -> None:
        cases = [
            ({"type": "no_such_type"}, "type"),
            ({"query": "DROP TABLE orders"}, "query"),
            ({"query": "SELECT pg_sleep(100)"}, "query"),
            ({"schema": "pg_catalog"}, "schema"),
            ({"schema": "nowhere"}, "schema"),
            ({"schema": "a; b"}, "schema"),
            ({"name": "a b; DROP"}, "name"),
            ({"name": "../../etc/x"}, "name"),
            ({"name": "\u202egnp"}, "name"),
            ({"query": "SELECT no_such_column FROM orders"}, "query"),
            ({"colour": "red"}, "colour"),
            ({"metadata": []}, "metadata"),
        ]
        for wrong, field in cases:
            reply = client.post(f"{PATH}/create", json={**CUSTOMER_360, **wrong})

            assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, [field])
            assert client.get(PATH).json() == {"datamarts": [], "total": 0}

    def test_a_query_over_what_the_builder_may_not_read_is_refused(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        with psycopg2.connect(libpq_url(shim_settings.url("warehouse"))) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA vault; CREATE TABLE vault.secrets (id int)")
        connection.close()

        reply = client.post(f"{PATH}/create", json={**CUSTOMER_360, "query": "TABLE vault.secrets"})

        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "query")

    def test_a_name_that_is_taken_is_a_conflict(self, client: TestClient) -> None:
        create(client)

        assert client.post(f"{PATH}/create", json=CUSTOMER_360).status_code == 409

    def test_it_does_not_take_the_place_of_a_table_that_is_no_datamart(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        with psycopg2.connect(libpq_url(shim_settings.url("warehouse"))) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE analytics.precious (id int)")
        connection.close()

        reply = client.post(f"{PATH}/create", json={**CUSTOMER_360, "name": "precious", "type": "table"})

        assert reply.status_code == 409


@pytest.mark.usefixtures("orders")
class TestRefreshingADatamart:
    @pytest.mark.parametrize("kind", ["materialized_view", "table", "view"])
    def test_it_then_holds_the_querys_rows(self, client: TestClient, kind: str) -> None:
        create(client, type=kind)

        done = client.post(f"{PATH}/customer_360_datamart/refresh", json={"schema": "analytics", "concurrent": True})

        assert done.status_code == 200, done.text
        assert done.json()["status"] == "completed"
        assert done.json()["rows_refreshed"] == 2
        seen = client.get(f"{PATH}/customer_360_datamart/preview?limit=1&schema=analytics").json()
        assert seen["columns"] == ["customer_id", "total_spent"]
        assert (seen["rows_returned"], seen["total_rows"]) == (1, 2)
        everything = client.get(f"{PATH}/customer_360_datamart/preview").json()["data"]
        assert {"customer_id": "cust_001", "total_spent": 2450.5} in everything

    def test_the_list_tells_of_it(self, client: TestClient) -> None:
        create(client)
        done = client.post(f"{PATH}/customer_360_datamart/refresh").json()

        listed = client.get(f"{PATH}?include_statistics=true").json()

        assert listed["total"] == 1
        (only,) = listed["datamarts"]
        assert (only["rows_count"], only["refresh_strategy"]) == (2, "on_demand")
        assert only["last_refresh"][:16] == done["refreshed_at"][:16]
        assert "schedule" not in only

    def test_one_that_goes_on_is_answered_with_its_address(
        self, client: TestClient, launcher: InProcessLauncher
    ) -> None:
        launcher.held = True
        create(client)

        reply = client.post(f"{PATH}/customer_360_datamart/refresh", headers={"Prefer": "respond-async"})

        assert (reply.status_code, reply.json()["status"]) == (202, "running")
        assert client.get(reply.json()["status_url"]).status_code == 200

    def test_a_query_that_fails_says_why(self, client: TestClient) -> None:
        create(client, query="SELECT * FROM no_such_table")

        reply = client.post(f"{PATH}/customer_360_datamart/refresh")

        assert reply.status_code == 422
        assert "no_such_table" in reply.json()["detail"]

    def test_one_that_is_not_there_is_not_found(self, client: TestClient) -> None:
        create(client)

        for path in ("none/refresh", "customer_360_datamart/refresh", "%00/refresh", "???/refresh"):
            body = {"schema": "content"}
            assert client.post(f"{PATH}/{path}", json=body).status_code in (404, 405)

    def test_parameters_that_are_not_known_are_refused(self, client: TestClient) -> None:
        assert client.get(f"{PATH}?colour=red").status_code == 422
        assert client.get(f"{PATH}?include_statistics=perhaps").status_code == 422
        assert ADMIN not in client.get(f"{PATH}?colour={ADMIN}").text
