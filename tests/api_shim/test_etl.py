"""ETL pipelines over HTTP, as document 003 prints them."""

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind
from tests.api_shim.following import wait_for
from tests.api_shim.in_process import InProcessLauncher
from tests.scenes import World

BASE = "/api/v1/pipelines"
FILM_DIM: dict[str, Any] = {
    "name": "film_dim_full",
    "description": "Full reload of film_dim",
    "type": "SQL",
    "mode": "full",
    "enabled": True,
    "target_table": "analytics.film_dim",
    "batch_size": 100,
    "source_query": "SELECT id AS film_id, title, rating FROM content.film_work",
}
PRINTED = ("id", "name", "description", "type", "mode", "enabled", "status", "target_table", "batch_size")
INCREMENTAL = {
    "name": "film_dim_new",
    "mode": "incremental",
    "source_query": "SELECT id AS film_id, title, updated_at FROM content.film_work",
}


@pytest.fixture
def films(world: World, client: TestClient) -> World:
    world.sql("CREATE TABLE content.film_work (id int PRIMARY KEY, title text, rating float, updated_at timestamptz)")
    world.sql("INSERT INTO content.film_work SELECT n, 'film ' || n, n, now() FROM generate_series(1, 10) n")
    return world


def made(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post(BASE, json={**FILM_DIM, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: Response) -> tuple[int, Sequence[str]]:
    body = answer.json()
    assert set(body) <= {"detail", "errors"}
    assert isinstance(body["detail"], str)
    return answer.status_code, [each["field"] for each in body.get("errors", [])]


class TestDefiningAPipeline:
    def test_answers_as_the_document_prints(self, client: TestClient) -> None:
        body = made(client)
        assert tuple(body)[: len(PRINTED)] == PRINTED
        assert {name: body[name] for name in FILM_DIM if name != "source_query"} == {
            name: value for name, value in FILM_DIM.items() if name != "source_query"
        }
        assert body["status"] == "IDLE"
        assert client.get(f"{BASE}/{body['id']}").json() == body
        assert client.get(BASE).json() == [body]

    def test_takes_the_documents_defaults(self, client: TestClient) -> None:
        short = {name: FILM_DIM[name] for name in ("name", "mode", "target_table", "source_query")}
        body = client.post(BASE, json=short).json()
        assert (body["batch_size"], body["enabled"], body["type"], body["description"]) == (1000, True, "SQL", None)

    def test_a_taken_name_is_400_in_the_printed_words(self, client: TestClient) -> None:
        made(client)
        answer = client.post(BASE, json=FILM_DIM)
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith("Duplicate pipeline name")

    @pytest.mark.parametrize("target", ["public.users", "analytics.film_dim; DROP TABLE x", "es:other", "film_dim", ""])
    def test_a_target_that_is_not_on_the_list_is_refused(self, client: TestClient, target: str) -> None:
        answer = client.post(BASE, json={**FILM_DIM, "target_table": target})
        assert answer.status_code == (400 if target else 422)
        assert not target or answer.json()["detail"] == f"target_table '{target}' is not allowed"
        assert client.get(BASE).json() == []

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"batch_size": 0}, "batch_size"),
            ({"batch_size": -1}, "batch_size"),
            ({"batch_size": "100"}, "batch_size"),
            ({"batch_size": 10**9}, "batch_size"),
            ({"type": "PYTHON"}, "type"),
            ({"mode": "weekly"}, "mode"),
            ({"enabled": "yes"}, "enabled"),
            ({"name": ""}, "name"),
            ({"name": "x" * 201}, "name"),
            ({"name": "!!!"}, "name"),
            ({"status": "RUNNING"}, "status"),
            ({"source_query": "DELETE FROM content.film_work"}, "source_query"),
            ({"source_query": "SELECT 1; SELECT 2"}, "source_query"),
            ({"source_query": "SELECT pg_read_file('/etc/passwd')"}, "source_query"),
            ({"source_id": "none"}, "source_id"),
            ({"source_id": "0192f3a1-0000-7000-8000-000000000001"}, "source_id"),
            ({"mode": "incremental"}, "cursor_column"),
            ({**INCREMENTAL, "cursor_column": "nothing"}, "cursor_column"),
            ({**INCREMENTAL, "key_columns": ["nothing"]}, "key_columns"),
            ({**INCREMENTAL, "source_query": "SELECT * FROM content.nowhere"}, "source_query"),
            ({**INCREMENTAL, "lag_seconds": -1}, "lag_seconds"),
        ],
    )
    def test_what_is_wrong_is_named(self, client: TestClient, films: World, wrong: dict[str, Any], field: str) -> None:
        assert problem(client.post(BASE, json={**FILM_DIM, **wrong})) == (422, [field])
        assert client.get(BASE).json() == []

    def test_an_unknown_one_is_404_in_the_printed_words(self, client: TestClient) -> None:
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/run"),
            ("POST", "/pause"),
            ("GET", "/runs"),
            ("GET", "/state"),
            ("GET", "/reconciliation"),
        ):
            answer = client.request(method, f"{BASE}/no-such-id{path}", json={} if method == "PATCH" else None)
            assert answer.status_code == 404
            assert answer.json() == {"detail": "Pipeline not found"}, path


