"""Whether the platform serves: its database, Dagster's webserver with the location, its daemon. DECISIONS 32."""

import asyncio
import time
from dataclasses import dataclass

from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import DagsterClient
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform

SECONDS_KEPT = 1.5
SECONDS_TO_ANSWER = 4.0
DATABASE, WEBSERVER, DAEMON = "database", "dagster", "daemon"


@dataclass(frozen=True)
class Report:
    """``starting``, ``healthy``, ``degraded`` or ``unhealthy``, and each part ``up`` or ``down``."""

    status: str
    parts: dict[str, str]

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

    async def report(self) -> Report:
        """How the platform is now."""
        async with self._looking:
            if self._kept is None or self._kept[1] < time.monotonic():
                self._kept = (self._judge(await self._look()), time.monotonic() + SECONDS_KEPT)
            return self._kept[0]

    def _judge(self, up: dict[str, bool]) -> Report:
        self._seen |= {part for part, well in up.items() if well}
        parts = {part: "up" if well else "down" for part, well in up.items()}
        if self._seen != set(up):
            return Report("starting", parts)
        if not up[DATABASE]:
            return Report("unhealthy", parts)
        return Report("healthy" if all(up.values()) else "degraded", parts)

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
