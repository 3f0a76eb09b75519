"""What has a datamart's name and is not the datamart's is neither shown, nor filled, nor dropped; who is in the way."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from fastapi.testclient import TestClient

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.settings import Settings
from tests.api_shim.following import wait_for
from tests.api_shim.test_datamarts import PATH, dropped, sql


def post_version(client: TestClient, word: str, version: str = "v1", name: str = "rec", **more: Any) -> Any:
    body = {"name": name, "query": f"SELECT '{word}' AS word", "version": version, **more}
    return client.post(f"{PATH}/versioned", json=body)


def words(client: TestClient, name: str = "rec") -> list[str]:
    return [each["word"] for each in client.get(f"{PATH}/{name}/preview").json()["data"]]


def create(client: TestClient, name: str = "plain", **more: Any) -> Any:
    return client.post(f"{PATH}/create", json={"name": name, "query": "SELECT 1 AS n", "type": "table", **more})


@contextmanager
def held(settings: Settings, statement: str) -> Iterator[None]:
    """A transaction that did this, and is left open."""
    with closing(psycopg2.connect(libpq_url(settings.url("warehouse")))) as connection:
        connection.cursor().execute(statement)
        yield


class TestAVersionsTable:
    def test_that_an_earlier_datamart_left_is_not_shown_as_new(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        assert post_version(client, "OLD").status_code == 200
        client.delete(f"{PATH}/rec")
        sql(shim_settings, "DROP VIEW analytics.rec")

        refused = post_version(client, "NEW")

        assert (refused.status_code, "analytics.rec__v1" in refused.json()["detail"]) == (409, True)
        sql(shim_settings, "DROP TABLE analytics.rec__v1")
        assert post_version(client, "NEW").status_code == 200
        assert words(client) == ["NEW"]

    def test_that_somebody_else_made_is_neither_taken_nor_dropped(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        sql(shim_settings, "CREATE TABLE analytics.rec__v4 AS SELECT 'THEIRS' AS word")
        assert post_version(client, "OURS", "v3").status_code == 200

        refused = post_version(client, "OURS", "v4")
        gone = dropped(client, "rec")["dropping"]

        assert (refused.status_code, "analytics.rec__v4" in refused.json()["detail"]) == (409, True)
        assert gone == ["analytics.rec", "analytics.rec__v3"]
        assert sql(shim_settings, "SELECT word FROM analytics.rec__v4") == [("THEIRS",)]

    def test_that_was_exchanged_is_not_gone_back_to(self, client: TestClient, shim_settings: Settings) -> None:
        for each in ("v1", "v2"):
            post_version(client, each, each)
        sql(shim_settings, "DROP TABLE analytics.rec__v1; CREATE TABLE analytics.rec__v1 AS SELECT 'THEIRS' AS word")

        refused = client.post(f"{PATH}/rec/rollback")
        gone = dropped(client, "rec")["dropping"]

        assert (refused.status_code, "analytics.rec__v1" in refused.json()["detail"]) == (409, True)
        assert gone == ["analytics.rec", "analytics.rec__v2"]


class TestAPlainDatamart:
    def test_does_not_fill_a_table_that_was_made_meanwhile_nor_drop_it(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        create(client)
        sql(shim_settings, "CREATE TABLE analytics.plain AS SELECT 7 AS n")

        refused = client.post(f"{PATH}/plain/refresh")
        deleted = client.delete(f"{PATH}/plain?drop=true")

        assert (refused.status_code, "analytics.plain" in refused.json()["detail"]) == (409, True)
        assert (deleted.json()["dropping"], "status_url" in deleted.json()) == ([], False)
        assert sql(shim_settings, "SELECT n FROM analytics.plain") == [(7,)]


class TestWhoIsInTheWay:
    def test_a_drop_waits_for_them_and_lets_others_read_meanwhile(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        create(client)
        client.post(f"{PATH}/plain/refresh")

        with held(shim_settings, "SELECT * FROM analytics.plain"):
            execution = client.delete(f"{PATH}/plain?drop=true").json()["status_url"]
            for _ in range(30):
                assert sql(shim_settings, "SET lock_timeout = '2s'; SELECT n FROM analytics.plain") == [(1,)]
                time.sleep(0.1)
            assert client.get(execution).json()["status"] == "running"

        wait_for(lambda: client.get(execution).json()["status"] == "completed")
        assert sql(shim_settings, "SELECT to_regclass('analytics.plain')") == [(None,)]
        [step] = client.get(execution).json()["steps"]
        assert step["ledger"]["deleted"] == 1

    def test_a_drop_that_waits_is_cancelled(self, client: TestClient, shim_settings: Settings) -> None:
        create(client)
        client.post(f"{PATH}/plain/refresh")

        with held(shim_settings, "SELECT * FROM analytics.plain"):
            execution = client.delete(f"{PATH}/plain?drop=true").json()["status_url"]
            wait_for(lambda: client.get(execution).json()["status"] == "running")
            client.post(f"{execution}/cancel")
            wait_for(lambda: client.get(execution).json()["status"] == "cancelled")

        assert sql(shim_settings, "SELECT n FROM analytics.plain") == [(1,)]

    def test_a_table_that_is_locked_is_not_the_querys_fault(
        self, client: TestClient, shim_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api_shim.datamart_requests.LOCK_TIMEOUT", "300ms")
        sql(shim_settings, "CREATE TABLE public.src AS SELECT 1 AS n; GRANT SELECT ON public.src TO PUBLIC")

        with held(shim_settings, "LOCK TABLE public.src IN ACCESS EXCLUSIVE MODE"):
            busy = create(client, query="SELECT n FROM src")

        assert (busy.status_code, "public.src" in busy.json()["detail"]) == (503, True)
        assert create(client, query="SELECT n FROM src").status_code == 200


class TestNames:
    def test_one_that_is_taken_in_another_schema_is_told_with_it(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        sql(shim_settings, "CREATE SCHEMA marts; GRANT ALL ON SCHEMA marts TO dataops_builder")
        create(client)

        refused = create(client, schema="marts")

        assert refused.status_code == 409
        assert "in the schema analytics; names of datamarts are unique over schemas" in refused.json()["detail"]

    def test_first_versions_that_are_posted_together_are_all_built(self, client: TestClient) -> None:
        names = [f"v{number}" for number in range(5)]

        with ThreadPoolExecutor(len(names)) as pool:
            codes = Counter(
                reply.status_code for reply in pool.map(lambda each: post_version(client, each, each), names)
            )

        assert codes == {200: len(names)}
        assert client.get(f"{PATH}/rec/versions").json()["total"] == len(names)

    def test_versions_that_make_one_table_name_are_told_apart(self, client: TestClient) -> None:
        assert post_version(client, "one", "v1.0").status_code == 200

        refused = post_version(client, "one", "v1-0")

        assert (refused.status_code, "make one table name" in refused.json()["detail"]) == (409, True)
