"""Nested and exploded mappings over HTTP, and defaults that the type does not allow. Source: document 004, US-3."""

from typing import Any

import pytest

from tests.api_shim.conftest import COLUMNS, Api

ORDERS = """\
id,customer,lines
1,"{""name"": ""Ann"", ""city"": ""Oslo""}","[{""sku"": ""a"", ""count"": 2}, {""sku"": ""b"", ""count"": -1}]"
2,"{""name"": ""Bob""}",[]
3,,"[{""sku"": ""c"", ""count"": 3}]"
"""
LINE = {
    "type": "object",
    "required": ["sku"],
    "properties": {
        "sku": {"type": "string"},
        "count": {"type": "integer", "minimum": 0},
        "order": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "buyer": {"type": "string"}},
            "additionalProperties": False,
        },
    },
}
MAPPED: dict[str, Any] = {
    "sku": {"sourceColumn": "lines.sku"},
    "count": {"sourceColumn": "lines.count"},
    "order.id": {"sourceColumn": "id"},
    "order.buyer": {"sourceColumn": "customer.name", "transform": "upper", "defaultValue": "NOBODY"},
}


@pytest.fixture
def wanted(api: Api) -> dict[str, Any]:
    """What makes objects of the lines of three orders."""
    api.post("/object-types", {"name": "line", "schema": LINE, "keyField": "sku"})
    dataset = api.dataset("Orders", source=api.source("Orders", ORDERS))
    api.post(f"/datasets/{dataset['id']}/extract")
    return {"datasetId": dataset["id"], "objectType": "line", "mappings": MAPPED, "explode": "lines"}


class TestLinesOfOrders:
    def test_become_objects_and_the_ledger_accounts_for_each(self, api: Api, wanted: dict[str, Any]) -> None:
        made = api.post("/mappings", wanted)
        assert made["explode"] == "lines"

        done = api.post(f"/mappings/{made['id']}/sync")

        assert (done["processed"], done["inserted"], done["failed"], done["filtered"]) == (4, 2, 1, 1)
        found = {each["sku"]: each for each in api.get("/object-types/line/objects")}
        assert found["a"]["order"] == {"id": 1, "buyer": "ANN"}
        assert found["c"]["order"] == {"id": 3, "buyer": "NOBODY"}

        [reject] = api.get(f"/mappings/{made['id']}/rejects")
        assert (reject["rowNumber"], reject["column"]) == (1, "lines[1].count")
        assert reject["raw"]["lines"] == '[{"sku":"b","count":-1}]'
        mended = {"id": reject["id"], "raw": {"lines": '[{"sku":"b","count":1}]'}}
        again = api.post(f"/mappings/{made['id']}/rejects/replay", {"rows": [mended]})
        assert (again["processed"], again["succeeded"]) == (1, 1)
        [b] = api.get("/object-types/line/objects?key=b")
        assert (b["count"], b["order"]) == (1, {"id": 1, "buyer": "ANN"})

    def test_are_seen_in_a_preview(self, api: Api, wanted: dict[str, Any]) -> None:
        seen = api.post("/mappings/preview", {**wanted, "limit": 3})

        assert seen["columns"] == ["sku", "count", "order"]
        assert [row["sku"] for row in seen["rows"]] == ["a", "c"]
        assert [(each["rowNumber"], each["column"]) for each in seen["rejected"]] == [(1, "lines[1].count")]

    def test_may_be_exploded_later_or_no_more(self, api: Api, wanted: dict[str, Any]) -> None:
        made = api.post("/mappings", {**wanted, "mappings": {"sku": {"sourceColumn": "lines.sku"}}, "explode": None})
        assert "explode" not in made

        assert api.patch(f"/mappings/{made['id']}", {"explode": "lines"})["explode"] == "lines"
        assert "explode" not in api.patch(f"/mappings/{made['id']}", {"explode": None})
        assert api.refused("PATCH", f"/mappings/{made['id']}", {"explode": "id"}) == (422, ["explode"])


class TestWhatIsRefusedWhenItIsSaved:
    CASES = [
        ({"explode": "none"}, "explode"),
        ({"explode": "id"}, "explode"),
        ({"mappings": {**MAPPED, "order.total": {"sourceColumn": "id"}}}, "mappings.order.total"),
        ({"mappings": {**MAPPED, "sku.part": {"sourceColumn": "id"}}}, "mappings.sku.part"),
        ({"mappings": {**MAPPED, "order": {"sourceColumn": "customer"}}}, "mappings.order.id"),
        ({"mappings": {**MAPPED, "count": {"sourceColumn": "lines.["}}}, "mappings.count.sourceColumn"),
        ({"mappings": {**MAPPED, "count": {"sourceColumn": "id.x"}}}, "mappings.count.sourceColumn"),
        ({"mappings": {**MAPPED, "count": {"sourceColumn": "nothing.x"}}}, "mappings.count.sourceColumn"),
        (
            {"mappings": {**MAPPED, "order.id": {"sourceColumn": "id", "defaultValue": "one"}}},
            "mappings.order.id.defaultValue",
        ),
        (
            {"mappings": {**MAPPED, "count": {"sourceColumn": "lines.count", "defaultValue": -1}}},
            "mappings.count.defaultValue",
        ),
    ]

    def test_names_its_field(self, api: Api, wanted: dict[str, Any]) -> None:
        for change, field in self.CASES:
            status, fields = api.refused("POST", "/mappings", {**wanted, **change})

            assert (status, field in fields) == (422, True), change
            assert api.get("/mappings") == []

    def test_a_default_of_another_type(self, api: Api) -> None:
        api.object_type()
        body = {"datasetId": api.dataset()["id"], "objectType": "aircraft"}
        for default, right in [("unknown", False), (5, False), ("active", True)]:
            status = {"sourceColumn": "active", "transform": "value ? 'active' : null", "defaultValue": default}
            wanted = {**body, "mappings": {**COLUMNS, "status": status}}
            if right:
                assert api.post("/mappings", wanted)["mappings"]["status"]["defaultValue"] == default
            else:
                assert api.refused("POST", "/mappings", wanted) == (422, ["mappings.status.defaultValue"])
