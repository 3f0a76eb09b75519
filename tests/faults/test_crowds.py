"""A hundred people at once: all make one thing, all run, pause and change one pipeline (faults 31 and 32)."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from api_shim.app import create_app
from dataops_defs.flows.outbox import Launch
from dataops_defs.services.embedded import free_port
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import Settings
from tests.faults.rounds import chance, rounds
from tests.faults.workers import ended, started
from tests.scenes import World

PEOPLE = 100
TOKEN = "a-token-for-a-crowd"
PIPELINES = "/api/v1/pipelines"
ROWS = 1500
LONG: dict[str, Any] = {
    "name": "long",
    "mode": "full",
    "target_table": "analytics.film_dim",
    "batch_size": 5,
    "source_query": "SELECT n AS film_id, md5(n::text) AS title FROM content.number",
    "key_columns": ["film_id"],
}
LONGEST_WAIT = 60.0
OVERLAPPING = """
SELECT count(*) FROM run a JOIN run b ON a.subject_id = b.subject_id AND a.id < b.id
WHERE a.finished_at IS NULL OR b.created_at < a.finished_at
"""


class Workers:
    """Launches each run as a process of its own."""

    def __init__(self) -> None:
        self.all: list[BaseProcess] = []

    async def launch(self, wanted: Launch) -> None:
        [op] = wanted.run_config["ops"].values()
        self.all.append(await asyncio.to_thread(started, wanted.run_id, op["config"]["subject_id"]))

    async def terminate(self, dagster_run_id: str) -> None:
        raise AssertionError("a pause terminates nothing")


@pytest.fixture
def api(settings: Settings, world: World) -> Iterator[httpx.Client]:
    """The REST API as a server of its own, and a client with a connection for everybody."""
    world.sql(f"CREATE TABLE content.number AS SELECT n FROM generate_series(1, {ROWS}) n")
    changed = {"admin_token": SecretStr(TOKEN), "dagster_port": free_port()}
    workers = Workers()
    app = create_app(settings.model_copy(update=changed), workers)
    listener = socket.create_server(("127.0.0.1", 0), backlog=PEOPLE)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    assert wait_until(lambda: server.started, LONGEST_WAIT)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=LONGEST_WAIT,
        # A kept connection may be closed by the server in the moment it is used again.
        limits=httpx.Limits(max_connections=PEOPLE, max_keepalive_connections=0),
        trust_env=False,
    ) as client:
        yield client
    server.should_exit = True
    serving.join(LONGEST_WAIT)
    for each in workers.all:
        ended(each)


def at_once(asks: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    together = threading.Barrier(len(asks))

    def asked(ask: Callable[[], httpx.Response]) -> httpx.Response:
        together.wait()
        return ask()

    with ThreadPoolExecutor(len(asks)) as people:
        return list(people.map(asked, asks))


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [
        (PIPELINES, LONG, 400),
        ("/api/v1/dataops/sources", {"name": "Registry", "type": "csv", "connection": {"path": "registry.csv"}}, 409),
    ],
)
def test_a_hundred_posts_of_one_name_make_one(api: httpx.Client, path: str, body: dict[str, Any], refused: int) -> None:
    for number in rounds(1):
        named = {**body, "name": f"{body['name']} {number}"}
        answers = at_once([partial(api.post, path, json=named)] * PEOPLE)

        assert Counter(each.status_code for each in answers) == {201: 1, refused: PEOPLE - 1}
        assert [each["name"] for each in api.get(path).json()].count(named["name"]) == 1


class TestAHundredWhoRunPauseAndChangeOnePipeline:
    def test_leave_one_run_at_a_time_and_lose_no_pause(self, api: httpx.Client, world: World) -> None:
        self._path = f"{PIPELINES}/{api.post(PIPELINES, json=LONG).json()['id']}"
        self._api = api
        for _ in rounds(1):
            self._storm(PEOPLE // 3)
            self._all_pause()
        self._goes_on_to_the_end(world)

    def _storm(self, each_way: int) -> None:
        run, pause = (partial(self._api.post, f"{self._path}/{verb}") for verb in ("run", "pause"))
        changes = [
            partial(self._api.patch, self._path, json={"description": str(number)}) for number in range(each_way)
        ]
        asks: list[Callable[[], httpx.Response]] = [*[run] * each_way, *[pause] * each_way, *changes]
        chance().shuffle(asks)
        answers = at_once(asks)

        assert {each.status_code for each in answers} <= {200, 409}
        refused = {each.json()["detail"].partition(":")[0] for each in answers if each.status_code == 409}
        assert refused <= {"Cannot update a running pipeline"}
        assert all(each.request.method == "PATCH" for each in answers if each.status_code == 409)
        taken = [each.json()["description"] for each in answers if each.is_success and each.request.method == "PATCH"]
        assert self._now()["description"] in (taken or [None])

    def _all_pause(self) -> None:
        """Whoever asks last is obeyed: after pauses alone it stands, before its end."""
        self._api.post(f"{self._path}/run")
        assert wait_until(lambda: self._now()["status"] == "RUNNING", LONGEST_WAIT)
        answers = at_once([partial(self._api.post, f"{self._path}/pause")] * 20)
        assert {each.json()["status"] for each in answers} <= {"PAUSE_REQUESTED", "PAUSED"}
        assert wait_until(lambda: self._now()["status"] == "PAUSED", LONGEST_WAIT)

    def _goes_on_to_the_end(self, world: World) -> None:
        self._api.post(f"{self._path}/run")
        assert wait_until(lambda: self._now()["status"] == "IDLE", LONGEST_WAIT)
        found = world.sql("SELECT count(*), count(DISTINCT film_id), sum(film_id) FROM analytics.film_dim")
        assert found == [(ROWS, ROWS, ROWS * (ROWS + 1) // 2)]
        assert world.sql("SELECT DISTINCT read FROM dataops.ledger") == [(ROWS,)]
        with world.platform.catalogue() as session:
            assert session.connection().exec_driver_sql(OVERLAPPING).scalar_one() == 0

    def _now(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.get(self._path).json()
        return found
