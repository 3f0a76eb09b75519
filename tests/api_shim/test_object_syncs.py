"""Syncs over HTTP, into either store: rows without a key, and names that a store may trip over."""

from typing import Any

import pytest

from tests.api_shim.conftest import Api
from tests.api_shim.object_scenes import store

__all__ = ["store"]


@pytest.mark.usefixtures("dynamodb")
class TestASync:
    def mapped(self, api: Api, store: str, properties: dict[str, Any], text: str, **sync: str) -> str:
        """The path of a mapping to a type ``thing`` whose key is its first property."""
        key = next(iter(properties))
        body = {"name": "thing", "keyField": key, "store": store, "schema": {"properties": properties}}
        api.post("/object-types", body)
        dataset = api.dataset("Things", source=api.source("Things", text))
        columns = {name: {"sourceColumn": name} for name in properties}
        body = {"datasetId": dataset["id"], "objectType": "thing", "mappings": columns, "sync": sync}
        return f"/mappings/{api.post('/mappings', body)['id']}"

    @pytest.mark.parametrize("kind", ["string", ["string", "null"], "integer"])
    def test_a_row_without_a_key_is_a_reject_and_the_others_are_written(self, api: Api, store: str, kind: Any) -> None:
        mapping = self.mapped(api, store, {"k": {"type": kind}, "v": {"type": "integer"}}, "k,v\n1,10\n,20\n3,30\n")
        done = api.post(f"{mapping}/sync")
        assert (done["inserted"], done["failed"]) == (2, 1)
        (reject,) = api.get(f"{mapping}/rejects")
        assert (reject["rowNumber"], reject["reason"], reject["column"]) == (2, "k: the key is empty", "k")
        assert {each["v"] for each in api.get("/object-types/thing/objects")} == {10, 30}

    @pytest.mark.parametrize("mode", ["upsert", "replace", "append"])
    def test_properties_may_have_names_of_one_letter(self, api: Api, store: str, mode: str) -> None:
        names = list("kstodpc")
        properties = {name: {"type": "string"} for name in names}
        text = f"{','.join(names)}\n" + "".join(f"{each},{','.join('x' * 6)}\n" for each in "abb")
        mapping = self.mapped(api, store, properties, text, mode=mode)
        done = api.post(f"{mapping}/sync")
        assert (done["inserted"], done["failed"]) == (2, 1), api.get(f"{mapping}/rejects")
        done = api.post(f"{mapping}/sync")
        assert (done["inserted"], done["failed"]) == (0, 3 if mode == "append" else 1)
        found = api.get("/object-types/thing/objects?where=t:eq:x&where=o:eq:x&q=x")
        assert sorted(each["k"] for each in found) == ["a", "b"]
        one = api.get("/object-types/thing/objects/a")
        assert {name: one[name] for name in names} == {**dict.fromkeys(names, "x"), "k": "a"}
        wanted = {"properties": {**properties, "o": {"type": "string", "maxLength": 0}}}
        assert api.post("/object-types/thing/plan", {"schema": wanted})["violating"] == 2
