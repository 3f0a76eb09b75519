"""Who may see and use a source: every route that reaches one, or shows rows as they came from it."""

import json
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.engine import make_url

from api_shim.app import create_app
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import COLUMNS, REGISTRY, Api
from tests.api_shim.holders import holder
from tests.api_shim.in_process import InProcessLauncher
from tests.api_shim.test_executions import statements

FAMILY, ETL = "/api/v1/dataops", "/api/v1/pipelines"
NOWHERE = "0192f3a1-0000-7000-8000-000000000001"
Asked = tuple[str, str, Any]


@dataclass
class Scene:
    """A restricted source with all that can be built on one, and four who ask: by the right they have."""

    api: Api
    source: str
    extracted: dict[str, Any]
    waiting: dict[str, Any]
    mapping: dict[str, Any]
    first_sync: dict[str, Any]
    graph: dict[str, Any]
    database: str
    etl: dict[str, Any]
    sees: Api
    uses: Api
    stranger: Api
    viewer: Api

    def status(self, who: Api, asked: Asked) -> int:
        method, path, body = asked
        prefix = "" if path.startswith(ETL) else FAMILY
        return who.client.request(method, prefix + path, json=body).status_code


@pytest.fixture
def scene(api: Api, app: FastAPI, operations_url: str) -> Scene:
    source = api.source()
    extracted, waiting = api.dataset("Extracted", source=source), api.dataset("Waiting", source=source)
    mapping, first_sync = api.mapping(extracted, name="Synced"), api.mapping(waiting, name="Unsynced")
    api.post(f"/mappings/{mapping['id']}/sync")
    nodes = [
        {"id": "s", "type": "source", "data": {"sourceId": source["id"]}},
        {"id": "d", "type": "dataset", "data": {"datasetId": extracted["id"]}},
    ]
    graph = api.post("/pipelines", {"name": "Graph", "nodes": nodes, "edges": [edge("s", "d")]})
    database = api.post("/sources", {"name": "Operations", "type": "postgres", "connection": postgres(operations_url)})
    etl = api.client.post(ETL, json=etl_pipeline(database["id"])).json()
    made = Scene(
        *(api, source["id"], extracted, waiting, mapping, first_sync, graph, database["id"], etl),
        sees=holder(api, app, "sees", "editor"),
        uses=holder(api, app, "uses", "editor"),
        stranger=holder(api, app, "stranger", "editor"),
        viewer=holder(api, app, "watches", "viewer"),
    )
    for id in (source["id"], database["id"]):
        grant(api, id, {"token": "uses", "may": "use"}, {"token": "sees", "may": "see"})
    return made


def grant(who: Api, source: str, *grants: dict[str, str]) -> Any:
    reply = who.client.put(f"{FAMILY}/sources/{source}/grants", json={"grants": list(grants)})
    assert reply.status_code == 200, reply.text
    return reply.json()


def postgres(url: str) -> dict[str, Any]:
    parts = make_url(url)
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE film (id int PRIMARY KEY, title text); INSERT INTO film VALUES (1, 'Alien')")
    return {
        "host": parts.host,
        "port": parts.port,
        "database": parts.database,
        "username": parts.username,
        "password": parts.password,
    }


def etl_pipeline(source_id: str, name: str = "film_dim") -> dict[str, Any]:
    return {
        "name": name,
        "type": "SQL",
        "mode": "full",
        "target_table": "analytics.film_dim",
        "batch_size": 10,
        "source_query": "SELECT id AS film_id, title FROM film",
        "source_id": source_id,
    }


def edge(source: str, target: str) -> dict[str, str]:
    return {"id": f"{source}-{target}", "source": source, "target": target}


