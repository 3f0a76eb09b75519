"""A dry run on the whole platform, whose worker is killed: all is told, and nothing kept."""

import os
import signal
from typing import Any

import httpx

from tests.stories.conftest import RunningStack, wait_for
from tests.stories.test_faults import BASE, execution, pipeline_id, syncing_worker

MATERIALISED = "query($id: ID!) { runOrError(runId: $id) { ... on Run { assetMaterializations { runId } } } }"


def kept(stack: RunningStack) -> dict[str, Any]:
    return {
        "copies": sorted(path.name for path in stack.home.rglob("*.parquet")),
        "ledger": stack.sql("WAREHOUSE", "SELECT count(*) FROM dataops.ledger"),
        "rejects": stack.sql(
            "WAREHOUSE", "SELECT count(*), count(*) FILTER (WHERE state = 'open') FROM dataops.reject"
        ),
        "flights": stack.sql("WAREHOUSE", "SELECT count(*), count(DISTINCT _run_id) FROM objects.flight"),
        "datasets": stack.api.get(f"{BASE}/datasets").json(),
        "mappings": stack.api.get(f"{BASE}/mappings").json(),
    }


class TestADryRun:
    def test_is_continued_when_its_worker_is_killed_and_keeps_nothing(self, stack: RunningStack) -> None:
        before = kept(stack)
        path = f"{BASE}/pipelines/{pipeline_id(stack)}/execute"
        id = stack.api.post(path, json={"dryRun": True}, headers={"Prefer": "respond-async"}).json()["id"]

        os.kill(wait_for(lambda: syncing_worker(stack), 60), signal.SIGKILL)
        wait_for(lambda: execution(stack, id)["status"] == "completed", 120)

        done = execution(stack, id)
        assert (done["workersUsed"], done["dryRun"]) == (2, True)
        assert {node["status"] for node in done["nodes"]} == {"completed"}
        told = {step["name"]: step for step in done["steps"]}
        assert told["Flights to flight"]["ledger"]["unchanged"] == 336_776
        assert len(told["Airports to airport"]["rejects"]) == 3
        assert kept(stack) == before
        query = {"query": MATERIALISED, "variables": {"id": done["dagsterRunId"]}}
        answer = httpx.post(f"{stack.ui_url}/graphql", json=query, timeout=30).json()
        assert answer["data"]["runOrError"]["assetMaterializations"] == []
