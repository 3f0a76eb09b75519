"""Sources over HTTP. Source: document 004, US-1."""

from collections.abc import Callable

import pytest

from tests.api_shim.conftest import Api

AIRCRAFT_DB = {
    "name": "Aircraft Master DB",
    "type": "postgres",
    "connection": {
        "host": "db.example.com",
        "port": 5432,
        "database": "aircraft",
        "username": "reader",
        "password": "a-secret-nobody-sees",
    },
}


class TestCreatingASource:
    def test_the_documents_example_is_created(self, api: Api) -> None:
        reply = api.client.post("/api/v1/dataops/sources", json=AIRCRAFT_DB)

        assert reply.status_code == 201
        made = reply.json()
        assert made["name"] == "Aircraft Master DB"
        assert made["status"] == "active"
        assert made["app"] == "default"
        assert made["createdAt"].endswith("Z")

    def test_its_password_is_never_in_an_answer(self, api: Api) -> None:
        made = api.post("/sources", AIRCRAFT_DB)

        assert made["connection"] == {
            name: value for name, value in AIRCRAFT_DB["connection"].items() if name != "password"
        }
        assert made["secretFields"] == ["password"]
        for path in ("/sources", f"/sources/{made['id']}", "/audit"):
            assert "a-secret-nobody-sees" not in api.client.get(f"/api/v1/dataops{path}").text

    def test_snake_case_is_accepted_too(self, api: Api) -> None:
        source = api.source()

        dataset = api.post("/datasets", {"name": "Snake", "source_id": source["id"]})

        assert dataset["sourceId"] == source["id"]

    def test_a_name_that_is_taken_is_a_conflict(self, api: Api) -> None:
        api.post("/sources", AIRCRAFT_DB)

        assert api.refused("POST", "/sources", AIRCRAFT_DB)[0] == 409
        assert api.refused("POST", "/sources", {**AIRCRAFT_DB, "name": "aircraft-master-db"})[0] == 409

    def test_every_wrong_field_is_named_and_nothing_is_stored(self, api: Api) -> None:
        wrong = {"name": "x", "type": "postgres", "connection": {"host": "a b", "port": "5432", "colour": "red"}}

        status, fields = api.refused("POST", "/sources", wrong)

        assert status == 422
        assert set(fields) == {
            "connection.colour",
            "connection.database",
            "connection.host",
            "connection.port",
        }
        assert api.get("/sources") == []

    def test_a_setting_that_is_none_is_refused_though_it_is_null(self, api: Api) -> None:
        wrong = {**AIRCRAFT_DB, "connection": {**AIRCRAFT_DB["connection"], "colour": None}}
        assert api.refused("POST", "/sources", wrong) == (422, ["connection.colour"])
        made = api.post("/sources", AIRCRAFT_DB)
        change = {"connection": {"colour": None}}
        assert api.refused("PATCH", f"/sources/{made['id']}", change) == (422, ["connection.colour"])

    def test_an_unknown_type_or_field_is_refused(self, api: Api) -> None:
        assert api.refused("POST", "/sources", {"name": "x", "type": "no_such", "connection": {}}) == (422, ["type"])
        assert api.refused("POST", "/sources", {**AIRCRAFT_DB, "id": "mine"}) == (422, ["id"])
        assert api.refused("POST", "/sources", {"type": "csv", "connection": {}}) == (422, ["name"])


class TestChangingASource:
    def test_what_is_left_out_stays_the_password_too(
        self, api: Api, stored_secrets: Callable[[str], dict[str, str]]
    ) -> None:
        made = api.post("/sources", AIRCRAFT_DB)

        changed = api.patch(f"/sources/{made['id']}", {"connection": {"database": "fleet"}})

        assert changed["connection"]["database"] == "fleet"
        assert changed["connection"]["host"] == "db.example.com"
        assert stored_secrets(made["id"]) == {"password": "a-secret-nobody-sees"}

    def test_null_clears_the_password(self, api: Api, stored_secrets: Callable[[str], dict[str, str]]) -> None:
        made = api.post("/sources", AIRCRAFT_DB)

        changed = api.patch(f"/sources/{made['id']}", {"connection": {"password": None}})

        assert changed["secretFields"] == []
        assert stored_secrets(made["id"]) == {}

    def test_another_host_does_not_get_the_stored_password(
        self, api: Api, stored_secrets: Callable[[str], dict[str, str]]
    ) -> None:
        made = api.post("/sources", AIRCRAFT_DB)
        path = f"/sources/{made['id']}"

        assert api.refused("PATCH", path, {"connection": {"host": "evil.example.com"}}) == (
            422,
            ["connection.password"],
        )
        moved = {"connection": {"host": "new.example.com", "password": "another"}}
        assert api.patch(path, moved)["connection"]["host"] == "new.example.com"
        assert stored_secrets(made["id"]) == {"password": "another"}

    def test_a_source_that_does_not_exist_is_not_found(self, api: Api) -> None:
        for id in ("none", "0192f3a1-0000-7000-8000-000000000001", "%00", "..", "a" * 300):
            assert api.refused("PATCH", f"/sources/{id}", {"name": "x"})[0] == 404


