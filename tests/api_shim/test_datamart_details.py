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
