"""Where it happens: a running stack, and how to look behind it without the product's code."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import yaml

from tests.stories.conftest import RunningStack

ANSWER_SECONDS = 3


@dataclass
class Place:
    """A stack that was started for this, or one that a story lends."""

    stack: RunningStack

    @property
    def home(self) -> Path:
        """The stack's state folder."""
        return self.stack.home

    @property
    def token(self) -> str:
        """Of an administrator of the REST API."""
        return self.stack.environment["DATAOPS_ADMIN_TOKEN"]

    @cached_property
    def urls(self) -> dict[str, str]:
        """Addresses of the databases (``catalogue``, ``warehouse``, ``instance``, …) and servers (``api``, ``ui``)."""
        found: dict[str, str] = json.loads((self.home / "stack.json").read_text())
        return {name: url.replace("+psycopg2", "", 1) for name, url in found.items()}

    def ask(self, database: str, query: str, *values: Any, **named: Any) -> Sequence[tuple[Any, ...]]:
        """Rows of one query on a connection of its own, values given by place or by name.

        Raises:
            psycopg2.Error: the database does not answer, or refuses.
        """
        with closing(self._connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(query, named or values or None)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def change(self, database: str, *statements: str) -> None:
        """Statements in one transaction; raises as ``ask`` does."""
        with closing(self._connect(database)) as connection, connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def _connect(self, database: str) -> Any:
        return psycopg2.connect(self.urls[database], connect_timeout=ANSWER_SECONDS)

    def pid(self, name: str) -> int | None:
        """The pid that the supervisor noted for one of its children; None while there is none."""
        try:
            return int((self.home / "run" / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return None

    @cached_property
    def code_port(self) -> int:
        """Where the code server listens."""
        workspace = yaml.safe_load((self.home / "dagster" / "workspace.yaml").read_text())
        return int(workspace["load_from"][0]["grpc_server"]["port"])

    def processes(self) -> list[psutil.Process]:
        """All living processes that were started with this home in their environment."""
        mark = f"DATAOPS_HOME={self.home}".encode()
        return [each for each in psutil.process_iter() if _alive(each) and mark in _environment(each.pid)]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\x00")
    except OSError:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def command_line(process: psutil.Process) -> str:
    """Its arguments as one text; empty when it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
