"""The whole stack as a newcomer starts it, in a home and on ports of its own; one for all stories."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from dataops_defs.domain.etl import DEFAULT_TARGETS
from dataops_defs.services.embedded import free_port

DATAOPS = str(Path(sys.executable).parent / "dataops")
READY_SECONDS = 180


@dataclass
class RunningStack:
    """A started stack: its home, how to speak to it, how to look behind it."""

    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]
    api: httpx.Client
    ui_url: str
    demo_output: str = ""

    def command(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DATAOPS, *arguments], env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    @cached_property
    def _told(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.command("env").stdout.splitlines())

    def url(self, name: str) -> str:
        return self._told[f"DATAOPS_{name}_URL"].strip("'")

    def sql(self, name: str, query: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.url(name))) as connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def change(self, name: str, statement: str, *values: Any) -> None:
        with closing(psycopg2.connect(self.url(name))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)

    def pid(self, name: str) -> int:
        return int((self.home / "run" / f"{name}.pid").read_text())

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        wait_for(lambda: healthy(self.api), seconds)


def healthy(api: httpx.Client) -> bool:
    try:
        return bool(api.get("/health").json()["status"] == "healthy")
    except (httpx.HTTPError, ValueError, KeyError):
        return False


def wait_for(true: Any, seconds: float) -> Any:
    """What ``true`` found; it may be gone when it is looked for again."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.2)
    return found


# Sources of stories lie on this machine.
LISTED = {"DATAOPS_ALLOWED_HOSTS": "127.0.0.1,localhost,*"}


def start_stack(home: Path, *arguments: str, **environment: str) -> RunningStack:
    ports = {"DATAOPS_API_PORT": str(free_port()), "DATAOPS_DAGSTER_PORT": str(free_port())}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATAOPS_")}
    env = {**clean, **ports, "DATAOPS_HOME": str(home), "DATAOPS_ADMIN_TOKEN": "story-token", **LISTED, **environment}
    env.setdefault("DATAOPS_DISK_LOW_PERCENT", "0")  # a test machine may be short of room
    log = (home.parent / f"{home.name}.log").open("w")
    process = subprocess.Popen([DATAOPS, "up", *arguments], env=env, stdout=log, stderr=log, text=True)
    api = httpx.Client(
        base_url=f"http://127.0.0.1:{env['DATAOPS_API_PORT']}",
        headers={"Authorization": "Bearer story-token"},
        timeout=60,
    )
    return RunningStack(home, env, process, api, f"http://127.0.0.1:{env['DATAOPS_DAGSTER_PORT']}")


def stop_stack(stack: RunningStack) -> None:
    stack.process.send_signal(signal.SIGTERM)
    stack.process.wait(60)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with the demo in it; stories write targets of their own beside those of the demo."""
    own = [f"analytics.story_{name}" for name in ("film", "note", "trigger")]
    targets = ",".join([*DEFAULT_TARGETS, *own])
    started = start_stack(tmp_path_factory.mktemp("stack") / "home", DATAOPS_ETL_TARGETS=targets)
    started.wait_ready()
    demo = started.command("demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    started.demo_output = demo.stdout
    yield started
    stop_stack(started)
