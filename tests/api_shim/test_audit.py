"""The audit: a line for every change and every launch, what it tells, how it is searched, and that it stays."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api_shim.auth import VIEWERS_MAY
from dataops_defs.adapters.warehouse.connection import libpq_url
from tests.api_shim.conftest import COLUMNS, REGISTRY, Api
from tests.api_shim.in_process import InProcessLauncher

FAMILY, ETL, MVP = "/api/v1/dataops", "/api/v1/pipelines", "/api/v1/mvp"
MARTS = f"{MVP}/datamarts"
SOON = {"Prefer": "respond-async"}


class Story:
    """Requests that succeed, one after another, each with a body of the OpenAPI document where that one can."""

    def __init__(self, app: FastAPI, client: TestClient) -> None:
        self._document, self._client = app.openapi(), client
        self.asked: list[str] = []
        self.silent: list[str] = []

    @property
    def operations(self) -> set[str]:
        """All that changes or launches something."""
        paths = self._document["paths"].items()
        return {f"{method.upper()} {path}" for path, item in paths for method in item if method != "get"} - {
            *VIEWERS_MAY
        }

    def example(self, schema: str, /, **other: Any) -> dict[str, Any]:
        """The document's own body, with what differs here; None leaves out."""
        found = self._document["components"]["schemas"][schema]["examples"][0] | other
        return {name: value for name, value in found.items() if value is not None}

    def ask(self, operation: str, body: Any = None, headers: Mapping[str, str] | None = None, **ids: str) -> Any:
        """The answer; the request must have succeeded, and is noted as silent when the audit does not know it."""
        method, path = operation.split()
        request_id = f"request-{len(self.asked)}"
        reply = self._client.request(
            method, path.format(**ids), json=body, headers={"X-Request-ID": request_id, **(headers or {})}
        )
        assert reply.status_code in (200, 201, 202, 204), (operation, reply.text)
        self.asked.append(operation)
        newest = self._client.get(f"{FAMILY}/audit?limit=5").json()
        if not [line for line in newest if line.get("requestId") == request_id and line["actor"] == "bootstrap admin"]:
            self.silent.append(operation)
        return reply.json() if reply.content else None


# No token speaks then: `test_trigger_webhooks` looks for its line.
BY_SIGNATURE = {f"POST {MVP}/triggers/webhook/{{trigger_id}}"}


@pytest.fixture
def story(app: FastAPI, client: TestClient) -> Story:
    return Story(app, client)


def of_access(story: Story) -> None:
    token = story.ask(f"POST {FAMILY}/tokens", story.example("TokenCreate"))
    story.ask(f"DELETE {FAMILY}/tokens/{{token_id}}", token_id=token["id"])
    story.ask(f"PUT {FAMILY}/secrets/{{name}}", story.example("SecretIn"), name="PROD")
    story.ask(f"DELETE {FAMILY}/secrets/{{name}}", name="PROD")


def of_alerts(story: Story) -> None:
    channel = {"type": "webhook", "url": "https://hooks.example.com/dataops"}
    made = story.ask(f"POST {FAMILY}/alerts", story.example("AlertCreate", channel=channel))
    story.ask(f"PATCH {FAMILY}/alerts/{{alert_id}}", {"throttleSeconds": 60}, alert_id=made["id"])
    story.ask(f"DELETE {FAMILY}/alerts/{{alert_id}}", alert_id=made["id"])


def of_sources(story: Story, registry: dict[str, Any]) -> str:
    one = f"{FAMILY}/sources/{{source_id}}"
    story.ask(f"POST {FAMILY}/sources/test", registry)
    aircraft = story.ask(f"POST {FAMILY}/sources", story.example("SourceCreate"))["id"]
    story.ask(f"PATCH {one}", story.example("SourceChange"), source_id=aircraft)
    story.ask(f"DELETE {one}", source_id=aircraft)
    source: str = story.ask(f"POST {FAMILY}/sources", registry)["id"]
    story.ask(f"POST {one}/test", source_id=source)
    story.ask(f"PUT {one}/grants", {"grants": [{"role": "viewer", "may": "use"}]}, source_id=source)
    return source


