"""The Dagster UI, the dagster command and REST show and do the same things."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from dataops_defs.settings import PROJECT
from tests.stories.conftest import RunningStack, wait_for

DAGSTER = str(Path(sys.executable).parent / "dagster")


def graphql(stack: RunningStack, query: str, **variables: Any) -> Any:
    answer = httpx.post(f"{stack.ui_url}/graphql", json={"query": query, "variables": variables}, timeout=30).json()
    assert "errors" not in answer, answer
    return answer["data"]


ASSETS = """{ assetNodes { assetKey { path } groupName description kinds owners { __typename }
  assetMaterializations(limit: 1) { metadataEntries { label } } } }"""


class TestTheUi:
    def test_every_asset_has_a_group_a_description_and_a_kind(self, stack: RunningStack) -> None:
        nodes = graphql(stack, ASSETS)["assetNodes"]
        mine = [node for node in nodes if node["groupName"] == "aviation"]
        assert len(mine) == 3 + 4 + 4 + 4 + 2  # sources, datasets, syncs, types; a watched folder and its table
        assert all(node["description"] and node["kinds"] and node["owners"] for node in mine)

    def test_what_rest_ran_is_materialised_with_rows_columns_preview_and_lineage(self, stack: RunningStack) -> None:
        nodes = {"/".join(node["assetKey"]["path"]): node for node in graphql(stack, ASSETS)["assetNodes"]}
        labels = {
            entry["label"]
            for entry in nodes["aviation/objects/aircraft"]["assetMaterializations"][0]["metadataEntries"]
        }
        assert {
            "dagster/row_count",
            "dagster/column_schema",
            "dagster/column_lineage",
            "preview",
            "dagster/uri",
        } <= labels

    def test_a_materialisation_from_the_ui_does_the_same_work_and_is_recorded(self, stack: RunningStack) -> None:
        launched = graphql(
            stack,
            """mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
              ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            p={
                "selector": {
                    "repositoryLocationName": "dataops",
                    "repositoryName": "__repository__",
                    "jobName": "__ASSET_JOB",
                    "assetSelection": [{"path": ["aviation", "raw", "airlines"]}],
                },
                "mode": "default",
                "runConfigData": {},
            },
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]

        def recorded() -> bool:
            query = "SELECT state, records_processed FROM run WHERE dagster_run_id = %s"
            return list(stack.sql("CATALOGUE", query, run_id)) == [("succeeded", 16)]

        wait_for(recorded, 60)

    def test_listens_on_loopback_only(self, stack: RunningStack) -> None:
        for name in ("webserver", "code-server", "postgres", "api"):
            process = psutil.Process(stack.pid(name))
            family = {process.pid, *(child.pid for child in process.children(recursive=True))}
            listening = {
                each.laddr.ip.removeprefix("::ffff:")
                for each in psutil.net_connections("tcp")
                if each.pid in family and each.status == "LISTEN"
            }
            assert listening, name
            assert listening <= {"127.0.0.1", "::1"}, name


class TestTheDagsterCommand:
    @pytest.mark.parametrize("asset", ["aviation/sync/airlines_to_airline"])
    def test_materialises_with_the_stack_up(self, stack: RunningStack, asset: str) -> None:
        before = stack.sql("CATALOGUE", "SELECT count(*) FROM run")[0][0]
        command = [DAGSTER, "asset", "materialize", "-m", "dataops_defs.definitions", "--select", f'key:"{asset}"']
        environment = {name: value for name, value in stack.environment.items() if name != "DAGSTER_HOME"}
        done = subprocess.run(
            command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        rows = stack.sql("CATALOGUE", "SELECT trigger, state FROM run ORDER BY id DESC LIMIT 1")
        assert rows == [("dagster", "succeeded")]
        assert stack.sql("CATALOGUE", "SELECT count(*) FROM run")[0][0] == before + 1
        assert os.environ.get("DAGSTER_HOME") is None
