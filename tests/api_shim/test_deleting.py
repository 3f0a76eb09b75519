"""Deleting with what is built on a definition, and with what it leaves behind. Source: DECISIONS 30."""

import time
from typing import Any

from fastapi import FastAPI

from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder

BASE = "/api/v1/dataops"


def ended(api: Api, path: str) -> Any:
    deadline = time.monotonic() + 30
    while (found := api.get(path.removeprefix(BASE)))["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


class TestCascade:
    def test_takes_along_all_that_is_built_on_it_and_says_so_in_the_audit(self, api: Api) -> None:
        graph = api.pipeline()
        source = graph["nodes"][0]["data"]["sourceId"]

        assert api.refused("DELETE", f"/sources/{source}")[0] == 409
        assert api.client.delete(f"{BASE}/sources/{source}?cascade=true").status_code == 204

        for kind in ("sources", "datasets", "mappings", "pipelines"):
            assert api.get(f"/{kind}") == []
        assert [each["name"] for each in api.get("/object-types")] == ["aircraft"]
        lines = [each for each in api.get("/audit?limit=50") if each["action"].endswith(".delete")]
        assert {each["action"] for each in lines} == {
            "source.delete",
            "dataset.delete",
            "mapping.delete",
            "pipeline.delete",
        }
        assert {each["detail"].get("with") for each in lines if each["action"] == "dataset.delete"} == {
            "source 'Registry'"
        }

    def test_takes_an_admin(self, api: Api, app: FastAPI) -> None:
        dataset = api.dataset()
        editor = holder(api, app, "an editor", "editor")

        for wish in ("cascade=true", "drop=true"):
            reply = editor.client.delete(f"{BASE}/datasets/{dataset['id']}?{wish}")
            assert (reply.status_code, reply.json()["code"]) == (403, "FORBIDDEN")
        assert api.get(f"/datasets/{dataset['id']}")["name"] == dataset["name"]

    def test_a_wish_that_is_none_is_refused(self, api: Api) -> None:
        dataset = api.dataset()

        assert api.refused("DELETE", f"/datasets/{dataset['id']}?cascade=perhaps") == (422, ["cascade"])
        assert api.refused("DELETE", f"/datasets/{dataset['id']}?force=true") == (422, ["force"])


class TestDrop:
    def test_takes_the_objects_and_the_raw_copies_along_as_an_execution(self, api: Api) -> None:
        mapping = api.mapping()
        api.post(f"/datasets/{mapping['datasetId']}/extract")
        api.post(f"/mappings/{mapping['id']}/sync")
        assert api.get("/object-types/aircraft/objects") != []

        reply = api.client.delete(f"{BASE}/object-types/aircraft?cascade=true&drop=true")
        assert reply.status_code == 204
        done = ended(api, reply.headers["Location"])
        assert (done["status"], done["kind"]) == ("completed", "drop")
        assert done["steps"][0]["ledger"]["deleted"] > 0

        copies = list((api.files.parent / "raw").rglob("*.parquet"))
        assert len(copies) == 1
        reply = api.client.delete(f"{BASE}/datasets/{mapping['datasetId']}?drop=true")
        assert ended(api, reply.headers["Location"])["status"] == "completed"
        assert not copies[0].exists()

    def test_without_it_everything_stays(self, api: Api) -> None:
        mapping = api.mapping()
        api.post(f"/datasets/{mapping['datasetId']}/extract")

        reply = api.client.delete(f"{BASE}/datasets/{mapping['datasetId']}?cascade=true")

        assert (reply.status_code, "Location" in reply.headers) == (204, False)
        assert len(list((api.files.parent / "raw").rglob("*.parquet"))) == 1
