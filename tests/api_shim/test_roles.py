"""What each role may do, asked of every route that the OpenAPI document lists. Source: DECISIONS 15."""

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from api_shim.auth import VIEWERS_MAY
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.api_shim.conftest import COLUMNS, Api
from tests.api_shim.holders import holder

OF_ADMINS = ("/api/v1/dataops/tokens", "/api/v1/dataops/secrets", "/api/v1/dataops/audit")


@pytest.fixture
def viewer(api: Api, app: FastAPI) -> Api:
    return holder(api, app, "a viewer", "viewer")


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    """All methods and paths that ask for a token."""
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            if "security" in operation:
                yield method.upper(), path


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "0192f3a1-0000-7000-8000-000000000001", path)


class TestAViewer:
    def test_is_refused_by_every_route_that_changes_something(self, app: FastAPI, viewer: Api) -> None:
        changing = [each for each in operations(app) if each[0] != "GET" and " ".join(each) not in VIEWERS_MAY]
        assert len(changing) > 30

        answers = [(viewer.client.request(method, filled(path)).status_code, method, path) for method, path in changing]

        assert [each for each in answers if each[0] != 403] == []

    def test_may_make_the_requests_that_are_listed_and_they_exist(self, app: FastAPI, viewer: Api) -> None:
        listed = {tuple(each.split()) for each in VIEWERS_MAY}
        assert listed <= set(operations(app))

        answers = [(viewer.client.request(method, filled(path)).status_code, path) for method, path in listed]

        assert [each for each in answers if each[0] != 422] == []

    def test_looks_into_what_is_saved(self, api: Api, viewer: Api) -> None:
        dataset = api.dataset()
        api.object_type()
        mapped = {"datasetId": dataset["id"], "objectType": "aircraft"}

        assert viewer.post("/datasets/preview", {"sourceId": dataset["sourceId"]})["rows"]
        assert viewer.post("/mappings/preview", mapped | {"mappings": COLUMNS})["rows"]
        assert viewer.post("/mappings/suggest", mapped)["suggestions"]
        assert viewer.post("/pipelines/validate", {"nodes": [], "edges": []})["order"] == []

    def test_has_nothing_posted_to_an_api(self, api: Api, viewer: Api) -> None:
        with RestServer().running() as server:
            server.answers("/", Reply([{"id": 1}]))
            api.client.app.state.shim.settings.allowed_hosts = "127.0.0.1"  # type: ignore[attr-defined]
            source = api.post("/sources", {"name": "Api", "type": "api", "connection": {"endpoint": server.url}})
            post = {"type": "api", "endpoint": "/", "method": "POST", "body": {"delete": "all"}}

            refused = viewer.refused("POST", "/datasets/preview", {"sourceId": source["id"], "extraction": post})

            assert (refused[0], server.asked) == (403, [])


class TestAnEditor:
    def test_is_refused_by_every_route_of_admins_and_that_is_in_the_audit(self, api: Api, app: FastAPI) -> None:
        editor = holder(api, app, "an editor", "editor")
        asked = [each for each in operations(app) if each[1].startswith(OF_ADMINS)]
        assert {path for _, path in asked} >= set(OF_ADMINS)

        answers = {editor.client.request(method, filled(path)).status_code for method, path in asked}

        assert answers == {403}
        lines = api.get("/audit?actor=an%20editor&limit=500")
        assert {line["action"] for line in lines} == {f"{method} {filled(path)}" for method, path in asked}
        assert {line["outcome"] for line in lines} == {"refused"}
