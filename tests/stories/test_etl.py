"""ETL pipelines on the whole platform: over REST, in Dagster, and when their worker is killed."""

import subprocess
import time
from typing import Any

import psutil
import pytest

from tests.stories.conftest import RunningStack, wait_for
from tests.stories.test_dagster import DAGSTER, PROJECT, graphql

BASE = "/api/v1/pipelines"
ROWS = 4_000
QUERY = "SELECT id AS film_id, title, updated_at FROM content.story_film"
LAUNCH = """mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename
  ... on LaunchRunSuccess { run { runId } } } }"""


@pytest.fixture(scope="module")
def pipeline(stack: RunningStack) -> str:
    statements = (
        "DROP TABLE IF EXISTS content.story_film",
        "CREATE TABLE content.story_film (id int PRIMARY KEY, title text, updated_at timestamptz)",
        f"INSERT INTO content.story_film SELECT n, 'film ' || n, now() FROM generate_series(1, {ROWS}) n",
        "DROP TABLE IF EXISTS analytics.story_film",
    )
    for each in statements:
        stack.change("WAREHOUSE", each)
    body = {"name": "story films", "mode": "full", "target_table": "analytics.story_film", "batch_size": 2}
    answer = stack.api.post(BASE, json={**body, "source_query": QUERY})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def state(stack: RunningStack, id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.api.get(f"{BASE}/{id}/state").json()
    return found


def loading_worker(stack: RunningStack) -> psutil.Process | None:
    """The process that loads batches, found by its connection."""
    query = "SELECT client_port FROM pg_stat_activity WHERE application_name LIKE 'dataops etl %%'"
    ports = {port for (port,) in stack.sql("WAREHOUSE", query)}
    owners = [each.pid for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port in ports]
    processes = [psutil.Process(pid) for pid in owners if pid]
    return next((each for each in processes if each.name() != "postgres"), None)


def kill_in_the_middle(stack: RunningStack, pipeline: str) -> None:
    """Kill the loading worker between its 100th row and its last, however fast it is: it goes on by short steps."""
    worker: psutil.Process = wait_for(lambda: loading_worker(stack), 60)
    worker.suspend()
    while state(stack, pipeline)["load_position"] <= 100:
        worker.resume()
        time.sleep(0.02)
        worker.suspend()
    worker.kill()


class TestAPipelineOnThePlatform:
    def test_goes_on_where_its_killed_worker_was(self, stack: RunningStack, pipeline: str) -> None:
        assert stack.api.post(f"{BASE}/{pipeline}/run").json()["status"] == "RUN_REQUESTED"
        kill_in_the_middle(stack, pipeline)

        wait_for(lambda: state(stack, pipeline)["status"] == "IDLE", 120)
        done = state(stack, pipeline)
        assert (done["workers_used"], done["rows_read"], done["rows_written"]) == (2, ROWS, ROWS)
        found = "SELECT count(*), count(DISTINCT film_id) FROM analytics.story_film"
        assert stack.sql("WAREHOUSE", found) == [(ROWS, ROWS)]
        booked = "SELECT count(*), sum(read) FROM dataops.ledger WHERE run_id = %s"
        assert stack.sql("WAREHOUSE", booked, done["run_id"]) == [(1, ROWS)]

    def test_pauses_and_goes_on(self, stack: RunningStack, pipeline: str) -> None:
        run = stack.api.post(f"{BASE}/{pipeline}/run").json()["run_id"]
        wait_for(lambda: state(stack, pipeline)["status"] == "RUNNING", 60)
        stack.api.post(f"{BASE}/{pipeline}/pause")
        wait_for(lambda: state(stack, pipeline)["status"] == "PAUSED", 30)
        held = state(stack, pipeline)
        assert held["load_position"] <= ROWS
        assert stack.api.get(f"{BASE}/{pipeline}/runs").json()[0]["status"] == "RUNNING"

        assert stack.api.post(f"{BASE}/{pipeline}/run").json()["run_id"] == run
        wait_for(lambda: state(stack, pipeline)["status"] == "IDLE", 120)
        assert stack.api.get(f"{BASE}/{pipeline}/reconciliation").json()["in_sync"]

    def test_is_an_asset_that_dagster_materializes(self, stack: RunningStack, pipeline: str) -> None:
        stack.api.patch(f"{BASE}/{pipeline}", json={"batch_size": 1000})
        runs = len(stack.api.get(f"{BASE}/{pipeline}/runs").json())
        selector = {
            "repositoryLocationName": "dataops",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": ["default", "etl", "story_films"]}],
        }
        wanted = {"selector": selector, "mode": "default", "runConfigData": {}}
        wait_for(lambda: graphql(stack, LAUNCH, p=wanted)["launchRun"]["__typename"] == "LaunchRunSuccess", 30)

        wait_for(lambda: len(stack.api.get(f"{BASE}/{pipeline}/runs").json()) == runs + 1, 60)
        wait_for(lambda: state(stack, pipeline)["status"] == "IDLE", 60)
        [newest] = stack.api.get(f"{BASE}/{pipeline}/runs?limit=1").json()
        assert (newest["status"], newest["rows_read"]) == ("SUCCESS", ROWS)

    def test_is_run_by_the_dagster_command(self, stack: RunningStack, pipeline: str) -> None:
        command = [DAGSTER, "asset", "materialize", "-m", "dataops_defs.definitions"]
        environment = {name: value for name, value in stack.environment.items() if name != "DAGSTER_HOME"}
        done = subprocess.run(
            [*command, "--select", 'key:"default/etl/story_films"'],
            env=environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert state(stack, pipeline)["status"] == "IDLE"
