"""What is particular to objects in DynamoDB, over HTTP: a table of one type, and what it cannot sort."""

import pytest

from dataops_defs.adapters.objects.dynamodb import reading as objects_dynamodb_reading
from tests.api_shim.conftest import Api
from tests.api_shim.object_scenes import PROPERTIES, fleet


@pytest.mark.usefixtures("dynamodb")
class TestObjectsInDynamoDB:
    def test_that_break_another_schema_are_counted_too(self, api: Api, table_name: str) -> None:
        fleet(api, f"dynamodb:{table_name}")
        properties = {name: {k: v for k, v in each.items() if k != "x-index"} for name, each in PROPERTIES.items()}
        wanted = {"schema": {"properties": {**properties, "year": {"type": "integer", "minimum": 2018}}}}
        assert api.post("/object-types/plane/plan", wanted)["violating"] == 1
        assert api.refused("PATCH", "/object-types/plane", wanted)[0] == 409
        assert api.patch("/object-types/plane?force=true", wanted)["version"] == 2

    def test_a_table_belongs_to_one_type_and_must_be_allowed(
        self, api: Api, table_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = {"keyField": "id", "schema": {"properties": {"id": {"type": "string"}}}}
        made = api.post("/object-types", {**body, "name": "one", "store": f"dynamodb:{table_name}"})
        assert made["properties"]["dataSource"] == f"dynamodb:{table_name}"
        assert api.get("/object-types/one/objects") == []
        assert api.refused("GET", "/object-types/one/objects/x")[0] == 404
        assert (
            api.refused("POST", "/object-types", {**body, "name": "two", "store": f"dynamodb:{table_name}"})[0] == 409
        )
        platform = api.client.app.state.shim.platform  # type: ignore[attr-defined]
        monkeypatch.setattr(platform.settings, "dynamodb_tables", "planes-*,other")
        assert api.refused("POST", "/object-types", {**body, "name": "three", "store": "dynamodb:users"}) == (
            422,
            ["store"],
        )

    def test_too_many_to_be_sorted_are_refused_and_still_paged(
        self, api: Api, table_name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planes = [(f"N{n:02d}", "m", n, None, True, None, None, None, None) for n in range(12)]
        fleet(api, f"dynamodb:{table_name}", planes)
        monkeypatch.setattr(objects_dynamodb_reading, "MOST_ITEMS", 10)
        assert api.refused("GET", "/object-types/plane/objects?sort=tail") == (422, ["sort"])
        reply = api.client.get("/api/v1/dataops/object-types/plane/objects?limit=5")
        assert len(reply.json()) == 5
        assert (reply.headers["X-Total-Count"], reply.headers["X-Total-Count-Exact"]) == ("5", "false")
        assert reply.headers["X-Next-After"] == reply.json()[-1]["tail"]
