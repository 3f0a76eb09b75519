"""A REST API as a source, from its first test to the rows of its dataset. Source: document 004, US-1 and US-2."""

from collections.abc import Iterator
from typing import Any

import pytest

from dataops_defs.settings import Settings
from tests.adapters.sources.rest_server import Asked, Reply, RestServer
from tests.api_shim.conftest import Api

TOKEN = "a-token-of-the-fleet-api"
ITEMS: list[Any] = [
    {"tail_number": f"N{number:03}", "seats": number, "home": {"city": "Zürich"}} for number in range(25)
]
PAGING = {"type": "cursor", "param": "after", "cursorPath": "next"}
EXTRACTION = {"type": "api", "endpoint": "/aircraft", "method": "GET", "recordsPath": "items", "paging": PAGING}


@pytest.fixture
def fleet() -> Iterator[RestServer]:
    """An API of 25 aircraft in three pages, with a thing among them that is none."""
    records = [*ITEMS[:10], "ceci n'est pas un avion", *ITEMS[10:]]

    def aircraft(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply({"error": "who are you?"}, 401)
        start = int(asked.query.get("after", 0))
        left = start + 10 < len(records)
        return Reply({"items": records[start : start + 10], "next": start + 10 if left else None})

    with RestServer().running() as server:
        server.routes["/v1/aircraft"] = aircraft
        server.answers("/v1", Reply({"name": "fleet"}))
        yield server


@pytest.fixture
def shim_settings(shim_settings: Settings, fleet: RestServer) -> Settings:
    """An administrator has named the API's host, which is no public one."""
    return shim_settings.model_copy(update={"allowed_hosts": f"127.0.0.1:{fleet.port}"})


def connection(fleet: RestServer, **other: Any) -> dict[str, Any]:
    return {"endpoint": f"{fleet.url}/v1", "authType": "bearer", "token": TOKEN} | other


def test_it_is_tested_saved_and_looked_into(api: Api, fleet: RestServer) -> None:
    tested = api.post("/sources/test", {"type": "api", "connection": connection(fleet)})
    assert (tested["success"], tested["message"]) == (True, "127.0.0.1 answered with 200 (application/json)")

    source = api.post("/sources", {"name": "Fleet", "type": "api", "connection": connection(fleet)})
    assert source["connection"] == {"endpoint": f"{fleet.url}/v1", "authType": "bearer"}
    assert source["secretFields"] == ["token"]

    seen = api.post("/datasets/preview", {"sourceId": source["id"], "extraction": EXTRACTION, "limit": 2})
    assert seen["rows"] == [
        {"tail_number": "N000", "seats": 0, "home": '{"city":"Zürich"}'},
        {"tail_number": "N001", "seats": 1, "home": '{"city":"Zürich"}'},
    ]
    assert [(each["name"], each["type"]) for each in seen["columns"]][1] == ("seats", "int64")
    assert seen["truncated"] is True


def test_its_dataset_is_extracted_and_what_is_no_record_is_kept_as_a_reject(api: Api, fleet: RestServer) -> None:
    source = api.post("/sources", {"name": "Fleet", "type": "api", "connection": connection(fleet)})
    made = api.dataset("Fleet", source=source, extraction=EXTRACTION)

    assert made["extraction"] == EXTRACTION
    assert len(api.get(f"/datasets/{made['id']}/preview?limit=5")["rows"]) == 5
    done = api.post(f"/datasets/{made['id']}/extract")

    assert (done["success"], done["records"], done["rejected"]) == (True, 25, 1)
    (reject,) = api.get(f"/datasets/{made['id']}/rejects")
    assert (reject["rowNumber"], reject["reason"]) == (11, "is text, not an object")
    assert reject["raw"] == {"record": "ceci n'est pas un avion"}


def test_credentials_that_are_refused_are_told_and_not_shown(api: Api, fleet: RestServer) -> None:
    fleet.answers("/v1", Reply({"error": "no token wrong-token-here"}, 401))

    tested = api.post("/sources/test", {"type": "api", "connection": connection(fleet, token="wrong-token-here")})

    assert not tested["success"]
    assert "refused the credentials" in tested["message"]
    assert "wrong-token-here" not in str(tested)


def test_a_wrong_connection_names_its_field(api: Api, fleet: RestServer) -> None:
    cases = [
        ({"authType": "magic"}, "authType"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers"),
        ({"headers": {"X-Api-Key": "x"}}, "headers"),
        ({"headers": {"Host": "internal"}}, "headers"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers"),
        ({"token": None}, "token"),
        ({"token": "schlüssel"}, "token"),
        ({"authType": "none"}, "authType"),
        ({"authType": "apikey", "apiKeyName": "X Key:"}, "apiKeyName"),
        ({"authType": "apikey", "apiKeyName": "Host"}, "apiKeyName"),
        ({"authType": "apikey", "apiKeyIn": "body"}, "apiKeyIn"),
        ({"endpoint": "ftp://api.example.com"}, "endpoint"),
        ({"endpoint": "https://user@api.example.com"}, "endpoint"),
        ({"method": "GET"}, "method"),
    ]
    for wrong, field in cases:
        body = {"name": "Fleet", "type": "api", "connection": connection(fleet, **wrong)}

        assert api.refused("POST", "/sources", body) == (422, [f"connection.{field}"]), wrong
        assert api.get("/sources") == []


def test_a_wrong_extraction_names_its_field(api: Api, fleet: RestServer) -> None:
    source = api.post("/sources", {"name": "Fleet", "type": "api", "connection": connection(fleet)})
    cases = [
        ({"endpoint": "https://elsewhere.example.com/x"}, "endpoint"),
        ({"endpoint": "../admin"}, "endpoint"),
        ({"method": "DELETE"}, "method"),
        ({"method": "GET", "body": {"a": 1}}, "body"),
        ({"paging": {"type": "scroll"}}, "paging.type"),
        ({"paging": {"type": "cursor", "param": "after"}}, "paging.cursorPath"),
        ({"query": "SELECT 1"}, "query"),
    ]
    for wrong, field in cases:
        body = {"name": "x", "sourceId": source["id"], "extraction": EXTRACTION | wrong}

        assert api.refused("POST", "/datasets", body) == (422, [f"extraction.{field}"]), wrong
        assert api.get("/datasets") == []


def test_a_token_does_not_follow_a_source_that_moves(api: Api, fleet: RestServer) -> None:
    source = api.post("/sources", {"name": "Fleet", "type": "api", "connection": connection(fleet)})
    moved = {"connection": {"endpoint": "https://elsewhere.example.com"}}

    assert api.refused("PATCH", f"/sources/{source['id']}", moved) == (422, ["connection.token"])