class TestChangingAPipeline:
    def test_changes_what_is_given_and_an_empty_patch_nothing(self, client: TestClient) -> None:
        id = made(client)["id"]
        body = client.patch(f"{BASE}/{id}", json={"batch_size": 500, "enabled": False}).json()
        assert (body["batch_size"], body["enabled"], body["name"]) == (500, False, "film_dim_full")
        assert client.patch(f"{BASE}/{id}", json={}).json() == body

    @pytest.mark.parametrize(
        ("wrong", "status"),
        [({"name": None}, 422), ({"target_table": "x.y"}, 400), ({"mode": "incremental"}, 422), ({"foo": 1}, 422)],
    )
    def test_refuses_what_a_new_one_could_not_be(
        self, client: TestClient, films: World, wrong: dict[str, Any], status: int
    ) -> None:
        before = made(client)
        assert client.patch(f"{BASE}/{before['id']}", json=wrong).status_code == status
        assert client.get(f"{BASE}/{before['id']}").json() == before

    def test_while_it_runs_is_409_in_the_printed_words(self, client: TestClient, world: World) -> None:
        id = made(client)["id"]
        run = at_work(world, id)
        answer = client.patch(f"{BASE}/{id}", json={"batch_size": 5})
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith("Cannot update a running pipeline")
        assert client.delete(f"{BASE}/{id}").status_code == 409
        assert client.post(f"{BASE}/{id}/pause").json()["status"] == "PAUSE_REQUESTED"
        assert client.patch(f"{BASE}/{id}", json={"batch_size": 5}).status_code == 409
        assert client.post(f"{BASE}/{id}/run").json()["status"] == "RUNNING"
        with world.platform.catalogue() as session:
            assert not RunControl(session)._open(run).pause_requested