def that_use(scene: Scene) -> list[Asked]:
    """Every request that takes the right to use the source, in an order in which each can succeed."""
    source, dataset, mapping = scene.source, f"/datasets/{scene.extracted['id']}", f"/mappings/{scene.mapping['id']}"
    mapped = {"datasetId": scene.extracted["id"], "objectType": "aircraft"}
    nodes = [{"id": "d", "type": "dataset", "data": {"datasetId": scene.extracted["id"]}}]
    synced = [{"id": "m", "type": "mapping", "data": {"mappingId": scene.first_sync["id"]}}]
    scheduled = {"schedule": {"enabled": True, "cron": "0 2 * * *"}}
    return [
        ("POST", f"/sources/{source}/test", None),
        ("PATCH", f"/sources/{source}", {"description": "x"}),
        ("GET", f"{dataset}/preview", None),
        ("GET", f"{dataset}/rejects", None),
        ("PATCH", dataset, {"extraction": {"type": "file"}}),
        ("PATCH", dataset, scheduled),
        ("POST", f"{dataset}/extract", None),
        ("POST", "/mappings/preview", mapped | {"mappings": COLUMNS}),
        ("POST", "/mappings/suggest", mapped),
        ("GET", f"{mapping}/rejects", None),
        ("GET", f"{mapping}/rejects?format=csv", None),
        ("POST", f"{mapping}/rejects/replay", None),
        ("POST", "/pipelines", {"name": "Unsynced", "nodes": synced, "edges": []}),
        ("PATCH", f"/mappings/{scene.first_sync['id']}", scheduled),
        ("POST", "/mappings", mapped | {"datasetId": scene.waiting["id"], "mappings": COLUMNS} | scheduled),
        ("POST", f"/mappings/{scene.first_sync['id']}/sync", None),
        ("POST", "/mappings", mapped | {"name": "Brings rows out", "mappings": COLUMNS}),
        ("PATCH", mapping, {"description": "x"}),
        ("POST", f"{mapping}/sync", None),
        ("POST", "/pipelines", {"name": "Another", "nodes": nodes, "edges": []}),
        ("PATCH", f"/pipelines/{scene.graph['id']}", scheduled),
        ("POST", f"/pipelines/{scene.graph['id']}/execute", None),
        ("DELETE", f"/pipelines/{scene.graph['id']}", None),
        ("POST", f"{ETL}/{scene.etl['id']}/run", None),
        ("POST", f"{ETL}/film_dim/run", None),
        ("GET", f"{ETL}/film_dim/reconciliation", None),
        ("PATCH", f"{ETL}/film_dim", {"description": "x"}),
    ]


def that_name_it(scene: Scene) -> list[Asked]:
    """Requests whose body names the source itself: to whoever may not see it, as if it did not exist."""
    dataset = {"name": "Mine", "sourceId": scene.source}
    nodes = [{"id": "s", "type": "source", "data": {"sourceId": scene.source}}]
    return [
        ("POST", "/datasets", dataset),
        ("POST", "/datasets/preview", {"sourceId": scene.source}),
        ("POST", "/pipelines", {"name": "Mine", "nodes": nodes, "edges": []}),
        ("POST", ETL, etl_pipeline(scene.database, "film_of_mine")),
    ]


class TestWhoMayUseASource:
    def test_may_do_all_that_an_editor_does(self, scene: Scene) -> None:
        answers = [(scene.status(scene.uses, asked), asked) for asked in that_use(scene) + that_name_it(scene)]

        assert [each for each in answers if each[0] not in (200, 201, 204)] == []

    @pytest.mark.parametrize("who", ["sees", "stranger"])
    def test_and_nobody_else_by_any_route(self, scene: Scene, who: str) -> None:
        asker = getattr(scene, who)
        before = scene.api.client.get(f"{FAMILY}/executions").headers["X-Total-Count"]

        answers = [(scene.status(asker, asked), asked) for asked in that_use(scene)]

        of_the_source = f"/sources/{scene.source}"
        refusal = {True: 404 if who == "stranger" else 403, False: 403}
        assert [each for each in answers if each[0] != refusal[each[1][1].startswith(of_the_source)]] == []
        assert scene.api.client.get(f"{FAMILY}/executions").headers["X-Total-Count"] == before

    def test_a_body_that_names_it_tells_a_stranger_nothing(self, scene: Scene) -> None:
        for asked in that_name_it(scene):
            method, path, body = asked
            prefix = "" if path.startswith(ETL) else FAMILY

            def of_none(text: str) -> str:
                return text.replace(scene.source, NOWHERE).replace(scene.database, NOWHERE)

            hidden = scene.stranger.client.request(method, prefix + path, json=body)
            missing = scene.stranger.client.request(method, prefix + path, json=json.loads(of_none(json.dumps(body))))

            assert hidden.status_code == missing.status_code == 422
            assert of_none(hidden.text) == missing.text
            assert scene.status(scene.sees, asked) == 403

    def test_a_dataset_cannot_be_moved_to_it(self, scene: Scene) -> None:
        own = scene.stranger.dataset("Own", source=scene.stranger.source("Own"))

        moved = {"sourceId": scene.source}
        assert scene.stranger.refused("PATCH", f"/datasets/{own['id']}", moved) == (422, ["sourceId"])
        assert scene.sees.refused("PATCH", f"/datasets/{own['id']}", moved)[0] == 403

    def test_what_does_not_reach_it_goes_by_its_own_rules(self, scene: Scene) -> None:
        dataset, mapping = scene.extracted["id"], scene.mapping["id"]
        allowed: list[Asked] = [
            ("GET", f"/datasets/{dataset}", None),
            ("GET", f"/datasets/{dataset}/history", None),
            ("GET", "/datasets", None),
            ("GET", f"/executions?subjectId={dataset}", None),
            ("GET", f"/mappings/{mapping}", None),
            ("GET", "/object-types/aircraft/objects", None),
            ("GET", f"/pipelines/{scene.graph['id']}", None),
            ("GET", f"{ETL}/film_dim/state", None),
        ]

        assert [asked for asked in allowed if scene.status(scene.stranger, asked) != 200] == []


