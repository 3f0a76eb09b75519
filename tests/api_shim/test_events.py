"""The stream of run changes, over real sockets. Source: issue "Launching", streams of state."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from api_shim import events
from api_shim.event_stream import cursor_text
from api_shim.subscriber import MOST_WAITING
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.database import engine
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.platform import Platform
from dataops_defs.services.embedded import free_port
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN
from tests.api_shim.following import EVENTS, AnExecution, Served, served
from tests.conftest import Server

MANY = MOST_WAITING + 500
TOUCH = "UPDATE run SET state = state, updated_at = clock_timestamp()"
FAIL_ALL = "UPDATE run SET state = 'failed', updated_at = clock_timestamp(), finished_at = now()"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket with small buffers: a reader that does not read is felt soon."""
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made.bind(("127.0.0.1", 0))
        # From here on a client that comes too early waits.
        made.listen()
        yield made


@pytest.fixture
def api(app: FastAPI, listener: socket.socket) -> Iterator[Served]:
    with served(app, ADMIN, listener) as running:
        yield running


@pytest.fixture
def platform(shim_settings: Settings) -> Platform:
    return Platform(shim_settings)


@pytest.fixture
def connection(catalogue_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A connection of our own to the catalogue, statement by statement."""
    made = psycopg2.connect(libpq_url(catalogue_url))
    made.autocommit = True
    yield made
    made.close()


def execute(connection: psycopg2.extensions.connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def many_copies(connection: psycopg2.extensions.connection, run: AnExecution, number: int) -> None:
    """As many executions like this one, all new."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'run'")
        names = ", ".join(sorted({row[0] for row in cursor.fetchall()} - {"id", "updated_at"}))
        cursor.execute(
            f"INSERT INTO run (id, updated_at, {names}) SELECT gen_random_uuid(), clock_timestamp(), {names}"
            " FROM run, generate_series(1, %s) WHERE id = %s",
            (number, run.id),
        )


