"""Secrets by name: put in, used, never shown, and never sent to a server of somebody's choosing."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from dataops_defs.catalogue.keys import rotate
from dataops_defs.settings import Settings
from tests.adapters.sources.rest_server import Asked, Reply, RestServer
from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder
from tests.api_shim.in_process import InProcessLauncher

VALUE = "canary-0f-the-production-api"
SECRETS = "/api/v1/dataops/secrets"


@pytest.fixture
def fleet() -> Iterator[RestServer]:
    """An API that wants the secret's value."""

    def aircraft(asked: Asked) -> Reply:
        if asked.headers.get("authorization") not in (f"Bearer {VALUE}", "Bearer the next one"):
            return Reply({"error": f"who are you, {asked.headers.get('authorization')}?"}, 401)
        return Reply([{"tail_number": "N001"}, {"tail_number": "N002"}])

    with RestServer().running() as server:
        server.routes["/"] = server.routes["/aircraft"] = aircraft
        yield server


@pytest.fixture
def attacker() -> Iterator[RestServer]:
    """A server of an editor's, which writes down all that it is sent."""
    with RestServer().running() as server:
        server.answers("/", Reply({}))
        yield server


@pytest.fixture
def shim_settings(shim_settings: Settings, fleet: RestServer, attacker: RestServer) -> Settings:
    """Both servers may be reached: what keeps the secret from the attacker is the rule of secrets alone."""
    return shim_settings.model_copy(
        update={"allowed_hosts": f"127.0.0.1:{fleet.port},127.0.0.1:{attacker.port},localhost:{attacker.port}"}
    )


@pytest.fixture
def editor(api: Api, app: FastAPI) -> Api:
    """The same requests, by an editor."""
    return holder(api, app, "an editor", "editor")


def put(api: Api, name: str = "PROD_TOKEN", **body: Any) -> Any:
    reply = api.client.put(f"{SECRETS}/{name}", json={"value": VALUE} | body)
    assert reply.status_code in (200, 201), reply.text
    return reply.json()


def connection(server: RestServer, **other: Any) -> dict[str, Any]:
    return {"endpoint": server.url, "authType": "bearer", "token": "secret:PROD_TOKEN"} | other


def source(server: RestServer, name: str = "Fleet", **other: Any) -> dict[str, Any]:
    return {"name": name, "type": "api", "connection": connection(server, **other)}


class TestKeepingSecrets:
    def test_one_is_made_changed_and_deleted_and_never_shown(self, api: Api) -> None:
        made = api.client.put(f"{SECRETS}/PROD_TOKEN", json={"value": VALUE, "description": "Fleet"})
        changed = api.client.put(f"{SECRETS}/PROD_TOKEN", json={"value": "the next one"})

        assert (made.status_code, changed.status_code) == (201, 200)
        [listed] = api.get("/secrets")
        told = {name: listed[name] for name in ("name", "description", "allowedHosts", "usedBy", "createdBy")}
        assert told == {
            "name": "PROD_TOKEN",
            "description": "Fleet",
            "allowedHosts": [],
            "usedBy": [],
            "createdBy": "bootstrap admin",
        }
        assert "value" not in listed
        assert api.client.delete(f"{SECRETS}/PROD_TOKEN").status_code == 204
        assert api.get("/secrets") == []
        for reply in (made.text, changed.text, api.client.get("/api/v1/dataops/audit").text):
            assert VALUE not in reply
            assert VALUE[-4:] not in reply

    def test_wrong_names_values_and_hosts_are_refused(self, api: Api) -> None:
        for name in ("a b", "x" * 101, "naïve", "a:b", "%2e%2e%2e"):
            assert api.refused("PUT", f"/secrets/{name}", {"value": "x"}) == (422, ["name"])
        assert api.refused("PUT", "/secrets/NEW", {}) == (422, ["value"])
        assert api.refused("PUT", "/secrets/NEW", {"value": ""}) == (422, ["value"])
        assert api.refused("PUT", "/secrets/NEW", {"value": 5}) == (422, ["value"])
        assert api.refused("PUT", "/secrets/NEW", {"value": "x", "allowedHosts": ["a.com", "http://a.com"]}) == (
            422,
            ["allowedHosts.1"],
        )
        assert api.refused("DELETE", "/secrets/NEW")[0] == 404
        assert api.get("/secrets") == []

    def test_they_are_for_admins(self, api: Api, editor: Api) -> None:
        put(api)

        assert editor.refused("GET", "/secrets")[0] == 403
        assert editor.refused("PUT", "/secrets/MINE", {"value": "x"})[0] == 403
        assert editor.refused("DELETE", "/secrets/PROD_TOKEN")[0] == 403

    def test_one_that_is_used_stays_and_its_users_are_named(self, api: Api, fleet: RestServer) -> None:
        put(api)
        made = api.post("/sources", source(fleet))

        reply = api.client.delete(f"{SECRETS}/PROD_TOKEN")

        assert reply.status_code == 409
        assert "source 'Fleet'" in reply.json()["detail"]
        assert api.get("/secrets")[0]["usedBy"] == ["Fleet"]
        api.patch(f"/sources/{made['id']}", {"connection": {"authType": None, "token": None}})
        assert api.client.delete(f"{SECRETS}/PROD_TOKEN").status_code == 204


