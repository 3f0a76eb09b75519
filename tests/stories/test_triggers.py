"""Triggers on the whole platform: Dagster's daemon ticks, a file arrives, somebody sends a webhook."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dataops_defs.domain.alert_channels import WebhookChannel, signature
from tests.stories.conftest import RunningStack, wait_for
from tests.stories.test_dagster import graphql

TRIGGERS = "/api/v1/mvp/triggers"
REPOSITORY = 'repositoryLocationName: "dataops", repositoryName: "__repository__"'
STATES = f"""{{ schedulesOrError(repositorySelector: {{{REPOSITORY}}}) {{ ... on Schedules {{ results {{ name
    scheduleState {{ id status }} }} }} }} sensorsOrError(repositorySelector: {{{REPOSITORY}}}) {{ ... on Sensors {{
    results {{ name sensorState {{ id status }} }} }} }} }}"""
STOP = "mutation ($id: String!) { stopRunningSchedule(id: $id) { __typename } }"
STOP_SENSOR = "mutation ($id: String!) { stopSensor(id: $id) { __typename } }"
TAGS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"
QUERY = "SELECT id AS film_id, title, now() AS updated_at FROM content.trigger_film"


@pytest.fixture(scope="module")
def pipeline(stack: RunningStack) -> str:
    for table in ("content.trigger_film", "analytics.story_trigger"):
        stack.change("WAREHOUSE", f"DROP TABLE IF EXISTS {table}")
    stack.change(
        "WAREHOUSE", "CREATE TABLE content.trigger_film AS SELECT n AS id, 't' AS title FROM generate_series(1, 9) n"
    )
    body = {"name": "trigger films", "mode": "full", "target_table": "analytics.story_trigger", "source_query": QUERY}
    answer = stack.api.post("/api/v1/pipelines", json=body)
    assert answer.status_code == 201, answer.text
    return "trigger films"


@pytest.fixture
def made(stack: RunningStack, pipeline: str) -> Iterator[Any]:
    ids: list[str] = []

    def make(name: str, kind: str, **more: Any) -> Any:
        body = {"name": name, "pipeline_id": pipeline, "trigger_type": kind, **more}
        answer = stack.api.post(f"{TRIGGERS}/create", json=body)
        assert answer.status_code == 200, answer.text
        ids.append(answer.json()["trigger_id"])
        return answer.json()

    yield make
    for id in ids:
        stack.api.delete(f"{TRIGGERS}/{id}")


def instigators(stack: RunningStack) -> dict[str, tuple[str, str]]:
    """Status and id of all schedules and sensors of triggers, as Dagster has them."""
    found = graphql(stack, STATES)
    listed = [(each["name"], each["scheduleState"]) for each in found["schedulesOrError"]["results"]]
    listed += [(each["name"], each["sensorState"]) for each in found["sensorsOrError"]["results"]]
    return {name: (state["status"], state["id"]) for name, state in listed if name.startswith("trigger__")}


def running(stack: RunningStack, name: str) -> bool:
    return instigators(stack).get(name, ("", ""))[0] == "RUNNING"


def history(stack: RunningStack, id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.api.get(f"{TRIGGERS}/{id}/history").json()["history"]
    return found


def succeeded(stack: RunningStack, id: str, count: int = 1) -> bool:
    return sum(each["status"] == "success" for each in history(stack, id)) >= count


class TestACronTrigger:
    def test_fires_at_its_tick_and_pauses_here_and_in_dagster(self, stack: RunningStack, made: Any) -> None:
        trigger = made("Every minute", "cron", cron_schedule="* * * * *", parameters={"date": "{{ execution_date }}"})
        id, name = trigger["trigger_id"], "trigger__every_minute"
        wait_for(lambda: running(stack, name), 60)
        wait_for(lambda: succeeded(stack, id), 130)
        stack.api.put(f"{TRIGGERS}/{id}/pause")
        wait_for(lambda: not running(stack, name), 60)
        ticks = len(history(stack, id))
        query = "SELECT r.dagster_run_id, r.parameters, r.trigger FROM run r WHERE r.trigger_id = %s ORDER BY r.id"
        [(dagster_run, parameters, word), *_] = stack.sql("CATALOGUE", query, id.removeprefix("trigger_"))
        tags = {each["key"]: each["value"] for each in graphql(stack, TAGS, id=dagster_run)["runOrError"]["tags"]}
        assert (word, tags["dataops/trigger"], tags["dataops/requested_by"]) == ("cron", "cron", f"schedule:{name}")
        assert json.loads(tags["dataops/parameters"]) == parameters["parameters"]
        taken = "SELECT count(*), count(DISTINCT occasion) FROM trigger_firing WHERE trigger_id = %s"
        assert stack.sql("CATALOGUE", taken, id.removeprefix("trigger_")) == [(ticks, ticks)]

        stack.api.put(f"{TRIGGERS}/{id}/resume")
        wait_for(lambda: running(stack, name), 60)
        graphql(stack, STOP, id=instigators(stack)[name][1])
        wait_for(lambda: stack.api.get(f"{TRIGGERS}/{id}").json()["status"] == "paused", 90)
        assert stack.api.delete(f"{TRIGGERS}/{id}").status_code == 200
        wait_for(lambda: name not in instigators(stack), 60)
        query = "SELECT count(*) FROM run WHERE trigger_id = %s"
        [(kept,)] = stack.sql("CATALOGUE", query, id.removeprefix("trigger_"))
        assert kept >= ticks


class TestAFileTrigger:
    def test_fires_for_a_file_that_arrives_and_pauses_here_and_in_dagster(self, stack: RunningStack, made: Any) -> None:
        folder = stack.home / "files" / "arrivals"
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {"folder_path": "arrivals", "patterns": ["*.csv"]}
        trigger = made("Arrivals", "file", file=wanted, parameters={"path": "{{ file_path }}"})
        id, name = trigger["trigger_id"], "trigger__arrivals"
        wait_for(lambda: running(stack, name), 60)
        (folder / "new.csv").write_text("a\n1\n")
        wait_for(lambda: succeeded(stack, id), 90)
        assert len(history(stack, id)) == 1
        stack.api.put(f"{TRIGGERS}/{id}/pause")
        wait_for(lambda: not running(stack, name), 60)
        stack.api.put(f"{TRIGGERS}/{id}/resume")
        wait_for(lambda: running(stack, name), 60)
        graphql(stack, STOP_SENSOR, id=instigators(stack)[name][1])
        wait_for(lambda: stack.api.get(f"{TRIGGERS}/{id}").json()["status"] == "paused", 90)


class TestAWebhook:
    def test_fires_without_a_token_and_once(self, stack: RunningStack, made: Any) -> None:
        trigger = made("Orders", "webhook", parameters={"order": "{{ payload.id }}"})
        body, moment = b'{"id": 7}', int(time.time())
        key = WebhookChannel.of("https://x.example", secret=trigger["secret"]).key or b""
        headers = {
            "Webhook-Id": "msg_1",
            "Webhook-Timestamp": str(moment),
            "Webhook-Signature": signature(key, "msg_1", moment, body),
        }
        answers = [httpx.post(trigger["webhook_url"], content=body, headers=headers, timeout=60) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200], answers[0].text
        assert len({each.json()["run_id"] for each in answers}) == 1
        wait_for(lambda: succeeded(stack, trigger["trigger_id"]), 60)
        assert httpx.post(trigger["webhook_url"], content=b"{}", headers=headers, timeout=60).status_code == 401


class TestTheDocumentsExamples:
    def test_work_as_printed(self, stack: RunningStack, made: Any) -> None:
        body = {"parameters": {"date": "2024-06-30", "full_refresh": True, "notification_email": "data@company.com"}}
        answer = stack.api.post(f"{TRIGGERS}/manual/pipe_customer_sync_001", json=body).json()
        assert (answer["status"], answer["parameters"]) == ("running", {"date": "2024-06-30", "full_refresh": True})
        wait_for(lambda: stack.api.get(answer["status_url"]).json()["status"] == "completed", 60)
