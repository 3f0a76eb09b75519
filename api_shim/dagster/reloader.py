"""Reloading the code location after a change: asked for without waiting, joined, one at a time, until it worked.

What was asked for is forgotten when this process ends. So what Dagster has loaded is also compared with the catalogue,
at the start and now and then: a change that was committed is loaded, whoever died before saying so.
"""

import asyncio
from contextlib import suppress

import structlog
from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import DagsterClient
from api_shim.dagster.schedules import ScheduleMirror
from dataops_defs.catalogue.fingerprint import fingerprint
from dataops_defs.catalogue.snapshot import read_snapshot
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform

SECONDS_TO_JOIN = 0.3
SECONDS_BETWEEN_LOOKS = 5.0
LOOKS_BETWEEN_COMPARISONS = 6
SECONDS_BEFORE_RETRY = (1.0, 2.0, 4.0, 8.0)
LOG = structlog.get_logger()


class Reloader:
    """Background work of the event loop; ``request`` may be called from any thread."""

    def __init__(self, client: DagsterClient, mirror: ScheduleMirror, platform: Platform) -> None:
        self._client, self._mirror, self._platform = client, mirror, platform
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._looks_until_comparison = 0
        self._reloaded_for: str | None = None

    def start(self) -> None:
        """Begin to serve requests; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._wanted = asyncio.Event()
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """End the background work."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._loop = self._task = None

    def request(self) -> None:
        """Have the location loaded again soon; returns at once."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wanted.set)

    async def _serve(self) -> None:
        failures = 0
        while True:
            asked = await self._asked()
            try:
                await (self._reload() if asked else self._look())
                failures = 0
            except Exception as error:
                _log(error, asked, failures)
                if asked:
                    await asyncio.sleep(SECONDS_BEFORE_RETRY[min(failures, len(SECONDS_BEFORE_RETRY) - 1)])
                    failures += 1
                    self._wanted.set()

    async def _asked(self) -> bool:
        """True when a reload is wanted, False when it is only time to look at the location and the schedules."""
        try:
            async with asyncio.timeout(SECONDS_BETWEEN_LOOKS):
                await self._wanted.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(SECONDS_TO_JOIN)
        # Cleared before the reload begins: what is asked for from here on is not in it.
        self._wanted.clear()
        return True

    async def _look(self) -> None:
        if await self._client.location_lost():
            await self._reload()
        elif self._looks_until_comparison > 0:
            self._looks_until_comparison -= 1
        else:
            await self._compare()
            # Not before it worked: Dagster may be starting, or down, for as long as it likes.
            self._looks_until_comparison = LOOKS_BETWEEN_COMPARISONS - 1

    async def _compare(self) -> None:
        """Load again what differs from the catalogue, and align the schedules."""
        loaded = await self._client.loaded_fingerprint()
        wanted = await run_in_threadpool(self._fingerprint)
        # Where it differs even after a reload the location runs other code than this process: one more is no help.
        if loaded == wanted or wanted == self._reloaded_for:
            await self._mirror.align()
        else:
            LOG.warning("Dagster has not loaded what the catalogue says; loading it again")
            await self._reload()
        self._reloaded_for = None if loaded == wanted else wanted

    def _fingerprint(self) -> str:
        with self._platform.catalogue() as session:
            return fingerprint(read_snapshot(session))

    async def _reload(self) -> None:
        await self._client.reload()
        await self._mirror.align()


def _log(error: Exception, asked: bool, failures: int) -> None:
    if asked and failures == 0:
        known = isinstance(error, DataOpsError)
        LOG.warning("the code location is not reloaded yet", reason=str(error) if known else type(error).__name__)