class TestDeletingASource:
    def test_a_source_nothing_is_built_on_goes(self, api: Api) -> None:
        made = api.source()

        reply = api.client.delete(f"/api/v1/dataops/sources/{made['id']}")

        assert (reply.status_code, reply.content) == (204, b"")
        assert api.refused("GET", f"/sources/{made['id']}")[0] == 404

    def test_a_source_with_datasets_stays_and_they_are_named(self, api: Api) -> None:
        dataset = api.dataset()

        reply = api.client.delete(f"/api/v1/dataops/sources/{dataset['sourceId']}")

        assert reply.status_code == 409
        assert "Aircraft Inventory" in reply.json()["detail"]

    def test_a_wish_that_is_not_known_is_refused_rather_than_ignored(self, api: Api) -> None:
        made = api.source()

        assert api.refused("DELETE", f"/sources/{made['id']}?force=true") == (422, ["force"])


class TestTestingASource:
    def test_a_saved_source_that_answers_is_active(self, api: Api) -> None:
        made = api.source()

        result = api.post(f"/sources/{made['id']}/test")

        assert result["success"] is True
        assert result["latencyMs"] >= 0
        found = api.get(f"/sources/{made['id']}")
        assert (found["status"], found["lastTested"]) == ("active", result["testedAt"])

    def test_one_that_fails_says_why_and_shows_it_in_its_status(self, api: Api) -> None:
        made = api.post("/sources", {"name": "Gone", "type": "csv", "connection": {"path": "gone.csv"}})

        result = api.post(f"/sources/{made['id']}/test")

        assert result["success"] is False
        assert result["message"]
        assert api.get(f"/sources/{made['id']}")["status"] == "error"

    def test_an_unsaved_source_is_tested_and_not_kept(self, api: Api, operations_url: str) -> None:
        nobody = {"type": "postgres", "connection": {"host": "127.0.0.1", "port": 1, "database": "test"}}

        assert api.post("/sources/test", nobody)["success"] is False
        assert api.get("/sources") == []


class TestListingSources:
    def test_pages_filters_and_the_total(self, api: Api) -> None:
        for name in ("A", "B", "C"):
            api.source(name)
        api.post("/sources", AIRCRAFT_DB)

        reply = api.client.get("/api/v1/dataops/sources?type=csv&limit=2&sort=name")

        assert [each["name"] for each in reply.json()] == ["A", "B"]
        assert reply.headers["X-Total-Count"] == "3"

    def test_limits_and_sorting_are_checked(self, api: Api) -> None:
        assert api.refused("GET", "/sources?limit=501") == (422, ["limit"])
        assert api.refused("GET", "/sources?offset=-1") == (422, ["offset"])
        assert api.refused("GET", "/sources?sort=password") == (422, ["sort"])
        assert api.refused("GET", "/sources?colour=red") == (422, ["colour"])


class TestAFileOutsideTheFolders:
    @pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "a/../../b", "~/x", "file:///etc/passwd"])
    def test_is_refused_before_a_source_is_made_of_it(self, api: Api, path: str) -> None:
        body = {"name": "Outside", "type": "csv", "connection": {"path": path}}
        answer = api.client.post("/api/v1/dataops/sources", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "connection.path"
        assert api.client.get("/api/v1/dataops/sources").json() == []

    def test_and_so_is_an_encoding_that_is_none(self, api: Api) -> None:
        connection = {"path": "a.csv", "encoding": "klingon"}
        answer = api.client.post(
            "/api/v1/dataops/sources", json={"name": "Odd", "type": "csv", "connection": connection}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "connection.encoding"
