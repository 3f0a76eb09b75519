"""Tokens, roles, the audit, limits, request ids. Source: DECISIONS 15 and 25, SAFETY "Access"."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api_shim.app import create_app
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN, Api
from tests.api_shim.in_process import InProcessLauncher


def as_holder(app: FastAPI, token: str) -> TestClient:
    return TestClient(app, headers={"X-API-Key": token}, raise_server_exceptions=False)


def status(client: TestClient, method: str, path: str, body: Any = None) -> int:
    return client.request(method, path, json=body).status_code


class TestAskingWithoutAToken:
    def test_every_address_asks_for_one_before_all_else(self, api: Api, app: FastAPI) -> None:
        cases = [
            "/api/v1/dataops/sources",
            "/api/v1/mvp/triggers",
            "/api/providers",
            "/api/v1/projects",
            "/api/v1/pipelines",
            "/nowhere",
            "/info",
        ]
        for path in cases:
            stranger = TestClient(app)

            reply = stranger.get(path)

            assert reply.status_code == 401
            assert reply.headers["WWW-Authenticate"] == "Bearer"
            assert stranger.post(path, content=b"{" * 100).status_code == 401

    def test_a_wrong_one_does_not_count(self, api: Api, app: FastAPI) -> None:
        cases = [
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic eDp5"},
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {'a' * 10_000}"},
            {"X-API-Key": "wrong"},
            {"X-API-Key": "wr\xe9ng"},
        ]
        for headers in cases:
            sent = {name: value.encode("latin-1") for name, value in headers.items()}

            assert TestClient(app).get("/api/v1/dataops/sources", headers=sent).status_code == 401  # type: ignore[arg-type]

    def test_health_and_docs_need_none(self, api: Api, app: FastAPI) -> None:
        stranger = TestClient(app)

        assert stranger.get("/docs").status_code == 200
        assert stranger.get("/openapi.json").status_code == 200
        assert stranger.get("/health").json()["status"] == "starting"

    def test_compat_lets_anonymous_into_two_families_only(
        self, shim_settings: Settings, launcher: InProcessLauncher
    ) -> None:
        settings = shim_settings.model_copy(update={"auth_mode": "compat"})
        with TestClient(create_app(settings, launcher)) as stranger:
            assert stranger.get("/api/v1/pipelines").status_code == 200
            assert stranger.get("/api/v1/info").status_code == 200
            for path in ("/api/v1/dataops/sources", "/api/v1/mvp/triggers", "/api/providers", "/api/v1/dataops/tokens"):
                assert stranger.get(path).status_code == 401
            wrong = {"Authorization": "Bearer wrong"}
            assert stranger.get("/api/v1/pipelines", headers=wrong).status_code == 401


class TestRoles:
    def test_a_viewer_reads_an_editor_changes_an_admin_manages(self, api: Api, app: FastAPI) -> None:
        holders = {
            role: as_holder(app, api.post("/tokens", {"name": role, "role": role})["token"])
            for role in ("viewer", "editor", "admin")
        }
        api.source()
        body = {"name": "new", "type": "csv", "connection": {"path": "x.csv"}}
        asked = {
            role: (
                status(holder, "GET", "/api/v1/dataops/sources"),
                status(holder, "POST", "/api/v1/dataops/sources", {**body, "name": f"of {role}"}),
                status(holder, "GET", "/api/v1/dataops/tokens"),
                status(holder, "GET", "/api/v1/dataops/audit"),
            )
            for role, holder in holders.items()
        }

        assert asked == {
            "viewer": (200, 403, 403, 403),
            "editor": (200, 201, 403, 403),
            "admin": (200, 201, 200, 200),
        }

    def test_a_refused_role_changes_nothing_and_is_in_the_audit(self, api: Api, app: FastAPI) -> None:
        viewer = as_holder(app, api.post("/tokens", {"name": "watcher", "role": "viewer"})["token"])

        viewer.post("/api/v1/dataops/sources", json={"name": "x", "type": "csv", "connection": {"path": "x.csv"}})

        assert api.get("/sources") == []
        (line,) = api.get("/audit?actor=watcher")
        assert (line["action"], line["outcome"]) == ("POST /api/v1/dataops/sources", "refused")
        assert line["detail"]["status"] == 403


class TestTokens:
    def test_the_text_is_shown_once(self, api: Api) -> None:
        made = api.post("/tokens", {"name": "nightly", "role": "editor"})

        (listed,) = [each for each in api.get("/tokens") if each["name"] == "nightly"]
        assert "token" not in listed
        assert listed["hint"] == made["token"][-4:]
        assert made["token"] not in api.client.get("/api/v1/dataops/audit").text

    def test_a_revoked_one_stops_counting_at_once(self, api: Api, app: FastAPI) -> None:
        made = api.post("/tokens", {"name": "gone", "role": "viewer"})
        holder = as_holder(app, made["token"])
        assert status(holder, "GET", "/api/v1/dataops/sources") == 200

        assert api.client.delete(f"/api/v1/dataops/tokens/{made['id']}").status_code == 204

        assert status(holder, "GET", "/api/v1/dataops/sources") == 401

    def test_its_use_is_noted(self, api: Api, app: FastAPI) -> None:
        made = api.post("/tokens", {"name": "used", "role": "viewer"})
        assert "lastUsedAt" not in made

        status(as_holder(app, made["token"]), "GET", "/api/v1/dataops/sources")

        (listed,) = [each for each in api.get("/tokens") if each["name"] == "used"]
        assert listed["lastUsedAt"].endswith("Z")

    def test_wrong_roles_names_and_times_are_refused(self, api: Api) -> None:
        assert api.refused("POST", "/tokens", {"name": "x", "role": "king"}) == (422, ["role"])
        past = {"name": "x", "role": "viewer", "expiresAt": "2020-01-01T00:00:00Z"}
        assert api.refused("POST", "/tokens", past) == (422, ["expiresAt"])
        assert api.refused("POST", "/tokens", {**past, "expiresAt": "2020-01-01"}) == (422, ["expiresAt"])

    def test_the_first_admins_token_cannot_be_revoked(self, api: Api) -> None:
        (first,) = api.get("/tokens")

        assert api.refused("DELETE", f"/tokens/{first['id']}")[0] == 409


class TestLimits:
    def test_a_body_that_is_too_large_is_refused(self, api: Api) -> None:
        reply = api.client.post("/api/v1/dataops/sources", content=b" " * 1_000_001)

        assert reply.status_code == 413

    def test_a_chunked_one_too(self, api: Api) -> None:
        reply = api.client.post("/api/v1/dataops/sources", content=(b" " * 100_000 for _ in range(11)))

        assert reply.status_code == 413

    def test_json_that_no_honest_caller_sends_is_refused(self, api: Api) -> None:
        cases = [
            b"{",
            b"[" * 65 + b"]" * 65,
            b"[" * 5000 + b"]" * 5000,
            b"[" + b"0," * 50_001 + b"0]",
            b'{"name": "a\\u0000b"}',
            b'{"name": "\\ud800"}',
            b'{"a": NaN}',
            b"\xff",
        ]
        for body in cases:
            headers = {"Content-Type": "application/json"}

            reply = api.client.post("/api/v1/dataops/sources", content=body, headers=headers)

            assert reply.status_code == 422
            assert reply.json()["errors"][0]["field"] == "body"

    def test_json_that_is_no_object_is_refused(self, api: Api) -> None:
        cases = [b"[]", b"1", b"null", b'"text"', b""]
        for body in cases:
            headers = {"Content-Type": "application/json"}

            assert api.client.post("/api/v1/dataops/sources", content=body, headers=headers).status_code == 422


class TestRequestIds:
    def test_a_sane_one_is_taken_over_and_another_made(self, api: Api) -> None:
        path = "/api/v1/dataops/sources"

        assert api.client.get(path, headers={"X-Request-ID": "mine-1"}).headers["X-Request-ID"] == "mine-1"
        strange = api.client.get(path, headers={"X-Request-ID": "a b\x7f"}).headers["X-Request-ID"]
        assert strange.startswith("req_")

    def test_it_is_in_the_audit(self, api: Api) -> None:
        api.client.post(
            "/api/v1/dataops/sources",
            json={"name": "x", "type": "csv", "connection": {"path": "x.csv"}},
            headers={"X-Request-ID": "mine-2"},
        )

        (line,) = api.get("/audit?action=source.create")
        assert (line["requestId"], line["actor"]) == ("mine-2", "bootstrap admin")

    def test_the_access_log_has_one_line_without_query_and_body(
        self, api: Api, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()

        api.client.get("/api/v1/dataops/sources?app=a-secret")

        (line,) = [each for each in capsys.readouterr().out.splitlines() if '"event": "request"' in each]
        assert '"path": "/api/v1/dataops/sources"' in line
        assert "a-secret" not in line
        assert ADMIN not in line
