"""A running stack in a home of its own: how to ask its REST API, Dagster and its databases."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from dataops_defs.services.embedded import free_port
from dataops_defs.services.private_files import read_json
from dataops_defs.settings import Settings

DATAOPS = Path(sys.executable).parent / "dataops"
TOKEN = "benchmark-token"
BASE = "/api/v1/dataops"
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "dataops") {
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""
MANY_DATASETS = """
INSERT INTO dataset (id, name, slug, app, source_id, extraction, storage, status, created_at, updated_at)
SELECT gen_random_uuid(), 'Dataset ' || n, 'dataset_' || n, 'default', (SELECT id FROM source ORDER BY id LIMIT 1),
    '{"type": "file"}', '{}', 'active', now(), now()
FROM generate_series((SELECT count(*) + 1 FROM dataset), %(count)s) AS n
"""


@dataclass
class Stack:
    """A stack that answers. ``api`` carries an admin token."""

    home: Path
    api: httpx.Client

    def __post_init__(self) -> None:
        self._dagster = httpx.Client(base_url=self.url("ui"), timeout=120, trust_env=False)

    def url(self, name: str) -> str:
        """The address of a database (``catalogue``, ``instance``, …) or of the ``ui``."""
        return str(read_json(Settings(home=self.home).stack_file)[name]).replace("+psycopg2", "", 1)

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The ``data`` of Dagster's answer."""
        answer = self._dagster.post("/graphql", json={"query": query, "variables": variables}).raise_for_status().json()
        if answer.get("errors"):
            raise SystemExit(f"Dagster refused: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data

    def sql(self, database: str, statement: str, values: Any = None) -> Sequence[tuple[Any, ...]]:
        """One statement, committed, and its rows."""
        with closing(psycopg2.connect(self.url(database))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def create(self, kind: str, **body: Any) -> str:
        """Make a definition; its id."""
        return str(self.api.post(f"{BASE}/{kind}", json=body).raise_for_status().json()["id"])

    def fill_up_datasets(self, count: int) -> None:
        """Put datasets into the catalogue behind the API's back until there are so many; call ``reload`` afterwards."""
        self.sql("catalogue", MANY_DATASETS, {"count": count})

    def reload(self) -> float:
        """Seconds until Dagster answers a reload of the location."""
        began = time.perf_counter()
        answer = self.graphql(RELOAD)["reloadRepositoryLocation"]
        if answer["locationOrLoadError"]["__typename"] != "RepositoryLocation":
            raise SystemExit("the location did not load")
        return time.perf_counter() - began


@contextmanager
def running(home: Path, **settings: str) -> Iterator[Stack]:
    """A stack from the moment it is healthy until the block ends; settings as environment variables."""
    ports = {"DATAOPS_API_PORT": str(free_port()), "DATAOPS_DAGSTER_PORT": str(free_port())}
    ours = {"DATAOPS_HOME": str(home), "DATAOPS_ADMIN_TOKEN": TOKEN, "DATAOPS_ALLOWED_HOSTS": "127.0.0.1,*"}
    settings = ports | ours | settings
    process = subprocess.Popen([DATAOPS, "up"], env=os.environ | settings, stdout=subprocess.DEVNULL)
    api = httpx.Client(
        base_url=f"http://127.0.0.1:{ports['DATAOPS_API_PORT']}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=60,
        trust_env=False,
    )
    try:
        while not _healthy(api):
            if process.poll() is not None:
                raise SystemExit("the stack did not start")
            time.sleep(0.05)
        yield Stack(home, api)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _healthy(api: httpx.Client) -> bool:
    try:
        return api.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
