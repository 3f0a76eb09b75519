"""Versioned datamarts over HTTP. Source: document 000, "Create Versioned Datamart"."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dataops_defs.domain.datamart import VersionStatus
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge_datamarts import purge_drafts, purge_versions
from dataops_defs.settings import Settings
from tests.api_shim.test_datamarts import PATH, dropped, sql

SEGMENTS = {
    "name": "customer_segments_v2",
    "query": "SELECT * FROM ml_model_predictions WHERE model_version = 'v2'",
    "schema": "analytics",
    "version": "v2",
    "retention_days": 90,
}


@pytest.fixture(autouse=True)
def _predictions(shim_settings: Settings) -> None:
    sql(
        shim_settings,
        "CREATE TABLE public.ml_model_predictions AS SELECT 'v' || mod(n, 4) AS model_version, n AS customer_id"
        " FROM generate_series(1, 40) n; GRANT SELECT ON public.ml_model_predictions TO PUBLIC",
    )


def publish(client: TestClient, version: str = "v2", **more: Any) -> Any:
    query = f"SELECT * FROM ml_model_predictions WHERE model_version = '{version}'"
    reply = client.post(f"{PATH}/versioned", json={**SEGMENTS, "version": version, "query": query, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def shown(client: TestClient) -> set[str]:
    rows = client.get(f"{PATH}/customer_segments_v2/preview").json()["data"]
    return {each["model_version"] for each in rows}


def versions(client: TestClient) -> dict[str, Any]:
    listed = client.get(f"{PATH}/customer_segments_v2/versions").json()["versions"]
    return {each["version"]: each for each in listed}


class TestPublishing:
    def test_the_printed_request_keeps_a_version_and_shows_it(self, client: TestClient) -> None:
        reply = client.post(f"{PATH}/versioned", json=SEGMENTS)

        assert reply.status_code == 200, reply.text
        made = reply.json()
        assert made["datamart_id"].startswith("dm_")
        assert {name: made[name] for name in ("name", "schema", "version", "retention_days", "rows_count")} == {
            "name": "customer_segments_v2",
            "schema": "analytics",
            "version": "v2",
            "retention_days": 90,
            "rows_count": 10,
        }
        assert (made["view"], made["table"]) == (
            "analytics.customer_segments_v2",
            "analytics.customer_segments_v2__v2",
        )
        ends = datetime.fromisoformat(made["expires_at"])
        assert timedelta(days=89) < ends - datetime.now(UTC) <= timedelta(days=90)
        assert shown(client) == {"v2"}
        (listed,) = client.get(PATH).json()["datamarts"]
        assert (listed["current_version"], listed["rows_count"]) == ("v2", 10)

    def test_versions_stand_side_by_side_and_do_not_change(self, client: TestClient, shim_settings: Settings) -> None:
        publish(client, "v1")
        publish(client, "v2")
        sql(shim_settings, "DELETE FROM public.ml_model_predictions")

        assert [each["current"] for each in versions(client).values()] == [True, False]
        assert shown(client) == {"v2"}
        assert sql(shim_settings, "SELECT count(*) FROM analytics.customer_segments_v2__v1") == [(10,)]
        (owner,) = sql(shim_settings, "SELECT tableowner FROM pg_tables WHERE tablename = 'customer_segments_v2__v1'")
        assert owner != ("dataops_builder",)

    def test_statistics_are_those_of_the_version_that_is_shown(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        publish(client)

        [told] = client.get(f"{PATH}?include_statistics=true").json()["datamarts"]
        assert told["statistics"]["customer_id"]["distinct_values"] == 10

        sql(
            shim_settings,
            "ALTER TABLE analytics.customer_segments_v2__v2 RENAME TO aside;"
            "CREATE TABLE analytics.customer_segments_v2__v2 AS SELECT 'hunter2' AS secret;"
            "ANALYZE analytics.customer_segments_v2__v2; GRANT SELECT ON analytics.customer_segments_v2__v2 TO PUBLIC",
        )
        [told] = client.get(f"{PATH}?include_statistics=true").json()["datamarts"]
        assert set(told["statistics"]) == {"model_version", "customer_id"}

    def test_posted_again_it_is_answered_and_made_otherwise_it_is_a_conflict(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        first = publish(client)
        sql(shim_settings, "DELETE FROM public.ml_model_predictions")

        assert publish(client) == first
        for other in ({"query": "SELECT 1 AS n"}, {"retention_days": 10}):
            reply = client.post(f"{PATH}/versioned", json={**SEGMENTS, **other})
            assert (reply.status_code, reply.json()["code"]) == (409, "CONFLICT")

    def test_other_columns_and_views_on_it_go_together(self, client: TestClient, shim_settings: Settings) -> None:
        publish(client, "v1")
        sql(shim_settings, "CREATE VIEW public.ids AS SELECT customer_id FROM analytics.customer_segments_v2")

        publish(client, "v2", query="SELECT customer_id, 'v2' AS model_version, 1 AS score FROM ml_model_predictions")

        assert client.get(f"{PATH}/customer_segments_v2/preview").json()["columns"][-1] == "score"
        assert sql(shim_settings, "SELECT count(*) FROM public.ids") == [(40,)]

    def test_one_that_could_not_be_built_can_be_posted_anew(self, client: TestClient) -> None:
        wrong = {**SEGMENTS, "query": "SELECT 1 / (customer_id - customer_id) AS n FROM ml_model_predictions"}
        failed = client.post(f"{PATH}/versioned", json=wrong)

        assert (failed.status_code, "division by zero" in failed.json()["detail"]) == (422, True)
        assert versions(client)["v2"]["status"] == "failed"
        publish(client)
        assert (versions(client)["v2"]["status"], shown(client)) == ("ready", {"v2"})

    def test_it_is_not_refreshed_nor_scheduled_and_others_have_no_versions(self, client: TestClient) -> None:
        publish(client)
        plain = {"name": "plain", "query": "SELECT 1 AS n", "type": "table"}
        client.post(f"{PATH}/create", json=plain)

        for path, body in (("refresh", {}), ("schedule", {"schedule": "0 2 * * *"})):
            assert client.post(f"{PATH}/customer_segments_v2/{path}", json=body).status_code == 409
        assert client.get(f"{PATH}/plain/versions").status_code == 409
        assert client.post(f"{PATH}/plain/rollback").status_code == 409
        assert client.post(f"{PATH}/versioned", json={**SEGMENTS, "name": "plain"}).status_code == 409

    def test_a_wrong_field_is_named(self, client: TestClient) -> None:
        cases = [
            ({"query": "DROP TABLE ml_model_predictions"}, "query"),
            ({"version": "v 2; DROP"}, "version"),
            ({"version": "..."}, "version"),
            ({"version": "v" * 40, "name": "n" * 30}, "version"),
            ({"retention_days": 0}, "retention_days"),
            ({"retention_days": "90"}, "retention_days"),
            ({"schema": "pg_catalog"}, "schema"),
            ({"colour": "red"}, "colour"),
        ]
        for wrong, field in cases:
            reply = client.post(f"{PATH}/versioned", json={**SEGMENTS, **wrong})
            assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, [field])
        assert client.get(PATH).json()["total"] == 0


class TestRollingBack:
    def test_the_view_goes_to_the_version_before_or_to_the_one_named(self, client: TestClient) -> None:
        for each in ("v1", "v2", "v3"):
            publish(client, each)

        back = client.post(f"{PATH}/customer_segments_v2/rollback")

        assert back.status_code == 200, back.text
        assert {name: back.json()[name] for name in ("version", "previous_version", "rows_count")} == {
            "version": "v2",
            "previous_version": "v3",
            "rows_count": 10,
        }
        assert shown(client) == {"v2"}
        client.post(f"{PATH}/customer_segments_v2/rollback", json={"version": "v3"})
        assert shown(client) == {"v3"}
        assert versions(client)["v3"]["current"]

    def test_where_there_is_nothing_to_go_back_to(self, client: TestClient) -> None:
        publish(client)

        assert client.post(f"{PATH}/customer_segments_v2/rollback").status_code == 409
        unknown = client.post(f"{PATH}/customer_segments_v2/rollback", json={"version": "v9"})
        assert (unknown.status_code, "v9" in unknown.json()["detail"]) == (404, True)


class TestRetention:
    def test_versions_end_and_the_current_one_never_does(self, client: TestClient, shim_settings: Settings) -> None:
        for each in ("v1", "v2", "v3"):
            publish(client, each)
        client.post(f"{PATH}/customer_segments_v2/rollback", json={"version": "v2"})
        sql(shim_settings, "CREATE VIEW public.theirs AS SELECT * FROM analytics.customer_segments_v2__v3")
        said: list[str] = []

        gone = purge_versions(Platform(shim_settings), said.append, datetime.now(UTC) + timedelta(days=91))

        assert gone.items == 1
        assert {name: each["status"] for name, each in versions(client).items()} == {
            "v3": VersionStatus.READY,
            "v2": VersionStatus.READY,
            "v1": VersionStatus.EXPIRED,
        }
        assert any("v3" in each and "theirs" in each for each in said)
        assert client.post(f"{PATH}/customer_segments_v2/rollback", json={"version": "v1"}).status_code == 409
        again = client.post(f"{PATH}/versioned", json={**SEGMENTS, "version": "v1"})
        assert (again.status_code, "another name" in again.json()["detail"]) == (409, True)

    def test_what_died_half_way_is_swept_up(self, client: TestClient, shim_settings: Settings) -> None:
        made = publish(client)
        draft = f"_building_{made['datamart_id'].removeprefix('dm_')}"
        theirs = f"analytics._building_{'a' * 32}"
        sql(
            shim_settings,
            f"CREATE TABLE analytics.{draft} (n int); ALTER TABLE analytics.{draft} OWNER TO dataops_builder;"
            f"CREATE TABLE {theirs} AS SELECT 42 AS n",
        )

        assert purge_drafts(Platform(shim_settings), lambda _text: None).items == 1
        assert sql(shim_settings, f"SELECT to_regclass('analytics.{draft}')") == [(None,)]
        assert sql(shim_settings, f"SELECT n FROM {theirs}") == [(42,)]

    def test_it_is_dropped_with_all_versions(self, client: TestClient, shim_settings: Settings) -> None:
        publish(client, "v1")
        publish(client, "v2")

        dropped(client, "customer_segments_v2")

        assert sql(shim_settings, "SELECT relname FROM pg_class WHERE relname LIKE 'customer_segments%'") == []
        assert client.get(f"{PATH}/customer_segments_v2/versions").status_code == 404
