"""Datamarts over HTTP. Source: document 000, "Datamart Management"."""

import time
from contextlib import closing
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


def sql(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with (
        closing(psycopg2.connect(libpq_url(settings.url("warehouse")))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def dropped(client: TestClient, name: str, more: str = "") -> Any:
    """The answer, when what was left behind is dropped."""
    answer = client.delete(f"{PATH}/{name}?drop=true{more}").json()
    deadline = time.monotonic() + 30
    while (execution := client.get(answer["status_url"]).json())["status"] not in ("completed", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert execution["status"] == "completed", execution
    return answer


def listed(client: TestClient) -> Any:
    (only,) = client.get(PATH).json()["datamarts"]
    return only


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
        seen = client.get(f"{PATH}/customer_360_datamart/preview").json()
        assert (seen["columns"], seen["data"], seen["total_rows"]) == (["customer_id", "total_spent"], [], 0)
        assert seen["column_types"] == {"customer_id": "text", "total_spent": "numeric"}

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

    def test_one_in_another_schema_is_said_to_be_there(self, client: TestClient) -> None:
        create(client)
        one, elsewhere = f"{PATH}/customer_360_datamart", {"schema": "raw"}

        for reply in (
            client.post(f"{one}/refresh", json=elsewhere),
            client.post(f"{one}/schedule", json={"schedule": "0 2 * * *", **elsewhere}),
            client.post(f"{one}/rollback", json=elsewhere),
            client.get(one, params=elsewhere),
            client.get(f"{one}/preview", params=elsewhere),
            client.get(f"{one}/versions", params=elsewhere),
            client.delete(one, params=elsewhere),
            client.delete(one, params={**elsewhere, "drop": True}),
            client.post("/api/v1/mvp/export/excel/datamart/customer_360_datamart", json=elsewhere),
        ):
            told = "Datamart customer_360_datamart not found in the schema raw: it is in analytics"
            assert (reply.status_code, reply.json()["detail"]) == (404, told)

    def test_parameters_that_are_not_known_are_refused(self, client: TestClient) -> None:
        assert client.get(f"{PATH}?colour=red").status_code == 422
        assert client.get(f"{PATH}?include_statistics=perhaps").status_code == 422
        assert ADMIN not in client.get(f"{PATH}?colour={ADMIN}").text

    def test_the_answer_says_how(self, client: TestClient) -> None:
        create(client)
        client.post(f"{PATH}/customer_360_datamart/refresh")

        done = client.post(f"{PATH}/customer_360_datamart/refresh", json={"concurrent": True}).json()

        assert done["method"] == "concurrently"
        assert done["method_reason"] == "Only rows that differ were written, by a unique index made on customer_id"

    def test_one_that_failed_says_so_in_the_list_until_it_succeeds(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        create(client, type="table")
        sql(shim_settings, "ALTER TABLE orders RENAME TO orders_aside")
        client.post(f"{PATH}/customer_360_datamart/refresh")
        failed = listed(client)
        sql(shim_settings, "ALTER TABLE orders_aside RENAME TO orders")
        client.post(f"{PATH}/customer_360_datamart/refresh")

        assert (failed["status"], "orders" in failed["last_error"]) == ("failed", True)
        assert (listed(client)["status"], "last_error" in listed(client)) == ("ready", False)

    def test_statistics_of_columns_are_told_when_asked_for(self, client: TestClient) -> None:
        create(client)
        client.post(f"{PATH}/customer_360_datamart/refresh")

        assert "statistics" not in listed(client)
        told = client.get(f"{PATH}?include_statistics=true").json()["datamarts"][0]["statistics"]
        assert told["customer_id"] == {"null_fraction": 0.0, "distinct_values": 2}


@pytest.mark.usefixtures("orders")
class TestSchedulingADatamart:
    def test_it_becomes_scheduled_and_shows_its_cron_line(self, client: TestClient) -> None:
        create(client)

        done = client.post(
            f"{PATH}/customer_360_datamart/schedule",
            json={"schedule": "0 2 * * *", "schema": "analytics", "concurrent": True},
        )

        assert done.status_code == 200, done.text
        body = done.json()
        assert body.pop("schedule_id").startswith("sched_")
        next_run = body.pop("next_run")
        assert next_run[10:] == "T02:00:00.000Z"
        assert body == {
            "datamart_name": "customer_360_datamart",
            "cron_expression": "0 2 * * *",
            "status": "scheduled",
            "concurrent": True,
        }
        seen = listed(client)
        assert (seen["refresh_strategy"], seen["schedule"]) == ("scheduled", "0 2 * * *")
        assert (seen["schedule_status"], seen["next_run"]) == ("active", next_run)

    def test_again_it_changes_and_the_flag_holds_for_refreshes_that_say_nothing(self, client: TestClient) -> None:
        create(client)
        client.post(f"{PATH}/customer_360_datamart/refresh")
        first = client.post(f"{PATH}/customer_360_datamart/schedule", json={"schedule": "0 2 * * *"}).json()
        second = client.post(
            f"{PATH}/customer_360_datamart/schedule", json={"schedule": "30 3 * * 1", "concurrent": True}
        ).json()

        assert first["schedule_id"] == second["schedule_id"]
        assert listed(client)["schedule"] == "30 3 * * 1"
        assert client.post(f"{PATH}/customer_360_datamart/refresh").json()["method"] == "concurrently"
        by_hand = client.post(f"{PATH}/customer_360_datamart/refresh", json={"concurrent": False}).json()
        assert by_hand["method"] == "swap"

    @pytest.mark.parametrize("cron", ["* * * * * *", "99 * * * *", "*/0 * * * *", "", "0 0 30 2 *", "daily"])
    def test_what_is_no_cron_line_is_refused(self, client: TestClient, cron: str) -> None:
        create(client)

        reply = client.post(f"{PATH}/customer_360_datamart/schedule", json={"schedule": cron})

        assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, ["schedule"])
        assert listed(client)["refresh_strategy"] == "on_demand"


@pytest.mark.usefixtures("orders")
class TestWhatCannotBeDefined:
    def test_a_query_over_its_own_result(self, client: TestClient) -> None:
        first = {**CUSTOMER_360, "name": "first", "query": "SELECT * FROM analytics.second"}
        assert client.post(f"{PATH}/create", json=first).status_code == 200
        for name in ("second", "third"):
            wrong = {**CUSTOMER_360, "name": name, "query": f"SELECT * FROM analytics.{name}"}
            assert client.post(f"{PATH}/create", json=wrong).status_code == 422

        wrong = {**CUSTOMER_360, "name": "second", "query": "SELECT * FROM analytics.first"}
        reply = client.post(f"{PATH}/create", json=wrong)

        assert (reply.status_code, "own result" in reply.json()["detail"]) == (422, True)

    def test_columns_of_one_name_and_names_that_postgresql_would_cut(self, client: TestClient) -> None:
        twins = {**CUSTOMER_360, "query": "SELECT a.amount, b.amount FROM orders a, orders b"}
        assert client.post(f"{PATH}/create", json=twins).json()["errors"][0]["field"] == "query"
        long = {**CUSTOMER_360, "name": "n" * 64}
        assert client.post(f"{PATH}/create", json=long).json()["errors"][0]["field"] == "name"


@pytest.mark.usefixtures("orders")
class TestDeletingADatamart:
    def test_its_rows_stay_unless_they_are_dropped(self, client: TestClient, shim_settings: Settings) -> None:
        create(client, type="table")
        create(client, type="table", name="other")
        for name in ("customer_360_datamart", "other"):
            client.post(f"{PATH}/{name}/refresh")
            client.post(f"{PATH}/{name}/schedule", json={"schedule": "0 2 * * *"})

        kept = client.delete(f"{PATH}/customer_360_datamart").json()
        gone = dropped(client, "other")

        assert (kept["deleted"], kept["dropping"]) == (["customer_360_datamart"], [])
        assert gone["dropping"] == ["analytics.other"]
        assert client.get(PATH).json()["total"] == 0
        tables = sql(shim_settings, "SELECT tablename FROM pg_tables WHERE schemaname = 'analytics'")
        assert tables == [("customer_360_datamart",)]

    def test_what_others_read_goes_only_with_them(self, client: TestClient, shim_settings: Settings) -> None:
        create(client)
        client.post(f"{PATH}/customer_360_datamart/refresh")
        create(client, name="above", query="SELECT count(*) AS n FROM analytics.customer_360_datamart")
        client.post(f"{PATH}/above/refresh")

        refused = client.delete(f"{PATH}/customer_360_datamart?drop=true")
        gone = dropped(client, "customer_360_datamart", "&cascade=true")

        assert (refused.status_code, "datamart 'above'" in refused.json()["detail"]) == (409, True)
        assert gone["deleted"] == ["above", "customer_360_datamart"]
        assert gone["dropping"] == ["analytics.above", "analytics.customer_360_datamart"]
        assert sql(shim_settings, "SELECT matviewname FROM pg_matviews") == []

    def test_views_that_are_no_datamarts_are_not_dropped_along(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        create(client)
        client.post(f"{PATH}/customer_360_datamart/refresh")
        sql(shim_settings, "CREATE VIEW public.theirs AS SELECT * FROM analytics.customer_360_datamart")

        refused = client.delete(f"{PATH}/customer_360_datamart?drop=true")

        assert (refused.status_code, "public.theirs" in refused.json()["detail"]) == (409, True)
        assert client.get(PATH).json()["total"] == 1

    def test_an_editor_may_neither_drop_nor_cascade(self, client: TestClient) -> None:
        create(client)
        editor = client.post("/api/v1/dataops/tokens", json={"name": "Ed", "role": "editor"}).json()["token"]
        headers = {"Authorization": f"Bearer {editor}"}

        for wish in ("drop", "cascade"):
            reply = client.delete(f"{PATH}/customer_360_datamart?{wish}=true", headers=headers)
            assert reply.status_code == 403
        assert client.delete(f"{PATH}/customer_360_datamart", headers=headers).status_code == 200


def test_a_preview_keeps_every_digit(client: TestClient) -> None:
    query = "SELECT 12345678901234567890123.45 AS large, 2450.50 AS small, 9007199254740993 AS id"
    create(client, query=query, type="view")
    client.post(f"{PATH}/customer_360_datamart/refresh")

    (seen,) = client.get(f"{PATH}/customer_360_datamart/preview").json()["data"]

    assert seen == {"large": "12345678901234567890123.45", "small": 2450.5, "id": "9007199254740993"}


def test_days_that_python_has_no_form_for_are_shown_as_postgresql_tells_them(client: TestClient) -> None:
    query = "SELECT date '10000-01-01' AS far, timestamp 'infinity' AS endless, date '0044-03-15 BC' AS early"
    create(client, query=query, type="table")
    reply = client.post(f"{PATH}/customer_360_datamart/refresh")
    assert (reply.status_code, reply.json()["rows_refreshed"]) == (200, 1)

    (seen,) = client.get(f"{PATH}/customer_360_datamart/preview").json()["data"]

    assert seen == {"far": "10000-01-01", "endless": "infinity", "early": "0044-03-15 BC"}
    versioned = client.post(f"{PATH}/versioned", json={"name": "days", "query": query, "version": "v1"})
    assert (versioned.status_code, versioned.json()["rows_count"]) == (200, 1)
