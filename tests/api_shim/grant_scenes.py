"""Words for stories of grants: a restricted source with all that is built on one, and who asks for it."""

from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from fastapi import FastAPI
from sqlalchemy.engine import make_url

from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder

FAMILY, ETL = "/api/v1/dataops", "/api/v1/pipelines"
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
