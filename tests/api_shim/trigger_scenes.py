"""Words for stories of triggers over HTTP: pipelines to run, and a sender of signed webhooks."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.models import RunRow
from dataops_defs.domain.alert_channels import ENCODED_SECRET, signature
from dataops_defs.flows.platform import Platform
from tests.api_shim.following import wait_for
from tests.scenes import World

TRIGGERS = "/api/v1/mvp/triggers"
ETL = "/api/v1/pipelines"
FILMS = {
    "name": "pipe_customer_sync_001",
    "mode": "full",
    "target_table": "analytics.film_dim",
    "source_query": "SELECT id AS film_id, title, updated_at FROM content.film_work",
}
DAILY: dict[str, Any] = {
    "name": "daily_customer_sync",
    "pipeline_id": "pipe_customer_sync_001",
    "trigger_type": "cron",
    "cron_schedule": "0 2 * * *",
    "enabled": True,
    "parameters": {"date": "{{ execution_date }}", "full_refresh": False},
}


class Triggers:
    """Requests in a few words; each returns the JSON of an answer that must have succeeded."""

    def __init__(self, client: TestClient, world: World) -> None:
        self.client, self.world = client, world

    def pipeline(self, **more: Any) -> Any:
        answer = self.client.post(ETL, json={**FILMS, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def make(self, **more: Any) -> Any:
        return ok(self.client.post(f"{TRIGGERS}/create", json={**DAILY, **more}))

    def webhook(self, **more: Any) -> Any:
        given = {"name": "orders", "trigger_type": "webhook", "parameters": {}, **more}
        body = {name: value for name, value in {**DAILY, **given}.items() if name != "cron_schedule"}
        return ok(self.client.post(f"{TRIGGERS}/create", json=body))

    def manual(self, pipeline: str = "pipe_customer_sync_001", headers: Any = None, **body: Any) -> Any:
        return ok(self.client.post(f"{TRIGGERS}/manual/{pipeline}", json=body, headers=headers))

    def get(self, path: str = "") -> Any:
        return ok(self.client.get(f"{TRIGGERS}{path}"))

    def put(self, path: str) -> Any:
        return ok(self.client.put(f"{TRIGGERS}{path}"))

    def refused(self, **more: Any) -> tuple[int, list[str]]:
        """Status, and the fields that are named, of a creation that is refused."""
        body = {name: value for name, value in {**DAILY, **more}.items() if value is not None}
        return problem(self.client.post(f"{TRIGGERS}/create", json=body))

    def runs(self) -> int:
        with self.world.platform.catalogue() as session:
            return session.query(RunRow).count()

    def run(self, public_id: str) -> RunRow:
        with self.world.platform.catalogue() as session:
            found = session.get(RunRow, str(uuid_of(public_id)))
        assert found is not None
        return found

    def finished(self, public_id: str) -> RunRow:
        wait_for(lambda: self.run(public_id).finished_at is not None)
        return self.run(public_id)


class Sender:
    """Sends webhooks to a trigger as anybody would: with its secret, and no token."""

    def __init__(self, client: TestClient, made: Any) -> None:
        self.client = client
        self.path = made["webhook_url"].removeprefix("http://127.0.0.1:8000")
        self.key = base64.b64decode(made["secret"].removeprefix(ENCODED_SECRET))

    def send(self, payload: Any = None, id: str | None = None, **more: Any) -> Response:
        body = more.pop("body", None)
        raw = body if body is not None else b"" if payload is None else json.dumps(payload).encode()
        return self.post(raw, self.headers(raw, id, **more))

    def post(self, body: bytes, headers: dict[str, str]) -> Response:
        request = self.client.build_request("POST", self.path, content=body, headers=headers)
        if "authorization" not in headers:
            del request.headers["authorization"]
        return self.client.send(request)

    def headers(
        self,
        body: bytes,
        id: str | None = None,
        at: int | None = None,
        key: bytes | None = None,
        wrap: Callable[[str], str] = str,
    ) -> dict[str, str]:
        id, at = id or f"msg_{new_id()}", int(time.time()) if at is None else at
        signed = wrap(signature(key or self.key, id, at, body))
        given = {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": signed}
        return {**given, "content-type": "application/json"}


def ok(answer: Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def problem(answer: Response) -> tuple[int, list[str]]:
    body = answer.json()
    assert {"detail", "code"} <= set(body), body
    return answer.status_code, [each["field"] for each in body.get("errors", [])]


def uuid_of(public_id: str) -> Any:
    from uuid import UUID

    return UUID(public_id.partition("_")[2])


def source_table(platform: Platform, world: World, rows: int = 10) -> None:
    world.sql("CREATE TABLE content.film_work (id int PRIMARY KEY, title text, rating float, updated_at timestamptz)")
    world.sql("INSERT INTO content.film_work SELECT n, 'film ' || n, n, now() FROM generate_series(1, %s) n", rows)


@pytest.fixture
def triggers(world: World, client: TestClient) -> Triggers:
    source_table(world.platform, world)
    made = Triggers(client, world)
    made.pipeline()
    return made
