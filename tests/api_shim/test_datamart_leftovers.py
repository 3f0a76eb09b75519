"""What a deleted datamart leaves in the warehouse: told, dropped later, or taken over by the next one of its name."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from dataops_defs.settings import Settings
from tests.api_shim.test_datamart_ownership import create, post_version, words
from tests.api_shim.test_datamarts import PATH, dropped, sql


@pytest.fixture
def left(client: TestClient) -> Any:
    """The answer that deleted a datamart whose table stays."""
    create(client)
    client.post(f"{PATH}/plain/refresh")
    return client.delete(f"{PATH}/plain").json()


def rows(client: TestClient) -> Any:
    return client.get(f"{PATH}/plain/preview").json()["data"]


class TestTheAnswer:
    def test_names_what_stays_and_how_it_is_dropped(self, left: Any) -> None:
        assert (left["kept"], left["dropping"]) == (["analytics.plain"], [])
        assert f"DELETE {PATH}/plain?drop=true" in left["note"]

    def test_of_one_that_was_never_filled_tells_of_nothing(self, client: TestClient) -> None:
        create(client)

        gone = client.delete(f"{PATH}/plain").json()

        assert (gone["kept"], "note" in gone) == ([], False)

    def test_names_the_tables_of_versions_and_not_what_others_made(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        post_version(client, "one")
        sql(shim_settings, "CREATE TABLE analytics.rec__v2 AS SELECT 'THEIRS' AS word")

        assert client.delete(f"{PATH}/rec").json()["kept"] == ["analytics.rec", "analytics.rec__v1"]


@pytest.mark.usefixtures("left")
class TestTheNextOfItsName:
    def test_takes_it_over_and_shows_its_own_rows_only(self, client: TestClient) -> None:
        made = create(client, query="SELECT 2 AS n")
        empty = client.get(f"{PATH}/plain/preview").json()
        [listed] = client.get(f"{PATH}?include_statistics=true").json()["datamarts"]
        exported = client.post("/api/v1/mvp/export/excel/datamart/plain", json={})

        assert made.status_code == 200, made.text
        assert "analytics.plain" in made.json()["note"]
        assert (empty["columns"], empty["data"], empty["total_rows"]) == (["n"], [], 0)
        assert (listed["status"], listed["statistics"], exported.status_code) == ("created", {}, 409)
        assert client.post(f"{PATH}/plain/refresh").status_code == 200
        assert rows(client) == [{"n": 2}]

    def test_is_told_what_to_do_where_it_is_of_another_type(self, client: TestClient) -> None:
        refused = create(client, type="view")

        assert refused.status_code == 409
        assert "analytics.plain" in refused.json()["detail"]
        assert f"DELETE {PATH}/plain?drop=true" in refused.json()["detail"]

    def test_does_not_take_what_others_made(self, client: TestClient, shim_settings: Settings) -> None:
        sql(shim_settings, "DROP TABLE analytics.plain; CREATE TABLE analytics.plain AS SELECT 7 AS n")

        assert create(client).status_code == 409
        assert sql(shim_settings, "SELECT n FROM analytics.plain") == [(7,)]


class TestVersions:
    def test_a_versioned_one_takes_over_the_view_and_not_the_versions(self, client: TestClient) -> None:
        post_version(client, "OLD")
        client.delete(f"{PATH}/rec")

        assert post_version(client, "NEW").status_code == 409
        assert post_version(client, "NEW", "v2").status_code == 200
        assert words(client) == ["NEW"]

    def test_a_plain_one_is_not_kept_in_the_table_of_a_version(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        post_version(client, "OLD")
        client.delete(f"{PATH}/rec")
        sql(shim_settings, "DROP VIEW analytics.rec; ALTER TABLE analytics.rec__v1 RENAME TO plain")

        assert create(client).status_code == 409


class TestDroppingItLater:
    @pytest.mark.usefixtures("left")
    def test_takes_the_table_as_an_execution(self, client: TestClient, shim_settings: Settings) -> None:
        gone = dropped(client, "plain")

        assert (gone["deleted"], gone["dropping"], gone["kept"]) == ([], ["analytics.plain"], [])
        assert sql(shim_settings, "SELECT to_regclass('analytics.plain')") == [(None,)]
        assert client.delete(f"{PATH}/plain?drop=true").status_code == 404

    def test_takes_versions_too_but_for_those_of_other_datamarts(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        post_version(client, "one")
        post_version(client, "one", name="rec_2")
        sql(shim_settings, "CREATE TABLE analytics.rec__v2 AS SELECT 'THEIRS' AS word")
        client.delete(f"{PATH}/rec")

        assert dropped(client, "rec")["dropping"] == ["analytics.rec", "analytics.rec__v1"]
        assert words(client, "rec_2") == ["one"]
        assert sql(shim_settings, "SELECT word FROM analytics.rec__v2") == [("THEIRS",)]

    @pytest.mark.usefixtures("left")
    def test_takes_an_admin_and_a_name_that_something_of_ours_has(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        sql(shim_settings, "CREATE TABLE analytics.theirs AS SELECT 1 AS n")
        editor = client.post("/api/v1/dataops/tokens", json={"name": "Ed", "role": "editor"}).json()["token"]

        refused = client.delete(f"{PATH}/plain?drop=true", headers={"Authorization": f"Bearer {editor}"})

        assert refused.status_code == 403
        for name in ("theirs", "plain?schema=public", "..", "%00"):
            path = f"{PATH}/{name}{'&' if '?' in name else '?'}drop=true"
            assert client.delete(path).status_code in (404, 405)
        elsewhere = client.delete(f"{PATH}/plain?schema=public&drop=true").json()["detail"]
        assert elsewhere == "Datamarts named 'plain' left nothing in the schema public, but in analytics"
        assert client.delete(f"{PATH}/plain").status_code == 404

    @pytest.mark.usefixtures("left")
    def test_asks_which_where_several_were_left(self, client: TestClient, shim_settings: Settings) -> None:
        sql(shim_settings, "CREATE SCHEMA marts; GRANT ALL ON SCHEMA marts TO dataops_builder")
        create(client, schema="marts")
        client.post(f"{PATH}/plain/refresh")
        client.delete(f"{PATH}/plain")

        refused = client.delete(f"{PATH}/plain?drop=true")

        assert (refused.status_code, "analytics, marts" in refused.json()["detail"]) == (409, True)
        assert dropped(client, "plain", "&schema=marts")["dropping"] == ["marts.plain"]
        assert dropped(client, "plain")["dropping"] == ["analytics.plain"]