def of_datasets(story: Story, api: Api, source: str, launcher: InProcessLauncher) -> str:
    one, run = f"{FAMILY}/datasets/{{dataset_id}}", f"{FAMILY}/executions/{{execution_id}}"
    example = story.example("DatasetCreate", sourceId=source, extraction=None)
    dataset: str = story.ask(f"POST {FAMILY}/datasets", example)["id"]
    story.ask(f"PATCH {one}", {"description": "Told"}, dataset_id=dataset)
    story.ask(f"POST {one}/extract", dataset_id=dataset)
    story.ask(f"PATCH {one}", {"schemaPolicy": "quarantine"}, dataset_id=dataset)
    (api.files / "written.csv").write_text(f"owner,{REGISTRY}".replace("\nN", "\nacme,N"))
    story.ask(f"POST {one}/extract", dataset_id=dataset)
    story.ask(f"POST {one}/schema/accept", dataset_id=dataset)
    launcher.held = True
    waiting = story.ask(f"POST {one}/extract", headers=SOON, dataset_id=dataset)["executionId"]
    for order in ("pause", "resume", "cancel"):
        story.ask(f"POST {run}/{order}", execution_id=waiting)
    launcher.held = False
    other = story.ask(f"POST {FAMILY}/datasets", {"name": "Other", "sourceId": source})["id"]
    story.ask(f"DELETE {one}", dataset_id=other)
    return dataset


def of_objects(story: Story, dataset: str) -> None:
    kind, mapping = f"{FAMILY}/object-types/{{object_type}}", f"{FAMILY}/mappings/{{mapping_id}}"
    graph = f"{FAMILY}/pipelines/{{pipeline_id}}"
    story.ask(f"POST {FAMILY}/object-types", story.example("ObjectTypeCreate"))
    story.ask(f"PATCH {kind}", {"description": "Told"}, object_type="aircraft")
    made = story.ask(f"POST {FAMILY}/mappings", {"datasetId": dataset, "objectType": "aircraft", "mappings": COLUMNS})[
        "id"
    ]
    story.ask(f"PATCH {mapping}", {"description": "Told"}, mapping_id=made)
    story.ask(f"POST {mapping}/sync", mapping_id=made)
    story.ask(f"POST {mapping}/rejects/replay", mapping_id=made)
    nodes = [{"id": "m", "type": "mapping", "data": {"mappingId": made}}]
    drawn = story.ask(f"POST {FAMILY}/pipelines", {"name": "Graph", "nodes": nodes, "edges": []})["id"]
    story.ask(f"PATCH {graph}", story.example("PipelineChange"), pipeline_id=drawn)
    story.ask(f"POST {graph}/execute", pipeline_id=drawn)
    story.ask(f"DELETE {graph}", pipeline_id=drawn)
    story.ask(f"DELETE {mapping}", mapping_id=made)
    story.ask(f"DELETE {kind}", object_type="aircraft")


def of_the_warehouse(story: Story, launcher: InProcessLauncher) -> None:
    query, table = "SELECT 1 AS film_id, 'Alien' AS title", {"schema": "analytics", "tables": ["films", "films_2"]}
    for name in table["tables"]:
        story.ask(f"POST {MARTS}/create", {"name": name, "query": query, "type": "table"})
        story.ask(f"POST {MARTS}/{{name}}/refresh", name=name)
    launcher.held = True
    story.ask(f"POST {MVP}/relationships/detect", story.example("DetectRequest", **table), SOON)
    launcher.held = False
    films = {"type": "query", "query": "SELECT * FROM analytics.films"}
    made = story.ask(f"POST {MVP}/export/excel", story.example("ExportQuery", data_source=films))
    section = {"name": "Films", "type": "table", "query": "SELECT title FROM analytics.films"}
    story.ask(f"POST {MVP}/export/excel/report", story.example("ExportReport", sections=[section]))
    story.ask(f"POST {MVP}/export/excel/datamart/{{name}}", story.example("ExportDatamart"), name="films")
    story.ask(f"DELETE {MVP}/exports/{{export_id}}", export_id=made["export_id"])


