"""Datamarts on the whole platform: they follow the tables they read, and their schedules are Dagster's."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stories.conftest import RunningStack, wait_for
from tests.stories.test_dagster import graphql

PATH = "/api/v1/mvp/datamarts"
PIPELINES = "/api/v1/pipelines"
SCHEDULES = """{ schedulesOrError(repositorySelector: {repositoryLocationName: "dataops",
  repositoryName: "__repository__"}) { ... on Schedules { results { name scheduleState { id status } } } } }"""
STOP = """mutation ($id: String!) { stopRunningSchedule(id: $id) { ... on ScheduleStateResult {
  scheduleState { status } } } }"""
TICKS = """{ sensorOrError(sensorSelector: {repositoryLocationName: "dataops", repositoryName: "__repository__",
  sensorName: "on_commit_datamarts"}) { ... on Sensor { sensorState { ticks(limit: 5) { endTimestamp } } } } }"""
LINEAGE = """query ($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
  dependencyKeys { path } metadataEntries { label } } } }"""


@pytest.fixture(scope="module")
def pipeline(stack: RunningStack) -> str:
    stack.change(
        "WAREHOUSE", "CREATE TABLE content.note AS SELECT n AS id, 'note ' || n AS text FROM generate_series(1, 5) n"
    )
    body = {
        "name": "story notes",
        "mode": "full",
        "target_table": "analytics.story_note",
        "source_query": "TABLE content.note",
    }
    stack.change("WAREHOUSE", "DROP TABLE IF EXISTS analytics.story_note")
    answer = stack.api.post(PIPELINES, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def followers(stack: RunningStack, pipeline: str) -> Iterator[None]:
    """A datamart over the pipeline's target, and one over that datamart and the target."""
    load(stack, pipeline)
    marts = {
        "story_notes": "SELECT id, text FROM analytics.story_note",
        "story_counted": "SELECT count(*), (SELECT max(id) FROM analytics.story_note) FROM analytics.story_notes",
    }
    for name, query in marts.items():
        body = {"name": name, "query": query, "type": "table", "refresh_strategy": "on_commit"}
        assert stack.api.post(f"{PATH}/create", json=body).status_code == 200
    wait_for(lambda: all(node(stack, each) for each in marts), 60)
    # What was written before they were looked at for the first time fills them.
    wait_for(lambda: all(refreshes(stack, each) for each in marts), 120)
    begun = time.time()
    wait_for(lambda: len([each for each in ticks(stack) if each > begun]) > 2, 120)
    yield
    assert stack.api.delete(f"{PATH}/story_notes?cascade=true&drop=true").status_code == 200


def load(stack: RunningStack, id: str) -> None:
    asked = stack.api.post(f"{PIPELINES}/{id}/run").json()["run_id"]

    def ended() -> bool:
        state = stack.api.get(f"{PIPELINES}/{id}/state").json()
        return bool(state["run_id"] == asked and state["status"] == "IDLE")

    wait_for(ended, 120)


def node(stack: RunningStack, name: str) -> dict[str, Any]:
    key = {"path": ["warehouse", "analytics", name]}
    found: dict[str, Any] = graphql(stack, LINEAGE, k=key)["assetNodeOrError"]
    return found


def ticks(stack: RunningStack) -> list[float]:
    """When the sensor that refreshes them last ended a tick."""
    found = graphql(stack, TICKS)["sensorOrError"]["sensorState"]["ticks"]
    return [each["endTimestamp"] for each in found if each["endTimestamp"]]


def listed(stack: RunningStack, name: str) -> dict[str, Any]:
    (found,) = (each for each in stack.api.get(PATH).json()["datamarts"] if each["name"] == name)
    return dict(found)


def refreshes(stack: RunningStack, name: str) -> int:
    [(count,)] = stack.sql("WAREHOUSE", "SELECT count(*) FROM dataops.ledger WHERE target = %s", f"analytics.{name}")
    return int(count)


@pytest.mark.usefixtures("followers")
class TestADatamartThatFollowsItsTables:
    def test_shows_in_dagster_what_it_reads(self, stack: RunningStack) -> None:
        shown = node(stack, "story_counted")

        above = {"/".join(each["path"]) for each in shown["dependencyKeys"]}
        assert above == {"warehouse/analytics/story_notes", "warehouse/analytics/story_note"}
        assert {"dagster/column_schema", "dagster/column_lineage"} <= {
            each["label"] for each in node(stack, "story_notes")["metadataEntries"]
        }

    def test_is_refreshed_once_for_each_load_and_what_is_built_on_it_after_it(
        self, stack: RunningStack, pipeline: str
    ) -> None:
        before = {name: refreshes(stack, name) for name in ("story_notes", "story_counted")}
        stack.change("WAREHOUSE", "INSERT INTO content.note VALUES (6, 'another')")

        load(stack, pipeline)
        wait_for(lambda: refreshes(stack, "story_counted") > before["story_counted"], 90)

        assert stack.sql("WAREHOUSE", "SELECT * FROM analytics.story_counted") == [(6, 6)]
        stack.change("WAREHOUSE", "INSERT INTO content.note VALUES (7, 'one more')")
        load(stack, pipeline)
        wait_for(lambda: refreshes(stack, "story_counted") > before["story_counted"] + 1, 90)
        assert stack.sql("WAREHOUSE", "SELECT * FROM analytics.story_counted") == [(7, 7)]
        after = {name: refreshes(stack, name) for name in before}
        assert after == {name: count + 2 for name, count in before.items()}


class TestAScheduleOfADatamart:
    def test_is_dagsters_and_a_pause_there_is_seen_here(self, stack: RunningStack) -> None:
        body = {"name": "story_scheduled", "query": "SELECT 1 AS n", "type": "materialized_view"}
        assert stack.api.post(f"{PATH}/create", json=body).status_code == 200
        stack.api.post(f"{PATH}/story_scheduled/schedule", json={"schedule": "0 2 * * *", "concurrent": True})

        def state() -> dict[str, Any]:
            results = graphql(stack, SCHEDULES)["schedulesOrError"]["results"]
            states = {each["name"]: each["scheduleState"] for each in results}
            return dict(states.get("datamart__story_scheduled", {"status": "missing"}))

        wait_for(lambda: state()["status"] == "RUNNING", 60)
        assert listed(stack, "story_scheduled")["schedule_status"] == "active"
        graphql(stack, STOP, id=state()["id"])
        wait_for(lambda: listed(stack, "story_scheduled")["schedule_status"] == "paused", 60)
        assert stack.api.delete(f"{PATH}/story_scheduled?drop=true").status_code == 200
        wait_for(lambda: state()["status"] == "missing", 60)
