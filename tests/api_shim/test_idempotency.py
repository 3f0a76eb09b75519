"""Idempotency keys. Source: DECISIONS 25."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.idempotency import Answer, IdempotencyKeys
from dataops_defs.errors import StillRunning
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import Api
from tests.api_shim.in_process import InProcessLauncher

BODY = {"name": "Once", "type": "csv", "connection": {"path": "x.csv"}}


def post(client: TestClient, key: str, body: Any = BODY, path: str = "/sources") -> Any:
    return client.post(f"/api/v1/dataops{path}", json=body, headers={"Idempotency-Key": key})


def forget_the_answer(settings: Settings) -> None:
    """As the rows of a server that was killed before it answered, longer ago than it renews its claims."""
    with Platform(settings).catalogue() as session:
        session.connection().exec_driver_sql(
            "UPDATE idempotency SET status = NULL, answer = NULL, updated_at = now() - interval '1 minute'"
        )


class TestTheSameKey:
    def test_with_the_same_request_repeats_the_first_answer(self, api: Api) -> None:
        first, again = post(api.client, "k1"), post(api.client, "k1")

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(api.get("/sources")) == 1

    def test_with_another_request_is_refused(self, api: Api) -> None:
        post(api.client, "k1")

        assert post(api.client, "k1", {**BODY, "name": "Other"}).status_code == 422
        assert post(api.client, "k1", {"name": "t", "role": "viewer"}, "/tokens").status_code == 422
        assert len(api.get("/sources")) == 1

    def test_of_another_caller_is_another_key(self, api: Api) -> None:
        token = api.post("/tokens", {"name": "other", "role": "editor"})["token"]
        post(api.client, "k1")

        other = api.client.post(
            "/api/v1/dataops/sources",
            json=BODY,
            headers={"Idempotency-Key": "k1", "Authorization": f"Bearer {token}"},
        )

        assert other.status_code == 409

    def test_of_a_new_token_with_a_revoked_ones_name_is_another_key(self, api: Api) -> None:
        replies = []
        for _ in range(2):
            made = api.post("/tokens", {"name": "nightly", "role": "editor"})
            headers = {"Idempotency-Key": "k1", "Authorization": f"Bearer {made['token']}"}
            replies.append(api.client.post("/api/v1/dataops/sources", json=BODY, headers=headers).status_code)
            api.client.delete(f"/api/v1/dataops/tokens/{made['id']}")

        assert replies == [201, 409]

    def test_while_the_first_request_is_at_work_is_a_conflict(self, api: Api, shim_settings: Settings) -> None:
        platform = Platform(shim_settings)
        post(api.client, "k1")
        with platform.catalogue() as session:
            keys = IdempotencyKeys(session, platform.keyring)
            claimed = keys.claim(api.get("/tokens")[0]["id"], "k2", "a-hash")
        assert claimed.answer is None

        reply = post(api.client, "k2")

        assert reply.status_code in (409, 422)

    def test_runs_the_work_once(self, api: Api, launcher: InProcessLauncher) -> None:
        dataset = api.dataset()
        path = f"/datasets/{dataset['id']}/extract"

        first, again = post(api.client, "k1", None, path), post(api.client, "k1", None, path)

        assert first.json() == again.json()
        assert len(launcher.launched) == 1

    def test_goes_on_with_the_execution_of_a_server_that_died(
        self, api: Api, launcher: InProcessLauncher, shim_settings: Settings
    ) -> None:
        dataset = api.dataset()
        path = f"/datasets/{dataset['id']}/extract"
        first = post(api.client, "k1", None, path).json()
        forget_the_answer(shim_settings)

        again = post(api.client, "k1", None, path)

        assert again.json()["executionId"] == first["executionId"]
        assert len(launcher.launched) == 1

    def test_goes_on_with_that_execution_when_what_it_was_made_of_is_gone(
        self, api: Api, launcher: InProcessLauncher, shim_settings: Settings
    ) -> None:
        dataset = api.dataset()
        path = f"/datasets/{dataset['id']}/extract"
        first = post(api.client, "k1", None, path).json()
        forget_the_answer(shim_settings)
        assert api.client.delete(f"/api/v1/dataops/datasets/{dataset['id']}").status_code == 204

        again = post(api.client, "k1", None, path)

        assert (again.status_code, again.json()["executionId"]) == (200, first["executionId"])
        assert len(launcher.launched) == 1

    def test_is_never_turned_to_a_second_execution(self, shim_settings: Settings) -> None:
        """A server is frozen past its claim, another one makes the execution, the first one thaws."""
        platform = Platform(shim_settings)
        with platform.catalogue() as session:
            frozen = IdempotencyKeys(session, platform.keyring).claim("me", "k1", "hash")
            assert IdempotencyKeys(session, platform.keyring).run_of(frozen.id) is None
        forget_the_answer(shim_settings)
        runs = [new_id(), new_id()]
        with platform.catalogue() as session:
            keys = IdempotencyKeys(session, platform.keyring)
            successor = keys.claim("me", "k1", "hash")
            keys.note_run(successor.id, runs[0])

        with platform.catalogue() as session:
            assert IdempotencyKeys(session, platform.keyring).run_of(frozen.id) == runs[0]
        with pytest.raises(StillRunning), platform.catalogue() as session:
            IdempotencyKeys(session, platform.keyring).note_run(frozen.id, runs[1])
        for body in (b"first", b"second"):
            with platform.catalogue() as session:
                IdempotencyKeys(session, platform.keyring).keep(frozen.id, Answer(200, {}, body))
        with platform.catalogue() as session:
            kept = IdempotencyKeys(session, platform.keyring).claim("me", "k1", "hash").answer
        assert kept is not None
        assert kept.body == b"first"

    def test_shows_a_new_tokens_text_again_and_keeps_it_sealed(self, api: Api, shim_settings: Settings) -> None:
        body = {"name": "t", "role": "viewer"}

        first, again = post(api.client, "k1", body, "/tokens"), post(api.client, "k1", body, "/tokens")

        assert first.json()["token"] == again.json()["token"]
        with Platform(shim_settings).catalogue() as session:
            stored = session.connection().exec_driver_sql("SELECT answer FROM idempotency").scalar_one()
        assert first.json()["token"].encode() not in bytes(stored)

    def test_must_be_sane(self, api: Api) -> None:
        assert post(api.client, "a b").status_code == 422
        assert post(api.client, "k" * 256).status_code == 422
