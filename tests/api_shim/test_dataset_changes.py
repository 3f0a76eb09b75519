"""Schema drift and incremental extraction over HTTP, from the dataset's creation to its history."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from fastapi.testclient import TestClient

from tests.api_shim.conftest import Api

HOW = {"cursorColumn": "changed", "keyColumns": ["id"], "lagSeconds": 60, "deletions": "keys"}


class Shop:
    """A user's database with a table of orders, as a source of the platform."""

    def __init__(self, api: Api, url: str) -> None:
        self._connection = psycopg2.connect(url.replace("+psycopg2", ""))
        self._connection.autocommit = True
        parts = urlsplit(url)
        place = {"host": parts.hostname, "port": parts.port, "database": parts.path.lstrip("/")}
        connection = {**place, "username": parts.username, "password": parts.password}
        self.source = api.post("/sources", {"name": "Shop", "type": "postgres", "connection": connection})
        self.sql("CREATE TABLE orders (id int, name text, changed timestamptz)")
        self.sql(
            "INSERT INTO orders SELECT n, 'order', timestamptz '2025-01-01Z' + n * interval '1 h'"
            " FROM generate_series(1, 3) n"
        )

    def sql(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def shop(api: Api, operations_url: str) -> Iterator[Shop]:
    with closing(Shop(api, operations_url)) as made:
        yield made


def dataset(api: Api, shop: Shop, **more: Any) -> Any:
    extraction = {"type": "sql", "query": "SELECT * FROM orders"} | more.pop("extraction", {})
    return api.dataset("Orders", source=shop.source, extraction=extraction, **more)


class TestAnIncrementalDataset:
    def test_is_created_extracted_and_told_of(self, api: Api, shop: Shop) -> None:
        made = dataset(api, shop, extraction={"incremental": HOW})
        assert made["extraction"]["incremental"] == {**HOW, "lag": 0}
        path = f"/datasets/{made['id']}"
        first = api.post(f"{path}/extract")
        assert (first["records"], first["read"], first["inserted"], first["incremental"]) == (3, 3, 3, False)
        shop.sql("DELETE FROM orders WHERE id = 1")
        shop.sql("UPDATE orders SET name = 'changed', changed = '2025-01-02Z' WHERE id = 2")
        shop.sql("INSERT INTO orders VALUES (4, 'new', '2025-01-02Z'), (NULL, 'nobody', '2025-01-02Z')")

        second = api.post(f"{path}/extract", {})

        counts = ("records", "read", "inserted", "updated", "unchanged", "deleted", "rejected")
        assert [second[name] for name in counts] == [3, 4, 1, 1, 1, 1, 1]
        assert (second["incremental"], second["quarantined"]) == (True, False)
        assert api.get(path)["mark"] == "2025-01-02T00:00:00Z"
        assert api.get(path)["records"] == 3
        [reject] = api.get(f"{path}/rejects")
        assert reject["reason"] == "the key 'id' is empty"

        full = api.post(f"{path}/extract", {"full": True})
        assert [full[name] for name in counts] == [3, 4, 0, 0, 3, 0, 1]
        assert full["incremental"] is False

    def test_has_a_history_with_all_counts(self, api: Api, shop: Shop) -> None:
        made = dataset(api, shop, extraction={"incremental": HOW})
        path = f"/datasets/{made['id']}"
        done = [api.post(f"{path}/extract") for _ in range(2)]
        shop.sql("ALTER TABLE orders ADD note text")
        shop.sql("INSERT INTO orders VALUES (5, 'x', '2025-01-03Z', 'y')")
        done.append(api.post(f"{path}/extract"))

        third, second, first = api.get(f"{path}/history")

        assert [each["executionId"] for each in (first, second, third)] == [each["executionId"] for each in done]
        assert first["bytes"] > 0
        assert (second["bytes"], second["s3Path"]) == (0, first["s3Path"])
        assert (first["incremental"], second["incremental"]) == (False, True)
        assert {name: third[name] for name in ("read", "inserted", "unchanged", "records", "mark")} == {
            "read": 4,
            "inserted": 1,
            "unchanged": 3,
            "records": 4,
            "mark": "2025-01-03T00:00:00Z",
        }
        assert third["durationMs"] >= 0
        assert [each["name"] for each in third["schema"]] == ["id", "name", "changed", "note"]
        assert third["drift"]["added"] == [{"name": "note", "type": "string"}]
        assert "drift" not in second
        assert api.get(f"{path}/history?limit=1&offset=2") == [first]

    def test_is_refused_with_the_field_that_is_wrong(self, api: Api, shop: Shop) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({**HOW, "cursorColumn": None}, "extraction.incremental.cursorColumn"),
            ({**HOW, "keyColumns": []}, "extraction.incremental.keyColumns"),
            ({**HOW, "lagSeconds": "5"}, "extraction.incremental.lagSeconds"),
            ({**HOW, "deletions": "soft"}, "extraction.incremental.deletions"),
            ({**HOW, "param": "since"}, "extraction.incremental.param"),
            ({**HOW, "since": "2025"}, "extraction.incremental.since"),
        ]
        for wrong, field in cases:
            body = {
                "name": "x",
                "sourceId": shop.source["id"],
                "extraction": {"type": "sql", "query": "SELECT 1 AS id", "incremental": wrong},
            }
            assert api.refused("POST", "/datasets", body) == (422, [field]), wrong

    def test_is_not_made_of_files_and_it_is_said_why(self, api: Api, client: TestClient) -> None:
        body = {"name": "x", "sourceId": api.source()["id"], "extraction": {"type": "file", "incremental": HOW}}

        reply = client.post("/api/v1/dataops/datasets", json=body)

        assert reply.status_code == 422
        assert reply.json()["errors"][0]["field"] == "extraction.incremental"
        assert "files cannot be asked for rows that are new" in reply.json()["detail"]

    def test_whose_query_lacks_the_cursor_fails_with_its_field(self, api: Api, shop: Shop, client: TestClient) -> None:
        made = dataset(api, shop, extraction={"incremental": {**HOW, "cursorColumn": "when"}})
        reply = client.post(f"/api/v1/dataops/datasets/{made['id']}/extract")
        assert reply.status_code == 422
        assert "extraction.incremental.cursorColumn: the query does not give 'when'" in reply.json()["detail"]

    def test_takes_no_unknown_wish(self, api: Api, shop: Shop) -> None:
        made = dataset(api, shop)
        for body, field in (({"ful": True}, "ful"), ({"full": "yes"}, "full"), ([1], "body")):
            status, fields = api.refused("POST", f"/datasets/{made['id']}/extract", body)
            assert (status, fields) == (422, [field])


