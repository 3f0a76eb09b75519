"""Whether the platform serves: database, Dagster's webserver with the location, daemon, disks. DECISIONS 32."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import DagsterClient
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.disk_space import Disk, Room, disks, ensure_room
from dataops_defs.flows.platform import Platform

SECONDS_KEPT = 1.5
SECONDS_TO_ANSWER = 4.0
DATABASE, WEBSERVER, DAEMON, DISK = "database", "dagster", "daemon", "disk"
UNKNOWN = "unknown"
WORST_FIRST = (Room.FULL, Room.LOW, Room.UP)


@dataclass(frozen=True)
class Report:
    """``starting``, ``healthy``, ``degraded`` or ``unhealthy``, and how each part is.

    Services are ``up`` or ``down``; ``disk`` is ``up``, ``low``, ``full``, or ``unknown`` while one does not answer.
    """

    status: str
    parts: dict[str, str]
    disks: Sequence[Disk] = ()

    @property
    def http_status(self) -> int:
        """503 while requests cannot be served, else 200."""
        return 200 if self.status in ("healthy", "degraded") else 503


class Health:
    """Looks at the parts, at most every 1.5 seconds."""

    def __init__(self, platform: Platform, client: DagsterClient) -> None:
        self._platform, self._client = platform, client
        self._seen: set[str] = set()
        self._kept: tuple[Report, float] | None = None
        self._looking = asyncio.Lock()
        self._measuring: asyncio.Task[list[Disk]] | None = None

    async def report(self) -> Report:
        """How the platform is now."""
        async with self._looking:
            if self._kept is None or self._kept[1] < time.monotonic():
                up, found = await asyncio.gather(self._look(), self._disks())
                self._kept = (self._judge(up, found), time.monotonic() + SECONDS_KEPT)
            return self._kept[0]

    async def ensure_room(self) -> None:
        """Refuse to launch work that writes while a disk is full; one that does not answer refuses by itself.

        Raises:
            InsufficientStorage: says which disk, and what to do.
        """
        ensure_room(await self._disks() or ())

    def _judge(self, up: dict[str, bool], found: Sequence[Disk] | None) -> Report:
        self._seen |= {part for part, well in up.items() if well}
        room = UNKNOWN if found is None else min((disk.room for disk in found), key=WORST_FIRST.index)
        parts = {part: "up" if well else "down" for part, well in up.items()} | {DISK: room}
        if self._seen != set(up):
            status = "starting"
        elif not up[DATABASE]:
            status = "unhealthy"
        else:
            status = "healthy" if all(up.values()) and room == Room.UP else "degraded"
        return Report(status, parts, found or ())

    async def _disks(self) -> Sequence[Disk] | None:
        """None when a file system does not answer in time; the look at it goes on, and no second one is begun."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(run_in_threadpool(disks, self._platform.settings))
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                return await asyncio.shield(self._measuring)
        except (TimeoutError, DataOpsError):
            return None

    async def _look(self) -> dict[str, bool]:
        database, (location, daemon) = await asyncio.gather(self._database(), self._dagster())
        return {DATABASE: database, WEBSERVER: location, DAEMON: daemon}

    async def _database(self) -> bool:
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                await run_in_threadpool(self._ask_database)
        except (TimeoutError, DataOpsError):
            return False
        return True

    def _ask_database(self) -> None:
        with self._platform.catalogue() as session:
            session.execute(text("SELECT 1"))

    async def _dagster(self) -> tuple[bool, bool]:
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                return await self._client.location_loaded_and_daemons_healthy()
        except (TimeoutError, DataOpsError):
            return False, False
