"""The outbox loop: requests whose launch failed, and runs whose worker died, are launched from here."""

import asyncio
from contextlib import suppress

import structlog
from starlette.concurrency import run_in_threadpool

from api_shim.dagster.launcher import Launcher
from dataops_defs.errors import DataOpsError
from dataops_defs.flows import outbox
from dataops_defs.flows.outbox import Launch
from dataops_defs.flows.platform import Platform

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_AFTER_AN_ERROR = 2.0
LOG = structlog.get_logger()


class Outbox:
    """Launches requests, at once or when it is possible again."""

    def __init__(self, platform: Platform, launcher: Launcher) -> None:
        self._platform, self._launcher = platform, launcher
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look for requests from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def launch(self, wanted: Launch) -> bool:
        """Launch a request that is claimed; one that cannot be launched now stays a request, with the reason."""
        try:
            dagster_run_id = await self._launcher.launch(wanted)
        except DataOpsError as error:
            LOG.warning("a launch waits", run_id=wanted.run_id, reason=str(error))
            await run_in_threadpool(outbox.note_not_launched, self._platform, wanted.run_id, str(error))
            return False
        if dagster_run_id is not None:
            await run_in_threadpool(outbox.note_launched, self._platform, wanted.run_id, dagster_run_id)
        return True

    async def _run(self) -> None:
        while True:
            try:
                for each in await run_in_threadpool(outbox.due_launches, self._platform):
                    await self.launch(each)
            except DataOpsError:
                await asyncio.sleep(SECONDS_AFTER_AN_ERROR)
            except Exception as error:  # whatever one look meets, the next must come
                LOG.error("the outbox failed", exc_info=error)
                await asyncio.sleep(SECONDS_AFTER_AN_ERROR)
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