def of_datamarts(story: Story) -> None:
    one = f"{MARTS}/{{name}}"
    story.ask(f"POST {one}/schedule", story.example("ScheduleRequest"), name="films_2")
    for version in ("v1", "v2"):
        body = story.example("VersionedCreate", query="SELECT 1 AS n", version=version)
        story.ask(f"POST {MARTS}/versioned", body)
    story.ask(f"POST {one}/rollback", story.example("RollbackRequest"), name="customer_segments_v2")
    story.ask(f"DELETE {one}", name="films_2")


def of_etl(story: Story) -> None:
    wanted = {"type": "SQL", "mode": "full", "target_table": "analytics.film_dim", "batch_size": 10}
    one = f"{ETL}/{{pipeline_id}}"
    for name in ("film_dim", "film_dim_2"):
        story.ask(f"POST {ETL}", wanted | {"name": name, "source_query": "SELECT 1 AS film_id"})
    story.ask(f"PATCH {one}", {"batch_size": 20}, pipeline_id="film_dim")
    story.ask(f"POST {one}/pause", pipeline_id="film_dim")
    story.ask(f"POST {one}/run", pipeline_id="film_dim")
    story.ask(f"DELETE {one}", pipeline_id="film_dim_2")


def of_storage(story: Story, api: Api) -> None:
    storage = f"{MVP}/storage"
    for name, text in (("mounted", "a,b\n1,2\n"), ("incoming", "n\n1\n20000000000\nmany\n")):
        (api.files / name).mkdir()
        (api.files / name / "rows.csv").write_text(text)
    place = {"local_path": "/mnt/share", "network_path": str(api.files / "mounted")}
    mount = story.ask(f"POST {storage}/mount", place)["mount_id"]
    story.ask(f"DELETE {storage}/mounts/{{mount_id}}", mount_id=mount)
    watch = story.ask(f"POST {storage}/watch", {"folder_path": "incoming", "file_patterns": ["*.csv"]})["watch_id"]
    story.ask(f"DELETE {storage}/watches/{{watch_id}}", watch_id=watch)
    body = {"file_path": "incoming/rows.csv", "target_table": "raw.rows", "data_types": {"n": "INTEGER"}}
    made = story.ask(f"POST {storage}/import", body)["import_id"]
    story.ask(f"POST {storage}/imports/{{import_id}}/rejects/replay", import_id=made)


def of_triggers(story: Story) -> None:
    one = f"{MVP}/triggers/{{trigger_id}}"
    hook = {"name": "hook", "pipeline_id": "film_dim", "trigger_type": "webhook"}
    made = story.ask(f"POST {MVP}/triggers/create", hook)["trigger_id"]
    story.ask(f"POST {one}/secret", trigger_id=made)
    story.ask(f"PUT {one}/pause", trigger_id=made)
    story.ask(f"PUT {one}/resume", trigger_id=made)
    story.ask(f"DELETE {one}", trigger_id=made)
    story.ask(f"POST {MVP}/triggers/manual/{{pipeline_id}}", {"parameters": {}}, pipeline_id="film_dim")


class TestEveryChangeAndEveryLaunch:
    def test_has_its_line(self, story: Story, api: Api, launcher: InProcessLauncher) -> None:
        api.source("Written")
        of_access(story)
        of_alerts(story)
        source = of_sources(story, {"name": "Registry", "type": "csv", "connection": {"path": "written.csv"}})
        of_objects(story, of_datasets(story, api, source, launcher))
        of_the_warehouse(story, launcher)
        of_datamarts(story)
        of_etl(story)
        of_storage(story, api)
        of_triggers(story)

        assert story.silent == []
        assert story.operations - set(story.asked) == BY_SIGNATURE


