"""One connection that hears of every change of a run: PostgreSQL's NOTIFY, sent by the catalogue's triggers."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812
from starlette.concurrency import run_in_threadpool

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform

CHANNEL = "dataops_run"
SECONDS_BETWEEN_BEATS = 15.0
SECONDS_BEFORE_RETRY = (0.2, 0.5, 1.0, 2.0, 5.0)
# A network that swallows packets is noticed as well: by the keepalives, and by the beats.
CONNECTING: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "dataops events",
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
LOG = structlog.get_logger()


class Listener:
    """Listens for as long as the app runs, and connects again when PostgreSQL was away.

    Args:
        heard: told the id of each run that has changed.
        regained: told when listening begins (again): of what changed before, nothing was heard.
    """

    def __init__(self, platform: Platform, heard: Callable[[str], None], regained: Callable[[], None]) -> None:
        self._platform, self._heard, self._regained = platform, heard, regained
        self._failures = 0
        self.listening = False

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                connection = await run_in_threadpool(self._connect)
                try:
                    await self._follow(connection)
                finally:
                    connection.close()
            except Exception as error:  # whatever ended the listening, it must begin again
                await self._pause(error)

    def _connect(self) -> Connection:
        url = libpq_url(self._platform.settings.url("catalogue"))
        connection: Connection = psycopg2.connect(url, **CONNECTING)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        return connection

    async def _follow(self, connection: Connection) -> None:
        self.listening = True
        self._regained()
        if self._failures:
            LOG.info("changes of runs are heard again")
        self._failures = 0
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        # libpq closes its own descriptor when the server goes; the loop must not watch a number that is used anew.
        watched = os.dup(connection.fileno())
        loop.add_reader(watched, readable.set)
        try:
            while True:
                await self._wait(connection, readable)
                connection.poll()
                for each in connection.notifies:
                    self._heard(each.payload)
                connection.notifies.clear()
        finally:
            self.listening = False
            loop.remove_reader(watched)
            os.close(watched)

    async def _wait(self, connection: Connection, readable: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(SECONDS_BETWEEN_BEATS):
                await readable.wait()
        except TimeoutError:
            await run_in_threadpool(_beat, connection)
        readable.clear()

    async def _pause(self, error: Exception) -> None:
        if self._failures == 0:
            known = isinstance(error, (psycopg2.Error, DataOpsError))
            LOG.warning("changes of runs are not heard", reason=type(error).__name__, exc_info=None if known else error)
        await asyncio.sleep(SECONDS_BEFORE_RETRY[min(self._failures, len(SECONDS_BEFORE_RETRY) - 1)])
        self._failures += 1


def _beat(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