class TestWhoMayNotSeeASource:
    def test_finds_it_nowhere(self, scene: Scene) -> None:
        listed = scene.stranger.client.get(f"{FAMILY}/sources")

        assert (listed.json(), listed.headers["X-Total-Count"]) == ([], "0")
        paths = ["", "/grants"]
        assert [scene.stranger.refused("GET", f"/sources/{scene.source}{each}")[0] for each in paths] == [404, 404]
        assert scene.stranger.refused("DELETE", f"/sources/{scene.source}")[0] == 404
        assert scene.stranger.refused("PUT", f"/sources/{scene.source}/grants", {"grants": []})[0] == 404
        seen = [f"/pipelines/{scene.graph['id']}/executions", "/executions", f"/datasets/{scene.extracted['id']}"]
        assert not [path for path in seen if "Registry" in scene.stranger.client.get(FAMILY + path).text]
        assert scene.stranger.get(f"/executions?subjectId={scene.source}") == []

    def test_cannot_check_a_graph_for_it(self, scene: Scene) -> None:
        graph = {"nodes": [{"id": "s", "type": "source", "data": {"sourceId": scene.source}}], "edges": []}

        assert scene.stranger.post("/pipelines/validate", graph)["valid"] is False
        assert scene.sees.post("/pipelines/validate", graph)["valid"] is True

    def test_whoever_sees_it_finds_it(self, scene: Scene) -> None:
        assert {each["name"] for each in scene.sees.get("/sources")} == {"Registry", "Operations"}
        assert scene.sees.get(f"/sources/{scene.source}")["restricted"] is True
        assert scene.sees.refused("DELETE", f"/sources/{scene.source}")[0] == 403