class TestFollowing:
    def test_the_life_of_an_execution_arrives_in_order_and_ends(self, api: Served, platform: Platform) -> None:
        with api.stream() as stream:
            run = AnExecution(platform)
            assert stream.states(run.id, "queued") == ["queued"]
            run.begin().step(250, 1000)
            seen = stream.until(run.id, "running")
            while seen[-1].data["progress"].get("percent") != 25.0:
                seen.append(stream.next())
            run.step(1000, 1000).end_step(1000).finish()
            seen += stream.until(run.id, "succeeded")

        last = seen[-1].data
        assert (last["status"], last["recordsProcessed"]) == ("completed", 1000)
        assert last["progress"]["percent"] == 100
        assert [each.id for each in seen] == sorted(each.id for each in seen)
        assert {each.name for each in seen} == {"run"}

    def test_an_event_looks_like_the_lists_rows(self, api: Served, platform: Platform) -> None:
        with api.stream() as stream:
            run = AnExecution(platform, RunKind.PIPELINE).begin(steps=1).step(10, 10).end_step(10).finish()
            told = stream.until(run.id, "succeeded")[-1].data

        (listed,) = api.get("/executions")
        found = api.get(f"/executions/{run.id}")
        assert told == listed
        assert told == {name: value for name, value in found.items() if name != "steps"}
        assert found["steps"][0]["percent"] == 100

    def test_each_subscriber_hears_what_it_asked_for(self, api: Served, platform: Platform) -> None:
        dataset = new_id()
        first = AnExecution(platform)
        with (
            api.stream(executionId=first.id) as one,
            api.stream(subjectId=dataset) as of_dataset,
            api.stream(kind="sync") as syncs,
        ):
            second = AnExecution(platform, RunKind.EXTRACT, dataset)
            third = AnExecution(platform, RunKind.SYNC, dataset)
            for each in (second, third, first):
                each.begin().finish()

            assert {each.data["id"] for each in one.until(first.id, "succeeded")} == {first.id}
            of_both = of_dataset.until(third.id, "succeeded")
            assert {each.data["id"] for each in of_both} == {second.id, third.id}
            assert {each.data["id"] for each in syncs.until(third.id, "succeeded")} == {third.id}

    def test_quick_changes_are_joined_and_read_once_for_all(
        self,
        api: Served,
        platform: Platform,
        catalogue_url: str,
        connection: psycopg2.extensions.connection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(events, "SECONDS_TO_JOIN", 1.0)
        run = AnExecution(platform).begin().step(0, 1000)
        reads: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if "LATERAL" in statement:
                reads.append(statement)

        event.listen(engine(catalogue_url), "before_cursor_execute", note)
        with api.stream() as stream, api.stream() as other:
            execute(
                connection,
                f"DO $$ BEGIN FOR n IN 1..100 LOOP UPDATE run_step SET rows_done = n WHERE id = '{run.step_id}';"
                " COMMIT; PERFORM pg_sleep(0.005); END LOOP; END $$",
            )
            run.finish(RunState.FAILED)
            told = stream.until(run.id, "failed")

            assert other.until(run.id, "failed")[-1] == told[-1]
        assert told[-1].data["progress"]["rowsDone"] == 100
        assert len(told) <= len(reads) < 20

    def test_a_quiet_stream_is_kept_alive(self, api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(events, "SECONDS_QUIET", 0.01)
        with api.client.stream("GET", EVENTS) as reply:
            assert next(line for line in reply.iter_lines() if line.startswith(":"))

    def test_the_place_of_a_client_that_went_away_is_free(
        self, app: FastAPI, api: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "MOST_SUBSCRIBERS", 1)
        with api.stream():
            refused = api.client.get(EVENTS)

            assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_STREAMS")
            assert int(refused.headers["Retry-After"]) > 0
        wait_for(lambda: not app.state.shim.events._subscribers)
        with api.stream():
            pass


class TestComingBack:
    @pytest.mark.parametrize("as_header", [True, False])
    def test_what_changed_meanwhile_is_told_first(self, api: Served, platform: Platform, as_header: bool) -> None:
        with api.stream() as stream:
            first = AnExecution(platform).begin()
            last = stream.until(first.id, "running")[-1].id
        first.finish()
        second = AnExecution(platform).begin()

        with api.stream(last) if as_header else api.stream(lastEventId=last) as stream:
            assert stream.until(second.id, "running")[0].data["id"] == first.id
            second.finish()
            stream.until(second.id, "succeeded")

    def test_however_much_it_is(
        self, api: Served, platform: Platform, connection: psycopg2.extensions.connection
    ) -> None:
        with api.stream() as stream:
            run = AnExecution(platform)
            last = stream.until(run.id, "queued")[-1].id
        many_copies(connection, run, MANY)
        with api.stream() as stream:
            # When this one is told, no notification of the others is on its way any more.
            sync = AnExecution(platform, RunKind.SYNC)
            stream.until(sync.id, "queued")

        with api.stream(last, kind="extract") as stream:
            told: set[str] = set()
            while len(told) <= MANY:
                told.add(stream.next().data["id"])

    def test_what_was_told_long_ago_is_not_told_again(
        self, api: Served, platform: Platform, connection: psycopg2.extensions.connection
    ) -> None:
        AnExecution(platform).begin().step(5).finish(RunState.FAILED)
        AnExecution(platform)
        for table in ("run", "run_step"):
            execute(
                connection,
                f"UPDATE {table} SET updated_at = updated_at - interval '1 hour',"
                " finished_at = finished_at - interval '1 hour'",
            )
        new = AnExecution(platform).begin()

        with api.stream(cursor_text(now())) as stream:
            assert {each.data["id"] for each in stream.until(new.id, "running")} == {new.id}

    def test_a_cursor_that_is_none_is_refused(self, api: Served) -> None:
        for wrong in ("42", "2025-11-02", "2025-11-02T10:00:00", "x"):
            refused = api.client.get(EVENTS, headers={"Last-Event-ID": wrong})

            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "lastEventId"
        for query in ("executionId=none", "subjectId=x", "kind=dance", "unknown=1", "lastEventId=9"):
            assert api.client.get(f"{EVENTS}?{query}").status_code == 422


class TestFaults:
    def test_changes_that_nobody_could_hear_are_told_afterwards(
        self, api: Served, platform: Platform, server: Server, connection: psycopg2.extensions.connection
    ) -> None:
        database = connection.info.dbname
        run, early = AnExecution(platform), AnExecution(platform)
        with api.stream() as stream, api.stream(executionId=run.id) as other:
            early.begin()
            stream.until(early.id, "running")
            server.execute(
                f"ALTER DATABASE {database} ALLOW_CONNECTIONS false",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{database}' AND pid <> {connection.info.backend_pid}",
            )
            execute(connection, f"UPDATE run SET state = 'failed', updated_at = now() WHERE id = '{run.id}'")
            server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")

            stream.until(run.id, "failed")
            other.until(run.id, "failed")
            early.finish()
            stream.until(early.id, "succeeded")

    def test_a_restart_of_postgresql_loses_nothing(self, api: Served, platform: Platform, server: Server) -> None:
        run = AnExecution(platform)
        with api.stream() as stream:
            run.begin()
            stream.until(run.id, "running")
            server.postgres.stop()
            server.postgres.start()
            run.finish()

            stream.until(run.id, "succeeded")

    def test_a_reader_that_does_not_read_is_told_the_last_states(
        self, app: FastAPI, api: Served, platform: Platform, connection: psycopg2.extensions.connection
    ) -> None:
        run = AnExecution(platform)
        many_copies(connection, run, MANY)
        with api.stream() as stream:
            (subscriber,) = app.state.shim.events._subscribers
            for _ in range(3):
                execute(connection, TOUCH)
            wait_for(lambda: subscriber.behind is not None)
            execute(connection, FAIL_ALL)
            failed: set[str] = set()
            while len(failed) <= MANY:
                told = stream.next().data
                if told["state"] == "failed":
                    failed.add(told["id"])

        assert run.id in failed

    def test_a_server_that_is_asked_to_end_ends_its_streams(self, platform: Platform, tmp_path: Path) -> None:
        port = free_port()
        command = [str(Path(sys.executable).parent / "uvicorn"), "api_shim.app:create_app", "--factory"]
        environment = os.environ | {"DATAOPS_ADMIN_TOKEN": ADMIN, "DATAOPS_API_PORT": str(port)}
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
        try:
            running = Served(f"http://127.0.0.1:{port}", ADMIN)
            wait_for(lambda: answers(running.client))
            with running.stream() as stream, running.stream() as other:
                run = AnExecution(platform)
                stream.until(run.id, "queued")
                process.send_signal(signal.SIGTERM)

                assert stream.rest() == []
                other.rest()
            process.wait(30)
        finally:
            process.kill()
        said = (tmp_path / "log").read_text()
        assert "Finished server process" in said
        assert "Traceback" not in said


class TestWhoMayFollow:
    def test_nobody_without_a_token(self, api: Served) -> None:
        assert httpx.get(api.client.base_url.join(EVENTS)).status_code == 401

    def test_a_viewer_until_the_token_is_revoked(self, api: Served, platform: Platform) -> None:
        made = api.client.post("/api/v1/dataops/tokens", json={"name": "watcher", "role": "viewer"}).json()
        viewer = Served(str(api.client.base_url), made["token"])
        with viewer.stream() as stream:
            run = AnExecution(platform)
            stream.until(run.id, "queued")

            assert api.client.delete(f"/api/v1/dataops/tokens/{made['id']}").status_code == 204
            run.begin()

            assert stream.rest() == []


def answers(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/health").json())
    except (httpx.HTTPError, json.JSONDecodeError):
        return False
