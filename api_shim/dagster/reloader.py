"""Reloading the code location after a change: asked for without waiting, joined, one at a time, until it worked."""

import asyncio
from contextlib import suppress

import structlog

from api_shim.dagster.client import DagsterClient
from api_shim.dagster.schedules import ScheduleMirror
from dataops_defs.errors import DataOpsError

SECONDS_TO_JOIN = 0.3
SECONDS_BETWEEN_LOOKS = 5.0
LOOKS_BETWEEN_ALIGNMENTS = 6
SECONDS_BEFORE_RETRY = (1.0, 2.0, 4.0, 8.0)
LOG = structlog.get_logger()


class Reloader:
    """Background work of the event loop; ``request`` may be called from any thread."""

    def __init__(self, client: DagsterClient, mirror: ScheduleMirror) -> None:
        self._client, self._mirror = client, mirror
        self._wanted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

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
        failures = looks = 0
        while True:
            asked = await self._asked()
            looks += 1
            try:
                if asked or await self._client.location_lost():
                    await self._reload()
                elif looks % LOOKS_BETWEEN_ALIGNMENTS == 0:
                    await self._mirror.align()
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

    async def _reload(self) -> None:
        await self._client.reload()
        await self._mirror.align()


def _log(error: Exception, asked: bool, failures: int) -> None:
    if asked and failures == 0:
        known = isinstance(error, DataOpsError)
        LOG.warning("the code location is not reloaded yet", reason=str(error) if known else type(error).__name__)
