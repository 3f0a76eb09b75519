"""One datamart in full, and what is said of a query whose tables are not there."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from dataops_defs.settings import Settings
from tests.api_shim.test_datamart_ownership import create, post_version
from tests.api_shim.test_datamarts import PATH, sql


def detail(client: TestClient, name: str = "plain") -> Any:
    reply = client.get(f"{PATH}/{name}")
    assert reply.status_code == 200, reply.text
    return reply.json()


class TestOneDatamart:
    def test_is_told_with_its_query_and_what_its_last_refresh_made(self, client: TestClient) -> None:
        create(client, query="SELECT 1 AS n, 'a' AS word", description="Words", metadata={"owner": "Ann"})
        done = client.post(f"{PATH}/plain/refresh").json()
        client.post(f"{PATH}/plain/schedule", json={"schedule": "0 2 * * *"})

        told = detail(client)
        [listed] = client.get(f"{PATH}?include_statistics=true").json()["datamarts"]

        assert listed.items() <= told.items()
        assert told["query"] == "SELECT 1 AS n, 'a' AS word"
        assert told["columns"] == [
            {"name": "n", "type": "integer", "nullable": True},
            {"name": "word", "type": "text", "nullable": True},
        ]
        assert (told["schedule"], told["refresh_strategy"], told["type"]) == ("0 2 * * *", "scheduled", "table")
        assert (told["last_refresh"][:19], told["last_method"]) == (done["refreshed_at"][:19], done["method"])
        assert (told["versions_count"], told["metadata"]) == (0, {"owner": "Ann"})

    def test_that_was_never_filled_has_the_columns_that_it_will_have(self, client: TestClient) -> None:
        create(client, query="SELECT film FROM soon")

        assert (detail(client)["columns"], detail(client)["reads"]) == ([], ["public.soon"])
        assert (detail(client)["last_refresh"], detail(client)["statistics"]) == (None, {})

    def test_of_versions_tells_how_many(self, client: TestClient) -> None:
        for each in ("v1", "v2"):
            post_version(client, each, each)

        told = detail(client, "rec")

        assert (told["versions_count"], told["current_version"]) == (2, "v2")

    @pytest.mark.parametrize("path", ["none", "plain?schema=public", "%00"])
    def test_that_is_not_there_is_not_found(self, client: TestClient, path: str) -> None:
        create(client)

        assert client.get(f"{PATH}/{path}").status_code == 404


class TestATableThatWasDropped:
    @pytest.mark.parametrize("kind", ["table", "view", "materialized_view"])
    def test_is_told_everywhere_until_a_refresh_builds_it(
        self, client: TestClient, shim_settings: Settings, kind: str
    ) -> None:
        create(client, type=kind)
        client.post(f"{PATH}/plain/refresh")
        sql(shim_settings, f"DROP {kind.replace('_', ' ')} analytics.plain")

        told = "analytics.plain is not there any more: a refresh makes it again"
        for seen in (detail(client), *client.get(PATH).json()["datamarts"]):
            assert (seen["status"], seen["last_error"], seen["rows_count"]) == ("missing", told, 0)
        for reply in (client.get(f"{PATH}/plain/preview"), client.post("/api/v1/mvp/export/excel/datamart/plain")):
            assert (reply.status_code, reply.json()["detail"]) == (409, told)
        client.post(f"{PATH}/plain/refresh")
        assert (detail(client)["status"], "last_error" in detail(client)) == ("ready", False)

    def test_is_told_of_another_one_that_has_its_name(self, client: TestClient, shim_settings: Settings) -> None:
        create(client)
        client.post(f"{PATH}/plain/refresh")
        sql(shim_settings, "DROP TABLE analytics.plain; CREATE TABLE analytics.plain (theirs int)")

        assert detail(client)["status"] == "missing"
        assert "no datamart has made it" in detail(client)["last_error"]
        assert client.get(f"{PATH}/plain/preview").json()["detail"] == detail(client)["last_error"]

    def test_is_no_matter_for_one_that_was_never_filled(self, client: TestClient) -> None:
        create(client)

        assert detail(client)["status"] == "created"
        assert client.get(f"{PATH}/plain/preview").json()["total_rows"] == 0


class TestAViewThatFailsWhenItIsRead:
    @pytest.mark.parametrize(
        ("column", "said"),
        [("1 / divisor", "division by zero"), ("word::int", 'invalid input syntax for type integer: "x"')],
    )
    def test_says_why_in_its_preview(self, client: TestClient, shim_settings: Settings, column: str, said: str) -> None:
        sql(shim_settings, "CREATE TABLE parts AS SELECT 1 AS divisor, '1' AS word; GRANT SELECT ON parts TO PUBLIC")
        create(client, type="view", query=f"SELECT {column} AS n FROM parts")
        assert client.post(f"{PATH}/plain/refresh").status_code == 200
        sql(shim_settings, "INSERT INTO parts VALUES (0, 'x')")

        reply = client.get(f"{PATH}/plain/preview")

        assert (reply.status_code, reply.json()["code"]) == (422, "SOURCE_ERROR")
        assert reply.json()["detail"] == f"Reading datamart 'plain' was refused: {said}"


@pytest.mark.parametrize(
    ("path", "body", "field", "said"),
    [
        (
            f"{PATH}/create",
            {"name": "m", "query": "SELECT 1", "type": "view", "schema": "An A"},
            "schema",
            "small letters",
        ),
        (f"{PATH}/plain/refresh", {"schema": "An A"}, "schema", "small letters"),
        (
            "/api/v1/mvp/export/excel/report",
            {
                "report_name": "June",
                "sections": [{"name": "s", "type": "chart", "chart_type": "pie", "data_source": "a b"}],
            },
            "sections.0.data_source",
            "as table or schema.table",
        ),
    ],
)
def test_a_name_that_is_none_is_refused_with_what_is_expected(
    client: TestClient, path: str, body: dict[str, Any], field: str, said: str
) -> None:
    [problem] = client.post(path, json=body).json()["errors"]

    assert problem["field"] == field
    assert said in problem["message"]


class TestColumnsThatNothingCanHold:
    @pytest.mark.parametrize(
        ("kind", "query", "column"),
        [
            ("table", "SELECT 1 AS ctid", "ctid"),
            ("materialized_view", "SELECT 1 AS xmin", "xmin"),
            ("view", "SELECT ROW(1, 2) AS both", "both"),
            ("table", "SELECT 1 AS n, array_agg(ROW(1, 2)) AS pairs", "pairs"),
        ],
    )
    def test_are_refused_at_once(self, client: TestClient, kind: str, query: str, column: str) -> None:
        reply = create(client, type=kind, query=query)

        assert (reply.status_code, [each["field"] for each in reply.json()["errors"]]) == (422, ["query"])
        assert f"'{column}'" in reply.json()["detail"]

    def test_are_taken_where_they_can_be_held(self, client: TestClient) -> None:
        assert create(client, type="view", query="SELECT 1 AS ctid").status_code == 200
        assert client.post(f"{PATH}/plain/refresh").status_code == 200


class TestATableThatIsNotThere:
    def test_is_told_when_the_datamart_is_made(self, client: TestClient) -> None:
        made = create(client, query="SELECT * FROM nosuch")

        assert made.status_code == 200
        assert "nosuch" in made.json()["note"]
        assert "note" not in create(client, name="sound").json()

    def test_is_told_with_those_of_its_name_that_are_in_other_schemas(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        create(client)
        client.post(f"{PATH}/plain/refresh")
        sql(shim_settings, "CREATE SCHEMA vault; CREATE TABLE vault.plain (secret int)")

        made = create(client, name="above", query="SELECT * FROM plain")
        refused = client.post(f"{PATH}/above/refresh")

        assert refused.status_code == 422
        for told in (made.json()["note"], refused.json()["detail"]):
            assert "analytics.plain" in told
            assert "vault" not in told