class TestASourceThatRefersToOne:
    def test_is_opened_with_its_value_which_nobody_sees(
        self, api: Api, fleet: RestServer, launcher: InProcessLauncher, capfd: pytest.CaptureFixture[str]
    ) -> None:
        put(api)

        made = api.post("/sources", source(fleet))
        dataset = api.post("/datasets", {"name": "Aircraft", "sourceId": made["id"]})

        assert (made["secretFields"], made["secretReferences"]) == (["token"], {"token": "PROD_TOKEN"})
        assert api.post("/sources/test", source(fleet))["success"] is True
        assert api.post(f"/sources/{made['id']}/test")["success"] is True
        assert api.post(f"/datasets/{dataset['id']}/extract")["records"] == 2
        seen = [f"/sources/{made['id']}", "/sources", "/audit", f"/datasets/{dataset['id']}/history", "/executions"]
        assert not [path for path in seen if VALUE in api.client.get(f"/api/v1/dataops{path}").text]
        assert launcher.launched
        assert VALUE not in str(launcher.launched)
        printed = capfd.readouterr()
        assert "secrets/PROD_TOKEN" in printed.out
        assert VALUE not in printed.out + printed.err

    def test_has_the_new_value_from_the_next_time_on(self, api: Api, fleet: RestServer, settings: Settings) -> None:
        put(api, value="an old one")
        made = api.post("/sources", source(fleet))
        refused = api.post(f"/sources/{made['id']}/test")
        assert refused["success"] is False
        assert "an old one" not in str(refused)

        put(api, value="the next one")
        rotate(settings)

        assert api.post(f"/sources/{made['id']}/test")["success"] is True

    def test_names_one_that_exists(self, api: Api, fleet: RestServer) -> None:
        for name in ("NO_SUCH", "a b", ""):
            wrong = source(fleet, token=f"secret:{name}")

            assert api.refused("POST", "/sources", wrong) == (422, ["connection.token"])
            assert api.refused("POST", "/sources/test", wrong) == (422, ["connection.token"])
        assert api.get("/sources") == []

    def test_is_told_when_the_value_does_not_fit(self, api: Api, fleet: RestServer) -> None:
        put(api)
        made = api.post("/sources", source(fleet))

        put(api, value="two\nlines")

        assert api.refused("POST", "/sources", source(fleet, "Other")) == (422, ["connection.token"])
        tested = api.post(f"/sources/{made['id']}/test")
        assert tested["success"] is False
        assert "control characters" in tested["message"]

    def test_keeps_a_password_of_its_own_beside_it(self, api: Api, stored_secrets: Any) -> None:
        put(api, "KEY", value="-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----")
        both = {"path": "sftp://files.example.com/in", "password": "own", "privateKey": "secret:KEY"}

        made = api.post("/sources", {"name": "Inbox", "type": "csv", "connection": both})

        assert stored_secrets(made["id"]) == {"password": "own", "privateKey": "secret:KEY"}


