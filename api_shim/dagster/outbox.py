"""The outbox loop: requests whose launch failed, and runs whose worker died, are launched from here."""

import asyncio
import time
from contextlib import suppress

import structlog
from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import SECONDS
from api_shim.dagster.launcher import Launcher
from dataops_defs.catalogue.outbox import CLAIM
from dataops_defs.errors import DataOpsError
from dataops_defs.flows import outbox
from dataops_defs.flows.outbox import LAUNCHES_AT_ONCE, Launch
from dataops_defs.flows.platform import Platform

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_AFTER_AN_ERROR = 2.0
SECONDS_TO_FINISH = 2.0
# After a longer wait its claim could end before Dagster answers, and somebody else launch it too.
LONGEST_TURN_SECONDS = CLAIM.total_seconds() - SECONDS
LOG = structlog.get_logger()


class Outbox:
    """Launches requests, at once or when it is possible again."""

    def __init__(self, platform: Platform, launcher: Launcher) -> None:
        self._platform, self._launcher = platform, launcher
        self._task: asyncio.Task[None] | None = None
        # The event loop itself holds a task only weakly.
        self._launches: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether so many launches are under way that a further request is better left to the next look."""
        return len(self._launches) >= LAUNCHES_AT_ONCE

    def start(self) -> None:
        """Look for requests from now on; called in the event loop."""
        self._turn = asyncio.Lock()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more; a launch that Dagster does not answer is left to whoever looks next."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._launches:
            _, unanswered = await asyncio.wait(self._launches, timeout=SECONDS_TO_FINISH)
            for each in unanswered:
                each.cancel()
            await asyncio.gather(*unanswered, return_exceptions=True)

    def launch_soon(self, wanted: Launch) -> None:
        """Launch a request that is claimed, after those asked for before it; called in the event loop, never waits."""
        launch = asyncio.create_task(self._launch_in_turn(wanted))
        self._launches.add(launch)
        launch.add_done_callback(self._launches.discard)

    async def _launch_in_turn(self, wanted: Launch) -> None:
        asked = time.monotonic()
        try:
            async with self._turn:
                if time.monotonic() - asked < LONGEST_TURN_SECONDS:
                    await self._launch(wanted)
        except Exception as error:  # its claim ends by itself: the request is due again then
            known = isinstance(error, DataOpsError)
            LOG.warning(
                "a launch is left to the next look",
                run_id=wanted.run_id,
                reason=str(error) if known else type(error).__name__,
                exc_info=None if known else error,
            )

    async def _launch(self, wanted: Launch) -> None:
        """One that cannot be launched now stays a request, with the reason."""
        try:
            dagster_run_id = await self._launcher.launch(wanted)
        except DataOpsError as error:
            LOG.warning("a launch waits", run_id=wanted.run_id, reason=str(error))
            await run_in_threadpool(outbox.note_not_launched, self._platform, wanted.run_id, str(error))
            return
        if dagster_run_id is not None:
            await run_in_threadpool(outbox.note_launched, self._platform, wanted.run_id, dagster_run_id)

    async def _run(self) -> None:
        while True:
            try:
                for each in await run_in_threadpool(outbox.due_launches, self._platform):
                    await self._launch(each)
            except DataOpsError:
                await asyncio.sleep(SECONDS_AFTER_AN_ERROR)
            except Exception as error:  # whatever one look meets, the next must come
                LOG.error("the outbox failed", exc_info=error)
                await asyncio.sleep(SECONDS_AFTER_AN_ERROR)
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
