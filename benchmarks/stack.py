"""The stack: its first and second start, and how long a small request waits for its finished answer.

The share that is Dagster's (launch to success of the run) is printed beside what the client sees.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from rich.console import Console
from rich.table import Table

from dataops_defs.services.embedded import free_port

DATAOPS = Path(sys.executable).parent / "dataops"
TOKEN = "benchmark-token"
STARTS = 3
LAUNCHES = 7
DATASETS = 1000
BASE = "/api/v1/dataops"
MANY_DATASETS = """
INSERT INTO dataset (id, name, slug, app, source_id, extraction, storage, status, created_at, updated_at)
SELECT gen_random_uuid(), 'Dataset ' || n, 'dataset_' || n, 'default', (SELECT id FROM source LIMIT 1),
    '{"type": "file"}', '{}', 'active', now(), now()
FROM generate_series(1, %(count)s) AS n
"""
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "dataops") {
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""


def main(_arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="dataops-benchmark-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        starts = [_start_and_stop(home) for _ in range(1 + STARTS)]
        with _running(home) as (api, settings):
            answers, runs = _launches(api, home)
            reloads = _reloads(settings)
    table = Table(title="Stack", title_justify="left")
    for name in ("what", "n", "median s", "min", "max"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, values in (
        ("first start until /health answers 200", starts[:1]),
        ("second start", starts[1:]),
        ("POST extract of a small CSV until the finished answer", answers),
        ("of which the run's own work", runs),
        (f"reload of the location with {DATASETS:,} datasets", reloads),
    ):
        figures = (f"{statistics.median(values):.2f}", f"{min(values):.2f}", f"{max(values):.2f}")
        table.add_row(name, str(len(values)), *figures)
    Console().print(table)


def _start_and_stop(home: Path) -> float:
    began = time.perf_counter()
    with _running(home):
        return time.perf_counter() - began


@contextmanager
def _running(home: Path) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    ports = {"DATAOPS_API_PORT": str(free_port()), "DATAOPS_DAGSTER_PORT": str(free_port())}
    settings = {**ports, "DATAOPS_HOME": str(home), "DATAOPS_ADMIN_TOKEN": TOKEN}
    process = subprocess.Popen([DATAOPS, "up"], env=os.environ | settings, stdout=subprocess.DEVNULL)
    api = httpx.Client(
        base_url=f"http://127.0.0.1:{ports['DATAOPS_API_PORT']}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=60,
    )
    try:
        while not _healthy(api):
            if process.poll() is not None:
                raise SystemExit("the stack did not start")
            time.sleep(0.05)
        yield api, settings
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _healthy(api: httpx.Client) -> bool:
    try:
        return api.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _launches(api: httpx.Client, home: Path) -> tuple[list[float], list[float]]:
    (home / "files" / "small.csv").write_text("a,b\n1,x\n2,y\n")
    source = _create(api, "sources", name="Small", type="csv", connection={"path": "small.csv"})
    dataset = _create(api, "datasets", name="Small", sourceId=source, extraction={"type": "file"})
    answers, runs = [], []
    for _ in range(LAUNCHES):
        began = time.perf_counter()
        answer = api.post(f"{BASE}/datasets/{dataset}/extract").raise_for_status().json()
        answers.append(time.perf_counter() - began)
        step = api.get(f"{BASE}/executions/{answer['executionId']}").json()["steps"][0]
        runs.append(_moment(step["completedAt"]) - _moment(step["startedAt"]))
    return answers, runs


def _reloads(settings: dict[str, str]) -> list[float]:
    """Seconds until Dagster answers a reload, with many datasets put into the catalogue behind its back."""
    lines = subprocess.run(
        [DATAOPS, "env"], env=os.environ | settings, capture_output=True, text=True, check=True
    ).stdout
    urls = dict(line.split("=", 1) for line in lines.splitlines())
    with closing(psycopg2.connect(urls["DATAOPS_CATALOGUE_URL"].strip("'"))) as connection, connection:
        connection.cursor().execute(MANY_DATASETS, {"count": DATASETS})
    seconds = []
    for _ in range(STARTS):
        began = time.perf_counter()
        answer = httpx.post(f"{urls['DATAOPS_UI_URL']}/graphql", json={"query": RELOAD}, timeout=60).json()
        seconds.append(time.perf_counter() - began)
        if answer["data"]["reloadRepositoryLocation"]["locationOrLoadError"]["__typename"] != "RepositoryLocation":
            raise SystemExit("the location did not load")
    return seconds


def _create(api: httpx.Client, kind: str, **body: Any) -> str:
    return str(api.post(f"{BASE}/{kind}", json=body).raise_for_status().json()["id"])


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
