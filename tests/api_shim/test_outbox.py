"""Requests that cannot be launched now: they are kept, launched later, and bounded in number."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api_shim.app import create_app
from api_shim.dagster import outbox
from dataops_defs.catalogue import outbox as catalogue_outbox
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN, Api
from tests.api_shim.following import wait_for
from tests.api_shim.in_process import InProcessLauncher


@pytest.fixture
def client(shim_settings: Settings, launcher: InProcessLauncher) -> Iterator[TestClient]:
    """An app whose queues are short."""
    short = shim_settings.model_copy(update={"max_queued_runs": 2, "max_waiting_runs": 3})
    app = create_app(short, launcher)
    with TestClient(app, headers={"Authorization": f"Bearer {ADMIN}", "Prefer": "respond-async"}) as client:
        yield client


def extract(api: Api, name: str = "Registry") -> str:
    dataset = api.dataset(name, source=api.source(name))
    return f"/api/v1/dataops/datasets/{dataset['id']}/extract"


def in_dagster(api: Api, ids: list[str]) -> int:
    """How many of these executions Dagster is known to have."""
    return sum("dagsterRunId" in api.get(f"/executions/{id}") for id in ids)


class TestWhoeverAsks:
    def test_is_answered_before_dagster_is(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.silent = True
        replies = [api.client.post(extract(api, name)) for name in ("First", "Second")]

        assert [each.status_code for each in replies] == [202, 202]
        assert (launcher.launched, launcher.given_up) == ([], 0)

        launcher.silent = False
        asked = [each.json()["executionId"] for each in replies]
        wait_for(lambda: {api.get(f"/executions/{id}")["status"] for id in asked} == {"completed"})
        assert [each.run_id for each in launcher.launched] == asked

    def test_a_launch_that_is_under_way_ends_with_the_app(
        self, shim_settings: Settings, launcher: InProcessLauncher, files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox, "SECONDS_TO_FINISH", 0.1)
        launcher.silent = True
        headers = {"Authorization": f"Bearer {ADMIN}", "Prefer": "respond-async"}
        with TestClient(create_app(shim_settings, launcher), headers=headers) as client:
            assert client.post(extract(Api(client, files))).status_code == 202

        assert (launcher.cancelled, launcher.given_up) == (1, 0)

    def test_what_a_launch_meets_is_no_end_of_it(
        self, api: Api, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalogue_outbox, "CLAIM", timedelta(seconds=1))
        launcher.broken = True
        id = api.client.post(extract(api)).json()["executionId"]
        wait_for(lambda: not launcher.broken)

        wait_for(lambda: bool(api.get(f"/executions/{id}")["status"] == "completed"))


class TestARequestThatCannotBeLaunched:
    def test_waits_while_dagster_is_away_and_is_launched_once_it_is_back(
        self, api: Api, launcher: InProcessLauncher
    ) -> None:
        launcher.away = True
        reply = api.client.post(extract(api))
        assert reply.status_code == 202
        id = reply.json()["executionId"]
        assert api.get(f"/executions/{id}")["status"] == "running"

        launcher.away = False

        wait_for(lambda: bool(api.get(f"/executions/{id}")["status"] == "completed"))
        assert len(launcher.launched) == 1

    def test_waits_outside_a_full_queue_of_dagster_and_follows_when_there_is_room(
        self, api: Api, launcher: InProcessLauncher
    ) -> None:
        launcher.held = True
        path = extract(api)
        waiting = []
        for known in (1, 2, 2):
            waiting.append(api.client.post(path).json()["executionId"])
            wait_for(lambda known=known: in_dagster(api, waiting) == known)

        for id in waiting[:2]:
            api.post(f"/executions/{id}/cancel")

        wait_for(lambda: len(launcher.launched) == 3)
        assert launcher.launched[2].run_id == waiting[2]

    def test_is_refused_when_too_many_wait(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.held = True
        path = extract(api)
        keyed = {"Idempotency-Key": "the-fourth"}
        answers = [*(api.client.post(path) for _ in range(3)), api.client.post(path, headers=keyed)]

        assert [each.status_code for each in answers] == [202, 202, 202, 429]
        assert answers[3].json()["code"] == "QUEUE_FULL"
        assert int(answers[3].headers["Retry-After"]) > 0

        api.post(f"/executions/{answers[0].json()['executionId']}/cancel")
        again = api.client.post(path, headers=keyed)
        assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (202, None)


class TestATimeLimit:
    def test_is_kept_with_the_run_and_told_to_dagster_as_a_backstop(
        self, api: Api, launcher: InProcessLauncher
    ) -> None:
        reply = api.client.post(f"{extract(api)}?timeoutSeconds=90")
        assert reply.status_code == 202, reply.text

        wait_for(lambda: bool(launcher.launched))
        assert launcher.launched[0].tags["dagster/max_runtime"] == "150"

    def test_must_be_a_number_of_seconds(self, api: Api) -> None:
        path = extract(api)
        assert api.client.post(f"{path}?timeoutSeconds=0").status_code == 422
        assert api.client.post(f"{path}?timeoutSeconds=soon").status_code == 422


class TestARequestThatIsPaused:
    def test_is_launched_again_when_it_is_resumed(self, api: Api, launcher: InProcessLauncher) -> None:
        launcher.held = True
        id = api.client.post(extract(api)).json()["executionId"]
        wait_for(lambda: in_dagster(api, [id]) == 1)

        paused = api.post(f"/executions/{id}/pause")

        # Terminating its run in the queue could end the record, should it be resumed at that moment.
        assert (paused["status"], launcher.terminated) == ("paused", [])
        launcher.held = False
        api.post(f"/executions/{id}/resume")
        wait_for(lambda: bool(api.get(f"/executions/{id}")["status"] == "completed"))

    def test_may_be_cancelled_and_one_that_has_ended_can_be_neither(
        self, api: Api, launcher: InProcessLauncher
    ) -> None:
        launcher.held = True
        id = api.client.post(extract(api)).json()["executionId"]
        api.post(f"/executions/{id}/pause")

        assert api.post(f"/executions/{id}/cancel")["status"] == "cancelled"
        assert api.refused("POST", f"/executions/{id}/pause")[0] == 409
        assert api.refused("POST", f"/executions/{id}/resume")[0] == 409
