"""Words to follow executions with: the app behind a real server, an open event stream, an execution that lives."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg2
import uvicorn
from fastapi import FastAPI

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.platform import Platform

EVENTS = "/api/v1/dataops/events"
LONGEST_SILENCE = 30.0


@dataclass(frozen=True)
class Event:
    """One event, as it was sent."""

    name: str
    id: str
    data: dict[str, Any]


class Stream:
    """An open stream; each look waits for what comes next."""

    def __init__(self, reply: httpx.Response) -> None:
        self.reply = reply
        self._events = self._read()

    def _read(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in self.reply.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
                fields = {}

    def next(self) -> Event:
        return next(self._events)

    def rest(self) -> list[Event]:
        return list(self._events)

    def until(self, run_id: str, state: str) -> list[Event]:
        """All that comes until an execution is in a state."""
        seen = [self.next()]
        while (seen[-1].data.get("id"), seen[-1].data.get("state")) != (run_id, state):
            seen.append(self.next())
        return seen

    def states(self, run_id: str, *until: str) -> list[str]:
        """The states in which an execution was shown until the last of these, without repeats."""
        seen = [each.data["state"] for each in self.until(run_id, until[-1]) if each.data.get("id") == run_id]
        return [each for each, before in zip(seen, [None, *seen], strict=False) if each != before]


class Served:
    """The app behind a real server, and a client of it."""

    def __init__(self, address: str, token: str) -> None:
        self.client = httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=LONGEST_SILENCE
        )

    @contextmanager
    def stream(self, last: str | None = None, **filters: str) -> Iterator[Stream]:
        """A stream that has said hello."""
        headers = {"Last-Event-ID": last} if last else {}
        with self.client.stream("GET", EVENTS, params=filters, headers=headers) as reply:
            assert reply.status_code == 200, reply.read()
            opened = Stream(reply)
            assert opened.next().name == "hello"
            yield opened

    def get(self, path: str) -> Any:
        reply = self.client.get(f"/api/v1/dataops{path}")
        assert reply.status_code == 200, reply.text
        return reply.json()


@contextmanager
def served(app: FastAPI, token: str, listener: socket.socket) -> Iterator[Served]:
    """The app behind uvicorn in a thread; streams are to be closed before it ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    made = Served(f"http://127.0.0.1:{listener.getsockname()[1]}", token)
    try:
        made.client.get("/health")
        yield made
    finally:
        made.client.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


class AnExecution:
    """A record that is led through its life by hand, as a worker does it."""

    def __init__(self, platform: Platform, kind: RunKind = RunKind.EXTRACT, subject_id: str | None = None) -> None:
        self.platform = platform
        self.subject_id = subject_id or new_id()
        with platform.catalogue() as session:
            row = Runs(session).request(kind, self.subject_id, "Aircraft")
            # Nobody else launches it.
            Outbox(session).hold(row)
            self.id = row.id
        self.step_id = ""

    def set(self, **values: Any) -> "AnExecution":
        with self.platform.catalogue() as session:
            row = session.get_one(RunRow, self.id)
            for name, value in values.items():
                setattr(row, name, value)
        return self

    def begin(self, steps: int | None = None) -> "AnExecution":
        with self.platform.catalogue() as session:
            assert Leases(session).begin(self.id, new_id()) is not None
            if steps is not None:
                Runs(session).expect_steps(self.id, steps)
        return self

    def step(self, rows: int, total: int | None = None, batches: int = 1, key: str = "1") -> "AnExecution":
        """A step that is so far."""
        with self.platform.catalogue() as session:
            runs = Runs(session)
            self.step_id = runs.step(self.id, key, RunKind.EXTRACT, self.subject_id, "Aircraft").id
            runs.progress(self.step_id, rows, total, batches)
        return self

    def end_step(self, rows: int) -> "AnExecution":
        with self.platform.catalogue() as session:
            Runs(session).end_step(self.step_id, RunState.SUCCEEDED, Ledger(read=rows, inserted=rows), {})
        return self

    def finish(self, state: RunState = RunState.SUCCEEDED) -> "AnExecution":
        with self.platform.catalogue() as session:
            assert Runs(session).finish(self.id, state) is state
        return self


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
