"""Alerts over HTTP: made, listed with what became of their messages, changed, deleted."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from dataops_defs.flows.deliver_alerts import deliver_due
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.api_shim.conftest import Api
from tests.mailbox import SENDER

CANARY = "canary-canary-canary"
WEBHOOK = {"type": "webhook", "url": "https://hooks.example.com/T0KEN", "secret": CANARY, "headers": {"X-Key": CANARY}}
PAGER = {"name": "Pager", "on": ["run_failed"], "channel": WEBHOOK}
MAIL = {"type": "email", "to": ["anna@example.com"]}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"on": []}, "on"),
    ({"on": ["moon_landing"]}, "on.0"),
    ({"on": ["freshness"]}, "thresholds.staleMinutes"),
    ({"thresholds": {"rejectedRows": 3}}, "thresholds.rejectedRows"),
    ({"thresholds": {"rejectedShare": 2}}, "thresholds.rejectedShare"),
    ({"filter": {"kind": "walk"}}, "filter.kind"),
    ({"throttleSeconds": -1}, "throttleSeconds"),
    ({"status": "asleep"}, "status"),
    ({"colour": "red"}, "colour"),
    ({"name": "\u2028"}, "name"),
    ({"channel": {"type": "pigeon"}}, "channel.type"),
    ({"channel": {"type": "webhook"}}, "channel.url"),
    ({"channel": {**WEBHOOK, "to": ["a@b.c"]}}, "channel.to"),
    ({"channel": {**WEBHOOK, "url": "ftp://example.com/"}}, "channel.url"),
    ({"channel": {**WEBHOOK, "url": "https://u:p@example.com/"}}, "channel.url"),
    ({"channel": {**WEBHOOK, "url": "http://169.254.169.254/latest/meta-data"}}, "channel.url"),
    ({"channel": {**WEBHOOK, "url": "http://localhost:8000/"}}, "channel.url"),
    ({"channel": {**WEBHOOK, "secret": "short"}}, "channel.secret"),
    ({"channel": {**WEBHOOK, "headers": {"Host": "x"}}}, "channel.headers"),
    ({"channel": {"type": "email", "to": []}}, "channel.to"),
    ({"channel": {"type": "email"}}, "channel.to"),
    ({"channel": {"type": "email", "to": ["a@b.c\nBcc: d@e.f"]}}, "channel.to.0"),
    ({"channel": {**MAIL, "url": "https://example.com"}}, "channel.url"),
]


@pytest.fixture
def rest(shim_settings: Settings) -> Iterator[RestServer]:
    with RestServer().running() as server:
        shim_settings.allowed_hosts = f"127.0.0.1:{server.port}"
        server.answers("/hook", Reply({}))
        yield server


@pytest.fixture
def mail_server(shim_settings: Settings) -> None:
    """An administrator has set one; nothing is sent to it here."""
    shim_settings.smtp_url, shim_settings.smtp_from = SecretStr("smtp://127.0.0.1:2525"), SENDER


class TestAnAlert:
    def test_is_made_shown_and_deleted_without_its_secrets(self, api: Api) -> None:
        made = api.post("/alerts", {**PAGER, "on": ["run_failed", "run_recovered"], "throttleSeconds": 60})

        shown = {"type": "webhook", "url": "https://hooks.example.com/…", "headers": ["X-Key"], "signed": True}
        assert made["channel"] == shown
        assert (made["on"], made["status"]) == (["run_failed", "run_recovered"], "active")
        assert (made["throttleSeconds"], made["filter"], made["thresholds"]) == (60, {}, {})
        assert api.get(f"/alerts/{made['id']}") == made
        assert api.get("/alerts") == [made]
        assert CANARY not in str([made, api.get("/audit")])
        assert "T0KEN" not in str([made, api.get("/audit")])

        assert api.client.delete(f"/api/v1/dataops/alerts/{made['id']}").status_code == 204
        assert api.get("/alerts") == []
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries")):
            assert api.refused(method, f"/alerts/{made['id']}{path}")[0] == 404
            assert api.refused(method, f"/alerts/none{path}")[0] == 404
        actions = [each["action"] for each in api.get("/audit")]
        assert [each for each in actions if each.startswith("alert.")] == ["alert.delete", "alert.create"]

    def test_can_be_made_as_the_documentation_shows(self, api: Api) -> None:
        schemas = api.client.get("/openapi.json").json()["components"]["schemas"]
        [example] = schemas["AlertCreate"]["examples"]
        [change] = schemas["AlertChange"]["examples"]
        made = api.post("/alerts", example)
        assert made["channel"]["signed"] is True
        assert api.patch(f"/alerts/{made['id']}", change)["status"] == "paused"

    def test_takes_its_name_once(self, api: Api) -> None:
        api.post("/alerts", PAGER)
        assert api.refused("POST", "/alerts", PAGER)[0] == 409

    def test_is_changed_in_part(self, api: Api) -> None:
        made = api.post("/alerts", {**PAGER, "on": ["rows_rejected"], "thresholds": {"rejectedShare": 0.1}})
        path = f"/alerts/{made['id']}"

        assert api.patch(path, {"status": "paused", "name": "Ops"})["status"] == "paused"
        changed = api.patch(path, {"on": ["freshness", "freshness"], "thresholds": {"staleMinutes": 90}})

        assert changed["name"] == "Ops"
        assert (changed["on"], changed["thresholds"]) == (["freshness"], {"staleMinutes": 90})
        assert changed["channel"] == made["channel"]
        assert api.refused("PATCH", path, {"on": ["run_failed"]}) == (422, ["thresholds.staleMinutes"])
        assert api.refused("PATCH", path, {"channel": None}) == (422, ["channel"])
        assert api.get(path)["on"] == ["freshness"]
        unsigned = api.patch(path, {"channel": {"type": "webhook", "url": "https://other.example.com/"}})
        assert unsigned["channel"] == {
            "type": "webhook",
            "url": "https://other.example.com/…",
            "headers": [],
            "signed": False,
        }

    def test_may_be_about_one_definition_or_app(self, api: Api) -> None:
        dataset = api.dataset()
        for given, kept in (
            ({"subjectId": dataset["id"]}, {"subjectId": dataset["id"]}),
            ({"app": "Sea Freight", "kind": "sync"}, {"app": "sea_freight", "kind": "sync"}),
            ({"subject_id": dataset["id"].upper()}, {"subjectId": dataset["id"]}),
        ):
            made = api.post("/alerts", {**PAGER, "name": str(given), "filter": given})
            assert made["filter"] == kept
        for unknown in ("none", "0192f3a1-0000-7000-8000-000000000001"):
            refused = api.refused("POST", "/alerts", {**PAGER, "filter": {"subjectId": unknown}})
            assert refused == (422, ["filter.subjectId"])

    @pytest.mark.usefixtures("mail_server")
    def test_that_makes_no_sense_is_refused(self, api: Api, shim_settings: Settings) -> None:
        shim_settings.allowed_hosts = ""
        for wrong, field in WRONG:
            assert api.refused("POST", "/alerts", PAGER | wrong) == (422, [field]), wrong
        assert api.get("/alerts") == []

    def test_by_mail_is_refused_while_nobody_takes_mail(self, api: Api, shim_settings: Settings) -> None:
        reply = api.client.post("/api/v1/dataops/alerts", json={**PAGER, "channel": MAIL})
        assert reply.status_code == 422
        assert "DATAOPS_SMTP_URL" in reply.json()["detail"]
        shim_settings.smtp_url, shim_settings.smtp_from = SecretStr("smtp://127.0.0.1:2525"), SENDER
        assert api.post("/alerts", {**PAGER, "channel": MAIL})["channel"] == MAIL

    def test_is_managed_by_editors_and_read_by_viewers(self, api: Api) -> None:
        made = api.post("/alerts", PAGER)
        token = api.post("/tokens", {"name": "viewer", "role": "viewer"})["token"]
        viewer = {"Authorization": f"Bearer {token}"}
        path = f"/alerts/{made['id']}"
        for method, place, body in (
            ("POST", "/alerts", PAGER),
            ("PATCH", path, {"status": "paused"}),
            ("DELETE", path, None),
        ):
            assert api.refused(method, place, body, headers=viewer)[0] == 403
        assert api.client.get("/api/v1/dataops/alerts", headers=viewer).json()[0]["id"] == made["id"]


class TestADatasetThatCannotBeExtracted:
    def test_is_told_to_the_webhook_and_that_is_listed(
        self, api: Api, rest: RestServer, client: TestClient, shim_settings: Settings
    ) -> None:
        rest.answers("/hook", Reply({}, 500), Reply({}))
        dataset = api.dataset()
        channel = {"type": "webhook", "url": f"{rest.url}/hook", "secret": CANARY}
        made = api.post("/alerts", {**PAGER, "filter": {"subjectId": dataset["id"]}, "channel": channel})
        (api.files / "registry.csv").unlink()
        client.post(f"/api/v1/dataops/datasets/{dataset['id']}/extract")

        deliver_due(Platform(shim_settings))

        shown = api.get("/alerts")[0]["lastDelivery"]
        assert (shown["event"], shown["state"], shown["tries"]) == ("run_failed", "pending", 1)
        assert (shown["answerCode"], shown["reason"]) == (500, "127.0.0.1 answered with 500")
        assert shown["nextTryAt"] > shown["at"]
        assert api.get(f"/executions/{shown['executionId']}")["status"] == "failed"
        assert rest.asked[0].headers["webhook-id"] == shown["id"]

        client.post(f"/api/v1/dataops/datasets/{dataset['id']}/extract")
        deliver_due(Platform(shim_settings))

        path = f"/alerts/{made['id']}/deliveries"
        assert [each["state"] for each in api.get(path)] == ["sent", "sent"]
        page = client.get(f"/api/v1/dataops{path}", params={"limit": 1, "offset": 1})
        assert page.headers["X-Total-Count"] == "2"
        assert [each["id"] for each in page.json()] == [shown["id"]]
        assert "nextTryAt" not in page.json()[0]
        assert api.get(f"/alerts/{made['id']}")["lastDelivery"]["state"] == "sent"
