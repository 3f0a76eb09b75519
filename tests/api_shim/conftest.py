"""The app on a real PostgreSQL, with an admin's token, and words to set a scene."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api_shim.app import create_app
from dataops_defs.catalogue.sources import Sources
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.in_process import InProcessLauncher

ADMIN = "an-admin-token-for-the-tests"
REGISTRY = """\
tail_number,mfr,model_name,build_year,active
N12345,Boeing,737-800,2015,true
N67890,Airbus,A320-200,2018,true
N00001,Cessna,172,nineteen,false
"""
AIRCRAFT = {
    "type": "object",
    "required": ["tailNumber", "yearBuilt"],
    "properties": {
        "tailNumber": {"type": "string"},
        "manufacturer": {"type": "string"},
        "yearBuilt": {"type": "integer"},
        "status": {"type": "string", "enum": ["active", "inactive"]},
    },
}
COLUMNS = {
    "tailNumber": {"sourceColumn": "tail_number"},
    "manufacturer": {"sourceColumn": "mfr"},
    "yearBuilt": {"sourceColumn": "build_year", "transform": "parseInt"},
    "status": {"sourceColumn": "active", "transform": 'value ? "active" : "inactive"'},
}


@pytest.fixture
def shim_settings(settings: Settings) -> Settings:
    """The settings of the app: an admin's token, short waits, and a Dagster that is not there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    changed = {"admin_token": SecretStr(ADMIN), "dagster_port": port, "wait_seconds": 20.0}
    return settings.model_copy(update=changed)


@pytest.fixture
def launcher(shim_settings: Settings) -> InProcessLauncher:
    return InProcessLauncher(shim_settings)


@pytest.fixture
def app(shim_settings: Settings, launcher: InProcessLauncher) -> FastAPI:
    return create_app(shim_settings, launcher)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, headers={"Authorization": f"Bearer {ADMIN}"}, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def files(shim_settings: Settings) -> Path:
    folder = shim_settings.roots[0]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Api:
    """Requests in a few words; each returns the JSON of an answer that must have succeeded."""

    def __init__(self, client: TestClient, files: Path) -> None:
        self.client, self.files = client, files

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        reply = self.client.post(f"/api/v1/dataops{path}", json=body, **options)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def get(self, path: str) -> Any:
        reply = self.client.get(f"/api/v1/dataops{path}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def patch(self, path: str, body: Any) -> Any:
        reply = self.client.patch(f"/api/v1/dataops{path}", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def source(self, name: str = "Registry", text: str = REGISTRY) -> Any:
        path = f"{name.lower()}.csv"
        (self.files / path).write_text(text)
        return self.post("/sources", {"name": name, "type": "csv", "connection": {"path": path}})

    def dataset(self, name: str = "Aircraft Inventory", **more: Any) -> Any:
        source = more.pop("source", None) or self.source()
        return self.post("/datasets", {"name": name, "sourceId": source["id"], **more})

    def object_type(self, name: str = "aircraft", **more: Any) -> Any:
        return self.post("/object-types", {"name": name, "schema": AIRCRAFT, "keyField": "tailNumber", **more})

    def mapping(self, dataset: Any = None, **more: Any) -> Any:
        dataset = dataset or self.dataset()
        if self.client.get("/api/v1/dataops/object-types/aircraft").status_code == 404:
            self.object_type()
        return self.post(
            "/mappings", {"datasetId": dataset["id"], "objectType": "aircraft", "mappings": COLUMNS, **more}
        )

    def pipeline(self, name: str = "Aircraft Data Pipeline", **more: Any) -> Any:
        mapping = self.mapping()
        dataset = self.get(f"/datasets/{mapping['datasetId']}")
        nodes = [
            {"id": "src-1", "type": "source", "data": {"sourceId": dataset["sourceId"]}, "position": {"x": 0, "y": 1}},
            {"id": "ds-1", "type": "dataset", "data": {"datasetId": dataset["id"]}},
            {"id": "map-1", "type": "mapping", "data": {"mappingId": mapping["id"]}},
        ]
        edges = [
            {"id": "e1", "source": "src-1", "target": "ds-1"},
            {"id": "e2", "source": "ds-1", "target": "map-1"},
        ]
        return self.post("/pipelines", {"name": name, "nodes": nodes, "edges": edges, **more})

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, list[str]]:
        """Status and the fields named by a refusal."""
        reply = self.client.request(method, f"/api/v1/dataops{path}", json=body, **options)
        assert reply.status_code >= 400, reply.text
        return reply.status_code, [each["field"] for each in reply.json().get("errors", [])]


@pytest.fixture
def api(client: TestClient, files: Path) -> Api:
    return Api(client, files)


@pytest.fixture
def stored_secrets(shim_settings: Settings) -> Callable[[str], dict[str, str]]:
    """The stored secrets of a source, in the clear, by its id."""

    def secrets(source_id: str) -> dict[str, str]:
        platform = Platform(shim_settings)
        with platform.catalogue() as session:
            sources = Sources(session, platform.keyring)
            return sources.secrets(sources.get(source_id))

    return secrets
