"""The stream of run changes when something goes away: PostgreSQL, the listening connection, a reader, the server."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg2
import pytest
from fastapi import FastAPI

from api_shim import event_stream
from api_shim.event_stream import cursor_text
from api_shim.events import CATCH_UP_AT_ONCE, Events
from api_shim.subscriber import MOST_WAITING, State
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.run_lists import Position, Wanted
from dataops_defs.flows.platform import Platform
from dataops_defs.services.embedded import free_port
from tests.api_shim.conftest import ADMIN
from tests.api_shim.following import AnExecution, Served, execute, many_copies, wait_for
from tests.conftest import Server

MANY = MOST_WAITING + 500
CHANGE_ALL = "UPDATE run SET state = state, updated_at = clock_timestamp()"
FAIL_ALL = "UPDATE run SET state = 'failed', updated_at = clock_timestamp(), finished_at = now()"


class TestFaults:
    def test_changes_that_nobody_could_hear_are_told_afterwards(
        self, live: Served, platform: Platform, server: Server, connection: psycopg2.extensions.connection
    ) -> None:
        database = connection.info.dbname
        run, early = AnExecution(platform), AnExecution(platform)
        with live.stream() as stream, live.stream(executionId=run.id) as other:
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

    def test_a_restart_of_postgresql_loses_nothing(self, live: Served, platform: Platform, server: Server) -> None:
        run = AnExecution(platform)
        with live.stream() as stream:
            run.begin()
            stream.until(run.id, "running")
            server.postgres.stop()
            server.postgres.start()
            run.finish()

            stream.until(run.id, "succeeded")

    def test_a_reader_that_does_not_read_is_told_the_last_states(
        self, app: FastAPI, live: Served, platform: Platform, connection: psycopg2.extensions.connection
    ) -> None:
        run = AnExecution(platform)
        many_copies(connection, run, MANY)
        with live.stream() as stream:
            (subscriber,) = app.state.shim.events._subscribers
            for _ in range(3):
                execute(connection, CHANGE_ALL)
            wait_for(lambda: subscriber.behind is not None)
            execute(connection, FAIL_ALL)
            failed: set[str] = set()
            while len(failed) <= MANY:
                told = stream.next().data
                if told["state"] == "failed":
                    failed.add(told["id"])

        assert run.id in failed

    def test_a_reader_that_does_not_read_at_all_is_let_go(
        self,
        app: FastAPI,
        live: Served,
        platform: Platform,
        connection: psycopg2.extensions.connection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(event_stream, "SECONDS_TO_SEND", 0.5)
        many_copies(connection, AnExecution(platform), MANY)
        with live.stream() as stream:
            execute(connection, CHANGE_ALL)
            wait_for(lambda: not app.state.shim.events._subscribers)

            with pytest.raises(httpx.RemoteProtocolError):
                stream.rest()

    def test_those_who_come_back_do_not_hold_up_the_others(
        self, live: Served, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reading = SlowRecords(monkeypatch)
        run = AnExecution(platform)
        back = cursor_text(now())
        with live.stream() as stream, ExitStack() as streams:
            late = [streams.enter_context(live.stream(back)) for _ in range(3)]
            wait_for(lambda: reading.now == CATCH_UP_AT_ONCE)

            run.begin()
            stream.until(run.id, "running")
            assert reading.now == CATCH_UP_AT_ONCE

            reading.go_on.set()
            for each in late:
                each.until(run.id, "running")
            run.finish()
            for each in (stream, *late):
                each.until(run.id, "succeeded")

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


class SlowRecords:
    """Records that are read to whoever comes back only when they may ``go_on``; ``now`` are being read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.now = 0
        read_since = Events._read_since

        def slowly(events: Events, wanted: Wanted, behind: Position) -> list[State]:
            self.now += 1
            self.go_on.wait(40)
            return read_since(events, wanted, behind)

        monkeypatch.setattr(Events, "_read_since", slowly)


def answers(client: httpx.Client) -> bool:
    try:
        return bool(client.get("/health").json())
    except (httpx.HTTPError, json.JSONDecodeError):
        return False