class TestPaths:
    """A path leads to the rows of a restricted source of files: it takes the same right."""

    ASKED = (
        ("POST", "preview/path", {"file_path": "registry.csv"}),
        ("POST", "storage/import", {"file_path": "./registry.csv", "target_table": "raw.taken"}),
        ("POST", "storage/watch", {"folder_path": ".", "file_patterns": ["*.csv"], "auto_import": True}),
    )

    @pytest.mark.parametrize("asked", ASKED, ids=[path for _, path, _ in ASKED])
    def test_to_its_file_or_folder_are_refused_without_its_name(self, scene: Scene, asked: Asked) -> None:
        method, path, body = asked

        refused = scene.stranger.client.request(method, f"/api/v1/mvp/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        assert "Registry" not in refused.text

        assert scene.uses.client.request(method, f"/api/v1/mvp/{path}", json=body).status_code == 200

    def test_of_a_source_of_ones_own_are_refused_too(self, scene: Scene) -> None:
        for path in ("registry.csv", "./*.csv", "."):
            body = {"name": "Mine", "type": "csv", "connection": {"path": path}}
            assert scene.stranger.refused("POST", "/sources", body)[0] == 403
            assert scene.stranger.refused("POST", "/sources/test", body)[0] == 403

        assert scene.uses.post("/sources", {"name": "Mine", "type": "csv", "connection": {"path": "registry.csv"}})

    def test_to_another_file_are_not(self, scene: Scene) -> None:
        (scene.api.files / "open").mkdir()
        (scene.api.files / "open" / "other.csv").write_text(REGISTRY)

        reply = scene.stranger.client.post("/api/v1/mvp/preview/path", json={"file_path": "open/other.csv"})
        assert reply.status_code == 200

    def test_through_a_mount_are_refused_as_the_mount_is(self, scene: Scene) -> None:
        body = {"local_path": "/mnt/sec", "network_path": str(scene.api.files)}
        through = {"file_path": "/mnt/sec/registry.csv"}

        assert scene.stranger.client.post("/api/v1/mvp/storage/mount", json=body).status_code == 403
        assert scene.uses.client.post("/api/v1/mvp/storage/mount", json=body).status_code == 200

        asked = [(who, who.client.post("/api/v1/mvp/preview/path", json=through)) for who in (scene.uses, scene.viewer)]
        assert [reply.status_code for _, reply in asked] == [200, 403]
        watch = {"folder_path": "/mnt/sec", "file_patterns": ["*.csv"]}
        assert scene.stranger.client.post("/api/v1/mvp/storage/watch", json=watch).status_code == 403

    def test_to_rows_that_an_import_has_set_aside_are_refused(self, scene: Scene) -> None:
        storage = "/api/v1/mvp/storage"
        path = scene.api.files / "registry.csv"
        body = {"file_path": str(path), "data_types": {"seats": "SMALLINT"}, "target_table": "raw.taken"}
        path.write_text("tail,seats\nN1,many\nN2,200\n")
        made = scene.uses.client.post(f"{storage}/import", json=body).json()
        rejects = f"{storage}/imports/{made['import_id']}/rejects"

        assert scene.uses.client.get(rejects).json()["total"] == 1
        assert [who.client.get(rejects).status_code for who in (scene.stranger, scene.viewer)] == [403, 403]
        assert scene.stranger.client.post(f"{rejects}/replay").status_code == 403


class TestGrants:
    def test_without_any_everybody_may_what_their_role_lets_them(self, scene: Scene) -> None:
        told = grant(scene.api, scene.source)

        assert told == {"restricted": False, "grants": []}
        assert scene.stranger.post(f"/sources/{scene.source}/test")["success"] is True

    def test_are_shown_as_they_were_given_a_token_by_its_name(self, scene: Scene) -> None:
        ids = {each["name"]: each["id"] for each in scene.api.get("/tokens")}

        told = grant(scene.api, scene.source, {"token": ids["sees"], "may": "see"}, {"role": "editor", "may": "use"})

        wanted = [{"token": "sees", "may": "see"}, {"role": "editor", "may": "use"}]
        assert told == {"restricted": True, "grants": wanted}
        assert scene.sees.get(f"/sources/{scene.source}/grants") == told

    def test_for_a_role_hold_for_those_above_it(self, scene: Scene) -> None:
        grant(scene.api, scene.source, {"role": "editor", "may": "see"})
        assert [each["name"] for each in scene.stranger.get("/sources")] == ["Registry"]
        assert scene.viewer.get("/sources") == []

        grant(scene.api, scene.source, {"role": "viewer", "may": "use"})
        assert scene.viewer.get(f"/datasets/{scene.extracted['id']}/preview?limit=1")["rows"]
        assert scene.stranger.post(f"/sources/{scene.source}/test")["success"] is True

    def test_a_viewer_needs_one_too(self, scene: Scene) -> None:
        preview = f"/datasets/{scene.extracted['id']}/preview"
        assert scene.viewer.refused("GET", preview)[0] == 403

        grant(scene.api, scene.source, {"token": "watches", "may": "use"})

        assert scene.viewer.get(preview)["rows"]
        assert scene.viewer.refused("POST", f"/sources/{scene.source}/test")[0] == 403

    def test_of_a_revoked_token_end_and_the_source_stays_closed(self, scene: Scene, app: FastAPI) -> None:
        grant(scene.api, scene.source, {"token": "uses", "may": "use"})
        [token] = [each["id"] for each in scene.api.get("/tokens") if each["name"] == "uses"]

        scene.api.client.delete(f"{FAMILY}/tokens/{token}")
        successor = holder(scene.api, app, "uses", "editor")

        assert scene.api.get(f"/sources/{scene.source}/grants") == {"restricted": True, "grants": []}
        assert successor.refused("GET", f"/sources/{scene.source}")[0] == 404
        assert scene.stranger.refused("GET", f"/sources/{scene.source}")[0] == 404

    def test_are_set_by_an_admin_and_by_who_made_the_source(self, scene: Scene) -> None:
        own = scene.uses.source("Payroll", REGISTRY)["id"]

        grant(scene.uses, own, {"token": "sees", "may": "use"})

        assert scene.uses.post(f"/sources/{own}/test")["success"] is True
        assert scene.sees.refused("PUT", f"/sources/{own}/grants", {"grants": []})[0] == 403
        assert scene.uses.refused("PUT", f"/sources/{scene.source}/grants", {"grants": []})[0] == 403
        assert scene.uses.patch(f"/sources/{scene.source}", {"owner": "uses"})["owner"] == "uses"
        assert scene.uses.refused("PUT", f"/sources/{scene.source}/grants", {"grants": []})[0] == 403

    def test_that_are_wrong_are_named_and_change_nothing(self, scene: Scene) -> None:
        before = scene.api.get(f"/sources/{scene.source}/grants")
        cases: list[tuple[Any, list[str]]] = [
            ([{"token": "nobody", "may": "see"}], ["grants.0.token"]),
            ([{"token": "sees", "may": "see"}, {"token": "sees", "may": "use"}], ["grants.1"]),
            ([{"role": "admin", "may": "see"}], ["grants.0.role"]),
            ([{"role": "editor", "may": "own"}], ["grants.0.may"]),
            ([{"role": "editor", "token": "sees", "may": "use"}], ["grants.0"]),
            ([{"may": "use"}], ["grants.0"]),
            (None, ["grants"]),
        ]
        for grants, fields in cases:
            assert scene.api.refused("PUT", f"/sources/{scene.source}/grants", {"grants": grants}) == (422, fields)
        assert scene.api.get(f"/sources/{scene.source}/grants") == before

    def test_are_in_the_audit_as_they_were_and_as_they_are(self, scene: Scene) -> None:
        grant(scene.api, scene.source, {"role": "viewer", "may": "see"})

        newest = scene.api.get(f"/audit?action=source.grants&subject={scene.source}")[0]

        assert newest["detail"]["before"] == [{"token": "uses", "may": "use"}, {"token": "sees", "may": "see"}]
        assert newest["detail"]["after"] == [{"role": "viewer", "may": "see"}]


class TestALongList:
    def test_takes_no_query_for_each_row(self, scene: Scene, catalogue_url: str) -> None:
        for number in range(15):
            grant(scene.api, scene.api.source(f"Source {number}")["id"], {"token": "sees", "may": "see"})
        scene.sees.get("/sources?limit=1")

        counts = []
        for limit in (1, 17):
            with statements(catalogue_url) as made:
                assert len(scene.sees.get(f"/sources?limit={limit}")) == limit
            counts.append(len(made))

        assert counts[0] == counts[1]


class TestCompatMode:
    def test_lets_nobody_known_use_what_takes_a_grant(
        self, scene: Scene, shim_settings: Settings, launcher: InProcessLauncher
    ) -> None:
        with Platform(shim_settings).catalogue() as session:
            session.execute(update(SourceRow).values(creator_id=None))  # as of sources whose maker's token was revoked
        app = create_app(shim_settings.model_copy(update={"auth_mode": "compat"}), launcher)
        with TestClient(app) as anonymous:
            assert anonymous.post(f"{ETL}/film_dim/run").status_code == 403
            assert anonymous.post(ETL, json=etl_pipeline(scene.database, "mine")).status_code == 422
            assert anonymous.get(f"{ETL}/film_dim").status_code == 200