class TestALine:
    def test_tells_what_a_field_was_and_what_it_is(self, api: Api) -> None:
        dataset = api.dataset(description="before", schedule={"enabled": True, "cron": "0 2 * * *"})
        api.patch(
            f"/datasets/{dataset['id']}", {"name": "Fleet", "description": "after", "extraction": {"type": "file"}}
        )
        api.patch(f"/datasets/{dataset['id']}", {"schedule": {"cron": "0 3 * * *"}})

        later, sooner = api.get(f"/audit?action=dataset.update&subject={dataset['id']}")

        assert sooner["detail"]["changes"] == {
            "name": {"before": "Aircraft Inventory", "after": "Fleet"},
            "description": {"before": "before", "after": "after"},
        }
        assert later["detail"]["changes"] == {"schedule.cron": {"before": "0 2 * * *", "after": "0 3 * * *"}}

    def test_of_a_changed_connection_holds_no_secret_and_no_sealed_one(self, api: Api) -> None:
        there = {"host": "db.example.com", "database": "fleet", "password": "canary-1"}
        made = api.post("/sources", {"name": "Db", "type": "postgres", "connection": there})
        moved = {"connection": {"host": "other.example.com", "password": "canary-2"}}

        api.patch(f"/sources/{made['id']}", moved)

        [line] = api.get("/audit?action=source.update")
        changes = line["detail"]["changes"]
        assert list(changes) == ["connection"]
        assert [changes["connection"][each]["host"] for each in ("before", "after")] == [
            "db.example.com",
            "other.example.com",
        ]
        assert "canary" not in api.client.get(f"{FAMILY}/audit").text

    def test_of_a_long_value_holds_its_beginning(self, api: Api) -> None:
        made = api.source()

        api.patch(f"/sources/{made['id']}", {"description": "ä" * 4000})

        [line] = api.get("/audit?action=source.update")
        assert line["detail"]["changes"]["description"] == {"before": None, "after": "ä" * 2000 + "…"}

    def test_of_a_test_tells_how_it_went(self, api: Api) -> None:
        api.post("/sources/test", {"type": "csv", "connection": {"path": "gone.csv"}})

        [line] = api.get("/audit?outcome=failed")
        assert (line["action"], line["detail"]["connection"]) == ("source.test", {"path": "gone.csv"})


class TestSearching:
    def test_by_actor_action_subject_and_time_in_pages(self, api: Api) -> None:
        first, second = api.source("First")["id"], api.source("Second")["id"]
        api.patch(f"/sources/{first}", {"description": "x"})
        [change, made] = api.get(f"/audit?subject={first}")

        assert [change["action"], made["action"]] == ["source.update", "source.create"]
        assert [each["subject"] for each in api.get("/audit?action=source.create")] == [second, first]
        assert api.get("/audit?actor=nobody") == []
        since = change["at"]
        assert [each["id"] for each in api.get(f"/audit?since={since}")] == [change["id"]]
        assert {each["subject"] for each in api.get(f"/audit?until={since}")} == {first, second}
        paged = api.client.get(f"{FAMILY}/audit?limit=1&offset=1&subject={first}")
        assert ([each["id"] for each in paged.json()], paged.headers["X-Total-Count"]) == ([made["id"]], "2")

    def test_times_without_a_zone_and_unknown_filters_are_refused(self, api: Api) -> None:
        for moment in ("2025-01-01T00:00:00", "2025", "1735689600", "-5"):
            assert api.refused("GET", f"/audit?since={moment}") == (422, ["since"])
        assert api.refused("GET", "/audit?request=x") == (422, ["request"])
        assert api.refused("GET", "/audit?outcome=perhaps") == (422, ["outcome"])


class TestTheTable:
    @pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
    def test_is_only_added_to_by_the_applications_own_role(self, api: Api, catalogue_url: str, statement: str) -> None:
        api.source()
        refused = pytest.raises(psycopg2.errors.InsufficientPrivilege, match="only added to")
        with closing(psycopg2.connect(libpq_url(catalogue_url))) as connection, connection.cursor() as cursor, refused:
            cursor.execute(statement)

        assert api.get("/audit?action=source.create")


class TestNames:
    @pytest.mark.parametrize("name", ["schedule:nightly", "Sensor: files", "dagster", "ANONYMOUS"])
    def test_of_the_platforms_own_doings_are_no_tokens(self, api: Api, name: str) -> None:
        assert api.refused("POST", "/tokens", {"name": name, "role": "viewer"}) == (422, ["name"])