class TestRunningAPipeline:
    def test_brings_the_rows_over_and_is_idle_again(self, client: TestClient, films: World) -> None:
        id = made(client)["id"]
        asked = client.post(f"{BASE}/{id}/run")
        assert asked.status_code == 200
        assert asked.json()["status"] in ("RUN_REQUESTED", "RUNNING", "IDLE")
        wait(client, id)

        [run] = client.get(f"{BASE}/{id}/runs").json()
        assert (run["status"], run["rows_read"], run["rows_written"], run["error_message"]) == ("SUCCESS", 10, 10, None)
        assert run["started_at"].endswith("Z")
        assert run["finished_at"] > run["started_at"]
        assert films.sql("SELECT count(*) FROM analytics.film_dim") == [(10,)]
        state = client.get(f"{BASE}/{id}/state").json()
        assert (state["status"], state["load_position"], state["percent"]) == ("IDLE", 10, 100.0)
        compared = client.get(f"{BASE}/{id}/reconciliation").json()
        assert (compared["in_sync"], compared["rows_source"], compared["rows_target"]) == (True, 10, 10)

    def test_is_answered_before_dagster_is_and_a_pause_comes_in_time(
        self, client: TestClient, films: World, launcher: InProcessLauncher
    ) -> None:
        launcher.silent = True
        id = made(client)["id"]

        assert client.post(f"{BASE}/{id}/run").json()["status"] == "RUN_REQUESTED"
        assert client.post(f"{BASE}/{id}/pause").json()["status"] == "PAUSED"
        assert client.get(f"{BASE}/{id}/runs").json() == []
        assert (launcher.launched, launcher.given_up) == ([], 0)

        launcher.silent = False
        client.post(f"{BASE}/{id}/run")
        wait_for(lambda: bool(client.get(f"{BASE}/{id}").json()["status"] == "IDLE"))
        [run] = client.get(f"{BASE}/{id}/runs").json()
        assert (run["status"], run["rows_written"]) == ("SUCCESS", 10)

    def test_one_that_is_only_asked_for_has_neither_a_beginning_nor_a_load(
        self, client: TestClient, films: World, launcher: InProcessLauncher
    ) -> None:
        id = made(client)["id"]
        client.post(f"{BASE}/{id}/run")
        wait(client, id)
        launcher.held = True
        client.post(f"{BASE}/{id}/run")
        for status in ("RUN_REQUESTED", "PAUSED"):
            state = client.get(f"{BASE}/{id}/state").json()
            assert (state["status"], state["workers_used"], state["rows_read"]) == (status, 0, 0)
            assert (state["run_status"], state["started_at"], state["finished_at"]) == (None, None, None)
            assert (state["load_position"], state["load_rows"], state["percent"]) == (0, None, None)
            client.post(f"{BASE}/{id}/pause")
        assert len(client.get(f"{BASE}/{id}/runs").json()) == 1

    def test_a_new_run_does_not_show_the_load_that_the_last_one_did(self, client: TestClient, films: World) -> None:
        id = made(client)["id"]
        client.post(f"{BASE}/{id}/run")
        wait(client, id)
        run = at_work(films, id)
        films.sql(f"UPDATE dataops.checkpoint SET run_id = '{run}'")  # it has begun, and not read its query yet
        state = client.get(f"{BASE}/{id}/state").json()
        assert (state["status"], state["run_status"]) == ("RUNNING", "RUNNING")
        assert (state["load_position"], state["load_rows"]) == (0, None)

    def test_a_run_that_fails_says_why(self, client: TestClient, films: World) -> None:
        id = made(client, source_query="SELECT id / 0 AS film_id FROM content.film_work")["id"]
        client.post(f"{BASE}/{id}/run")
        assert wait(client, id) == "FAILED"
        [run] = client.get(f"{BASE}/{id}/runs").json()
        assert (run["status"], run["error_message"]) == ("FAILED", "PostgreSQL: division by zero")

    def test_is_asked_for_once_however_often_it_is_asked(
        self, client: TestClient, films: World, launcher: InProcessLauncher
    ) -> None:
        id = made(client)["id"]
        at_work(films, id)
        for _ in range(3):
            assert client.post(f"{BASE}/{id}/run").json()["status"] == "RUNNING"
        assert len(client.get(f"{BASE}/{id}/runs").json()) == 1

    def test_pausing_one_that_does_not_run_changes_nothing(self, client: TestClient) -> None:
        id = made(client)["id"]
        answer = client.post(f"{BASE}/{id}/pause")
        assert (answer.status_code, answer.json()["status"]) == (200, "IDLE")

    @pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5"])
    def test_the_list_of_runs_is_bounded(self, client: TestClient, limit: str) -> None:
        id = made(client)["id"]
        assert problem(client.get(f"{BASE}/{id}/runs?limit={limit}")) == (422, ["limit"])

    def test_a_differing_row_is_named(self, client: TestClient, films: World) -> None:
        id = made(client)["id"]
        client.post(f"{BASE}/{id}/run")
        wait(client, id)
        films.sql("UPDATE analytics.film_dim SET title = 'other' WHERE film_id = 3")
        films.sql("DELETE FROM analytics.film_dim WHERE film_id = 4")
        compared = client.get(f"{BASE}/{id}/reconciliation").json()
        told = {each["key"]["film_id"]: (each["kind"], each["columns"]) for each in compared["differences"]}
        assert told == {3: ("different", ["title"]), 4: ("missing", [])}


class TestDeletingAPipeline:
    def test_keeps_its_target_and_clears_away_the_rest(self, client: TestClient, films: World) -> None:
        id = made(client)["id"]
        client.post(f"{BASE}/{id}/run")
        wait(client, id)
        assert client.delete(f"{BASE}/{id}").status_code == 204
        assert client.get(f"{BASE}/{id}").status_code == 404
        assert films.sql("SELECT count(*) FROM analytics.film_dim") == [(10,)]
        assert films.sql("SELECT count(*) FROM dataops.checkpoint") == [(0,)]
        assert made(client)["id"] != id


def at_work(world: World, id: str) -> str:
    """A worker is at the pipeline, and slow."""
    work = world.work()
    with world.platform.catalogue() as session:
        row = EtlPipelines(session).get(id, lock=True)
        run = Runs(session).get(work.run_id)
        run.kind, run.subject_id, row.run_id = RunKind.ETL, row.id, run.id
    return work.run_id


def wait(client: TestClient, id: str) -> str:
    for _ in range(200):
        status: str = client.get(f"{BASE}/{id}").json()["status"]
        if status in ("IDLE", "FAILED", "PAUSED"):
            return status
    raise AssertionError(status)