class TestAnEditorWhoIsAfterASecret:
    def test_cannot_have_it_sent_to_a_server_of_theirs(
        self, api: Api, editor: Api, fleet: RestServer, attacker: RestServer
    ) -> None:
        put(api, allowedHosts=[f"127.0.0.1:{fleet.port}"])
        mine = [
            source(attacker),
            source(attacker, endpoint=attacker.url.replace("127.0.0.1", "localhost")),
            source(attacker, authType="apikey", apiKeyIn="query", apiKeyName="k"),
            {
                "name": "x",
                "type": "postgres",
                "connection": {
                    "host": "127.0.0.1",
                    "port": attacker.port,
                    "database": "d",
                    "password": "secret:PROD_TOKEN",
                },
            },
            {
                "name": "x",
                "type": "csv",
                "connection": {
                    "path": f"webdav://127.0.0.1:{attacker.port}/x.csv",
                    "username": "u",
                    "password": "secret:PROD_TOKEN",
                },
            },
        ]
        for body in mine:
            assert editor.refused("POST", "/sources/test", body)[0] == 403
            assert editor.refused("POST", "/sources", body)[0] == 403

        assert attacker.asked == []
        assert editor.get("/sources") == []
        assert "canary" not in editor.client.post("/api/v1/dataops/sources/test", json=mine[0]).text

    def test_cannot_turn_a_source_that_has_it_round(
        self, api: Api, editor: Api, fleet: RestServer, attacker: RestServer
    ) -> None:
        put(api)
        made = api.post("/sources", source(fleet))
        path = f"/sources/{made['id']}"
        there = {"endpoint": attacker.url}

        assert editor.refused("PATCH", path, {"connection": there}) == (422, ["connection.token"])
        assert editor.refused("PATCH", path, {"connection": there | {"token": "secret:PROD_TOKEN"}})[0] == 403
        in_query = {"authType": "apikey", "apiKeyIn": "query", "token": "secret:PROD_TOKEN"}
        assert editor.refused("PATCH", path, {"connection": in_query})[0] == 403

        assert editor.patch(path, {"connection": {"headers": {"Accept-Language": "de"}}})["id"] == made["id"]
        assert editor.patch(path, {"connection": {"token": "secret:PROD_TOKEN"}})["id"] == made["id"]
        assert api.post(f"{path}/test")["success"] is True
        assert attacker.asked == []

    def test_may_use_it_where_an_admin_has_listed_the_host_and_as_long(
        self, api: Api, editor: Api, fleet: RestServer
    ) -> None:
        put(api)
        assert editor.refused("POST", "/sources", source(fleet))[0] == 403

        put(api, allowedHosts=["127.0.0.1"])
        made = editor.post("/sources", source(fleet))
        assert editor.post(f"/sources/{made['id']}/test")["success"] is True

        put(api, allowedHosts=["api.example.com"])
        tested = editor.post(f"/sources/{made['id']}/test")
        assert tested["success"] is False
        assert "may not be sent to 127.0.0.1" in tested["message"]

    def test_is_not_helped_by_an_admins_other_change(self, api: Api, editor: Api, fleet: RestServer) -> None:
        put(api, allowedHosts=["127.0.0.1"])
        path = f"/sources/{editor.post('/sources', source(fleet))['id']}"
        api.patch(path, {"connection": {"headers": {"Accept-Language": "de"}}})

        put(api, allowedHosts=[])

        assert api.post(f"{path}/test")["success"] is False
        api.patch(path, {"connection": {"token": "secret:PROD_TOKEN"}})
        assert api.post(f"{path}/test")["success"] is True

    def test_whose_attempt_is_in_the_audit(self, api: Api, editor: Api, attacker: RestServer) -> None:
        put(api)

        editor.refused("POST", "/sources/test", source(attacker))

        [line] = api.get("/audit?actor=an%20editor&outcome=refused")
        assert (line["action"], line["detail"]["code"]) == ("POST /api/v1/dataops/sources/test", "FORBIDDEN")
