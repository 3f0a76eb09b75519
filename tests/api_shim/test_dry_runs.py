"""Dry runs over HTTP: what would become of each row, and nothing that changes."""

from typing import Any

import pytest
from fastapi import FastAPI

from dataops_defs.domain.naming import op_name
from tests.api_shim.conftest import REGISTRY, Api
from tests.api_shim.holders import holder
from tests.api_shim.in_process import InProcessLauncher


def stored(api: Api) -> dict[str, Any]:
    """What users see of the definitions, their data and what was rejected."""
    kinds = ("sources", "datasets", "mappings", "object-types")
    shown = {kind: api.get(f"/{kind}") for kind in kinds}
    shown["objects"] = api.get("/object-types/aircraft/objects")
    shown["rejects"] = [api.get(f"/mappings/{each['id']}/rejects") for each in shown["mappings"]]
    shown["copies"] = sorted(str(path) for path in api.files.parent.rglob("*.parquet"))
    return shown


class TestAPipeline:
    @pytest.mark.parametrize("word", ["dryRun", "dry_run"])
    def test_tells_what_would_become_of_each_row(self, api: Api, launcher: InProcessLauncher, word: str) -> None:
        made = api.pipeline()
        before = stored(api)

        told = api.post(f"/pipelines/{made['id']}/execute", {word: True})

        assert stored(api) == before
        assert (told["status"], told["dryRun"]) == ("completed", True)
        by_id = {node["id"]: node for node in told["nodes"]}
        assert by_id["ds-1"]["ledger"]["inserted"] == 3
        assert (by_id["map-1"]["ledger"]["inserted"], by_id["map-1"]["ledger"]["rejected"]) == (2, 1)
        step = next(step for step in told["steps"] if step["nodeId"] == "map-1")
        [reject] = step["rejects"]
        assert (reject["rowNumber"], reject["raw"]["tail_number"]) == (3, "N00001")
        assert "uri" not in step
        [launch] = launcher.launched
        assert launch.tags["dataops/dry_run"] == "true"
        assert launch.run_config["ops"][op_name(launch.job)]["config"]["dry_run"] is True

    def test_is_told_apart_everywhere(self, api: Api) -> None:
        made = api.pipeline()
        told = api.post(f"/pipelines/{made['id']}/execute", {"dryRun": True})
        dataset = next(node["data"]["datasetId"] for node in made["nodes"] if node["type"] == "dataset")

        assert [each["dryRun"] for each in api.get(f"/pipelines/{made['id']}/executions")] == [True]
        assert "lastExecution" not in api.get(f"/pipelines/{made['id']}")
        assert [each["dryRun"] for each in api.get(f"/datasets/{dataset}/history")] == [True]
        entry = next(each for each in api.get("/audit") if each["action"] == "pipeline.execute")
        assert entry["detail"]["dryRun"] is True
        done = api.post(f"/pipelines/{made['id']}/execute", {})
        assert done["dryRun"] is False
        assert [each["id"] for each in api.get("/executions?dryRun=true")] == [told["id"]]
        assert [each["id"] for each in api.get("/executions?dry_run=false")] == [done["id"]]
        assert api.get(f"/pipelines/{made['id']}")["lastExecution"]["id"] == done["id"]

    def test_cancelled_while_it_is_paused_leaves_no_copy(self, api: Api, launcher: InProcessLauncher) -> None:
        made = api.pipeline()
        launcher.held = True
        path = f"/api/v1/dataops/pipelines/{made['id']}/execute"
        run = api.client.post(path, json={"dryRun": True}, headers={"Prefer": "respond-async"}).json()
        assert {node["status"] for node in run["nodes"]} == {"waiting"}
        api.post(f"/executions/{run['id']}/pause")

        assert api.post(f"/executions/{run['id']}/cancel")["status"] == "cancelled"
        assert not list(api.files.parent.rglob("*.parquet"))

    def test_takes_no_other_wish(self, api: Api) -> None:
        made = api.pipeline()
        path = f"/pipelines/{made['id']}/execute"

        assert api.refused("POST", path, {"dryRun": "yes"}) == (422, ["dryRun"])
        assert api.refused("POST", path, {"wet": True}) == (422, ["wet"])
        assert api.refused("POST", "/pipelines/none/execute", {"dryRun": True})[0] == 404


class TestRowsThatWouldBeRejected:
    def test_are_shown_to_those_only_who_may_use_the_source(self, app: FastAPI, api: Api) -> None:
        made = api.pipeline()
        data = {node["id"]: node["data"] for node in made["nodes"]}
        told = api.post(f"/pipelines/{made['id']}/execute", {"dryRun": True})
        api.post(f"/datasets/{data['ds-1']['datasetId']}/extract")
        stranger = holder(api, app, "stranger", "editor")
        path = f"/api/v1/dataops/sources/{data['src-1']['sourceId']}/grants"
        assert api.client.put(path, json={"grants": [{"token": "stranger", "may": "see"}]}).status_code == 200

        shown = stranger.get(f"/executions/{told['id']}")

        assert not any("rejects" in step for step in shown["steps"])
        assert any("rejects" in step for step in api.get(f"/executions/{told['id']}")["steps"])
        assert shown["nodes"] == told["nodes"]
        assert stranger.refused("POST", f"/pipelines/{made['id']}/execute", {"dryRun": True})[0] == 403
        sync = f"/mappings/{data['map-1']['mappingId']}/sync"
        assert stranger.refused("POST", sync, {"dryRun": True})[0] == 403
        assert stranger.refused("POST", sync, {})[0] == 403


class TestAMapping:
    def test_tells_what_its_sync_would_do(self, api: Api) -> None:
        mapping = api.mapping()
        api.post(f"/mappings/{mapping['id']}/sync")
        (api.files / "registry.csv").write_text(REGISTRY.replace("A320-200", "A321"))
        before = stored(api)

        told = api.post(f"/mappings/{mapping['id']}/sync", {"dryRun": True})

        assert stored(api) == before
        # The newest raw copy is read, as a sync does; the file's change is a matter of the next extraction.
        assert {name: told[name] for name in ("success", "dryRun", "processed", "unchanged", "failed")} == {
            "success": True,
            "dryRun": True,
            "processed": 3,
            "unchanged": 2,
            "failed": 1,
        }
        assert len(told["rejects"]) == 1
        assert "dryRun" not in api.post(f"/mappings/{mapping['id']}/sync")


class TestADataset:
    def test_tells_what_an_extraction_would_bring(self, api: Api) -> None:
        dataset = api.dataset()

        told = api.post(f"/datasets/{dataset['id']}/extract", {"dryRun": True})

        assert (told["success"], told["dryRun"], told["records"]) == (True, True, 3)
        assert "s3Path" not in told
        assert api.get(f"/datasets/{dataset['id']}") == dataset
        assert not list(api.files.parent.rglob("*.parquet"))