class TestAPolicyForColumns:
    def test_is_evolve_unless_another_is_named(self, api: Api, shop: Shop) -> None:
        made = dataset(api, shop)
        path = f"/datasets/{made['id']}"
        assert made["schemaPolicy"] == "evolve"
        assert api.patch(path, {"schemaPolicy": "freeze"})["schemaPolicy"] == "freeze"
        assert api.refused("PATCH", path, {"schemaPolicy": "melt"}) == (422, ["schemaPolicy"])
        assert api.refused("PATCH", path, {"schemaPolicy": None}) == (422, ["schemaPolicy"])

    def test_evolve_shows_what_has_changed(self, api: Api, shop: Shop) -> None:
        path = f"/datasets/{dataset(api, shop)['id']}"
        api.post(f"{path}/extract")
        shop.sql("ALTER TABLE orders DROP name")

        done = api.post(f"{path}/extract")

        gone = {"added": [], "removed": [{"name": "name", "type": "string"}], "retyped": [], "nullability": []}
        assert done["drift"] == api.get(path)["drift"] == gone
        assert api.get(path)["status"] == "active"
        assert [each["name"] for each in api.get(path)["columns"]] == ["id", "changed"]

    def test_freeze_refuses_until_the_schema_is_accepted(self, api: Api, shop: Shop, client: TestClient) -> None:
        path = f"/datasets/{dataset(api, shop, schemaPolicy='freeze')['id']}"
        kept = api.post(f"{path}/extract")["s3Path"]
        assert api.refused("POST", f"{path}/schema/accept")[0] == 409
        shop.sql("ALTER TABLE orders ALTER id TYPE text")

        reply = client.post(f"/api/v1/dataops{path}/extract")

        assert (reply.status_code, reply.json()["code"]) == (409, "SCHEMA_CHANGED")
        assert "column 'id' is now string, was int32" in reply.json()["detail"]
        found = api.get(path)
        assert (found["status"], found["waiting"]["drift"]["retyped"][0]["name"]) == ("error", "id")
        assert "was refused, because the schema is frozen" in found["problem"]
        assert api.get(f"{path}/history")[1]["s3Path"] == kept

        accepted = api.post(f"{path}/schema/accept")
        assert (accepted["status"], accepted.get("waiting"), accepted.get("problem")) == ("active", None, None)
        assert api.post(f"{path}/extract")["drift"]["retyped"][0]["now"] == "string"

    def test_quarantine_keeps_the_copy_aside_until_it_is_accepted(self, api: Api, shop: Shop) -> None:
        path = f"/datasets/{dataset(api, shop, schemaPolicy='quarantine')['id']}"
        api.post(f"{path}/extract")
        shop.sql("ALTER TABLE orders ADD note text")
        shop.sql("INSERT INTO orders VALUES (9, 'x', now(), 'y')")

        done = api.post(f"{path}/extract")

        assert (done["quarantined"], done["records"]) == (True, 4)
        found = api.get(path)
        assert (found["status"], found["records"], len(found["columns"])) == ("error", 3, 3)
        assert (found["waiting"]["s3Path"], found["waiting"]["records"]) == (done["s3Path"], 4)
        assert api.get("/datasets")[0]["status"] == "error"

        accepted = api.post(f"{path}/schema/accept")

        assert (accepted["status"], accepted["records"], len(accepted["columns"])) == ("active", 4, 4)
        line = next(each for each in api.get("/audit") if each["action"] == "dataset.schema.accept")
        assert line["detail"]["s3Path"] == done["s3Path"]
        assert line["detail"]["drift"]["added"] == [{"name": "note", "type": "string"}]

    def test_what_waits_goes_with_a_query_that_is_changed(self, api: Api, shop: Shop) -> None:
        path = f"/datasets/{dataset(api, shop, schemaPolicy='quarantine')['id']}"
        api.post(f"{path}/extract")
        shop.sql("ALTER TABLE orders ADD note text")
        api.post(f"{path}/extract")
        extraction = {"type": "sql", "query": "SELECT id, name, changed FROM orders"}

        assert "waiting" not in api.patch(path, {"extraction": extraction})
        assert api.refused("POST", f"{path}/schema/accept")[0] == 409
        assert api.post(f"{path}/extract")["quarantined"] is False

    def test_accepting_takes_an_editor(self, api: Api, shop: Shop, client: TestClient) -> None:
        path = f"/datasets/{dataset(api, shop)['id']}"
        token = api.post("/tokens", {"name": "reader", "role": "viewer"})["token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert client.post(f"/api/v1/dataops{path}/schema/accept", headers=headers).status_code == 403
