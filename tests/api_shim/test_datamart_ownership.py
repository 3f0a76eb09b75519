"""What has a datamart's name and is not the datamart's is neither shown, nor filled, nor dropped; who is in the way."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from fastapi.testclient import TestClient

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge_datamarts import purge_versions
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

    def test_stays_the_versions_whatever_is_written_on_it(self, client: TestClient, shim_settings: Settings) -> None:
        for each in ("v1", "v2"):
            post_version(client, each, each, retention_days=90)
        sql(shim_settings, "COMMENT ON TABLE analytics.rec__v1 IS 'Segments as of June. Ask Ann'")

        assert client.post(f"{PATH}/rec/rollback").json()["version"] == "v1"
        assert words(client) == ["v1"]
        assert set(dropped(client, "rec")["dropping"]) == {"analytics.rec", "analytics.rec__v1", "analytics.rec__v2"}

    def test_that_was_restored_without_the_platforms_notes_is_known_by_its_comment(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        for each in ("v1", "v2"):
            post_version(client, each, each)
        sql(shim_settings, "DELETE FROM dataops.datamart_version")

        assert client.post(f"{PATH}/rec/rollback").json()["version"] == "v1"

    def test_that_is_not_known_any_more_is_not_called_gone(self, client: TestClient, shim_settings: Settings) -> None:
        for each in ("v1", "v2"):
            post_version(client, each, each, retention_days=90)
        sql(shim_settings, "ALTER TABLE analytics.rec__v1 RENAME TO aside")
        sql(shim_settings, "CREATE TABLE analytics.rec__v1 AS SELECT 'THEIRS' AS word")
        said: list[str] = []

        gone = purge_versions(Platform(shim_settings), said.append, datetime.now(UTC) + timedelta(days=91))

        listed = {each["version"]: each["status"] for each in client.get(f"{PATH}/rec/versions").json()["versions"]}
        assert (gone.items, listed) == (0, {"v1": "ready", "v2": "ready"})
        assert any("analytics.rec__v1" in each and "rename or drop it" in each for each in said)
        assert sql(shim_settings, "SELECT word FROM analytics.rec__v1") == [("THEIRS",)]
        sql(shim_settings, "DROP TABLE analytics.rec__v1; ALTER TABLE analytics.aside RENAME TO rec__v1")
        assert purge_versions(Platform(shim_settings), said.append, datetime.now(UTC) + timedelta(days=91)).items == 1
        assert sql(shim_settings, "SELECT to_regclass('analytics.rec__v1')") == [(None,)]

    def test_that_a_rollback_put_aside_is_told_though_it_was_built_meanwhile(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        id = str(UUID(post_version(client, "v1").json()["datamart_id"].removeprefix("dm_")))
        post_version(client, "v2", "v2")
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

        with ThreadPoolExecutor(2) as pool:
            with held(shim_settings, f"SELECT pg_advisory_xact_lock(hashtextextended('datamart {id}', 0))"):
                built = pool.submit(post_version, client, "v3", "v3")
                wait_for(lambda: sql(shim_settings, waiting) == [(1,)])
                back = pool.submit(client.post, f"{PATH}/rec/rollback", json={"version": "v1"})
                wait_for(lambda: sql(shim_settings, waiting) == [(2,)])
            told = back.result().json()

        assert built.result().status_code == 200
        assert (told["version"], told["previous_version"]) == ("v1", "v3")


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

    def test_shows_nothing_of_what_others_made_under_its_name(
        self, client: TestClient, shim_settings: Settings
    ) -> None:
        create(client)
        sql(
            shim_settings,
            "CREATE TABLE analytics.plain AS SELECT 'hunter2' AS secret; ANALYZE analytics.plain;"
            " GRANT SELECT ON analytics.plain TO dataops_reader",
        )

        refused = client.post(f"{PATH}/plain/refresh").json()["detail"]
        shown = client.get(f"{PATH}/plain/preview")
        exported = client.post("/api/v1/mvp/export/excel/datamart/plain", json={})
        [told] = client.get(f"{PATH}?include_statistics=true").json()["datamarts"]

        assert (shown.status_code, shown.json()["detail"]) == (409, refused)
        assert (exported.status_code, exported.json()["detail"]) == (409, refused)
        assert told["statistics"] == {}

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE SEQUENCE analytics.plain",
            "CREATE TYPE analytics.plain AS (n int)",
            "CREATE TABLE analytics.other (n int); ALTER TABLE analytics.other OWNER TO dataops_builder;"
            " CREATE INDEX plain ON analytics.other (n)",
        ],
    )
    def test_whose_name_is_no_tables_any_more_says_so(
        self, client: TestClient, shim_settings: Settings, statement: str
    ) -> None:
        create(client)
        sql(shim_settings, statement)

        shown = client.get(f"{PATH}/plain/preview")

        assert (shown.status_code, "analytics.plain exists already" in shown.json()["detail"]) == (409, True)


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

    @pytest.mark.parametrize("taken", ["CREATE DOMAIN {} AS int", "CREATE TYPE {} AS ENUM ('a')"])
    def test_one_that_a_type_has_is_refused_when_it_is_made_and_when_it_is_filled(
        self, client: TestClient, shim_settings: Settings, taken: str
    ) -> None:
        create(client, "before")
        for name in ("plain", "before", "rec", "ver__v1"):
            sql(shim_settings, taken.format(f"analytics.{name}"))
        post_version(client, "one", "v2", name="ver")

        refused = [
            create(client),
            client.post(f"{PATH}/before/refresh"),
            post_version(client, "one"),
            post_version(client, "one", name="ver"),
        ]

        for each, name in zip(refused, ("plain", "before", "rec", "ver__v1"), strict=True):
            told = each.json()["detail"]
            assert (each.status_code, f"analytics.{name} exists already and is a type" in told) == (409, True), told
