"""What one process of the API holds: the platform, Dagster's client, and the work that goes on beside requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property

import structlog
from starlette.concurrency import run_in_threadpool

from api_shim.auth import KnownTokens
from api_shim.dagster.client import DagsterClient
from api_shim.dagster.launcher import DagsterLauncher, Launcher
from api_shim.dagster.outbox import Outbox
from api_shim.dagster.reloader import Reloader
from api_shim.dagster.schedules import ScheduleMirror
from api_shim.ending import when_asked_to_end
from api_shim.events import Events
from api_shim.health import Health
from dataops_defs.catalogue.tokens import Tokens
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings

SECONDS_BETWEEN_TRIES = 0.5
SECONDS_FOR_THE_FIRST_TRY = 10
# Half of the threads that requests have, and fewer than the connections: whoever holds a lock always gets a thread.
MOST_CHANGES_AT_ONCE = 20
LOG = structlog.get_logger()


class Shim:
    """Made once for each app; opens nothing before it is needed."""

    def __init__(self, settings: Settings, launcher: Launcher | None = None) -> None:
        self.settings = settings
        self.platform = Platform(settings)
        self.tokens = KnownTokens(self.platform)
        self._launcher = launcher
        self.changes = asyncio.Semaphore(MOST_CHANGES_AT_ONCE)

    @cached_property
    def dagster(self) -> DagsterClient:
        """Questions and orders to Dagster."""
        return DagsterClient(self.settings.dagster_url)

    @cached_property
    def launcher(self) -> Launcher:
        """Who carries out runs."""
        return self._launcher or DagsterLauncher(self.dagster)

    @cached_property
    def outbox(self) -> Outbox:
        """Launches requests."""
        return Outbox(self.platform, self.launcher)

    @cached_property
    def mirror(self) -> ScheduleMirror:
        """Keeps schedules alike."""
        return ScheduleMirror(self.dagster, self.platform)

    @cached_property
    def reloader(self) -> Reloader:
        """Has the code location loaded again after changes."""
        return Reloader(self.dagster, self.mirror, self.platform)

    @cached_property
    def health(self) -> Health:
        """Looks after the parts."""
        return Health(self.platform, self.dagster)

    @cached_property
    def events(self) -> Events:
        """Tells of changed runs."""
        return Events(self.platform)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The background work, from the start of the app to its end."""
        tried = asyncio.Event()
        first_token = asyncio.create_task(self._ensure_admin(tried))
        # Usually done within milliseconds; while PostgreSQL is starting the app must serve its health already.
        with suppress(TimeoutError):
            await asyncio.wait_for(tried.wait(), SECONDS_FOR_THE_FIRST_TRY)
        self.reloader.start()
        self.outbox.start()
        self.events.start()
        try:
            with when_asked_to_end(self.events.end_streams):
                yield
        finally:
            await self.events.stop()
            first_token.cancel()
            with suppress(asyncio.CancelledError):
                await first_token
            await self.outbox.stop()
            await self.reloader.stop()
            await self.dagster.close()

    async def _ensure_admin(self, tried: asyncio.Event) -> None:
        while True:
            try:
                await run_in_threadpool(self._write_admin)
                return
            except DataOpsError as error:
                LOG.info("the first admin token waits", reason=str(error))
            except Exception as error:
                LOG.warning("the first admin token waits", reason=type(error).__name__)
            finally:
                tried.set()
            await asyncio.sleep(SECONDS_BETWEEN_TRIES)

    def _write_admin(self) -> None:
        given = self.settings.admin_token
        token = given.get_secret_value() if given else self._token_of_file()
        if token:
            with self.platform.catalogue() as session:
                Tokens(session).ensure_admin(token)

    def _token_of_file(self) -> str | None:
        try:
            return self.settings.token_path.read_text().strip()
        except OSError:
            LOG.warning("no admin token is set, and none is kept: only tokens of the catalogue count")
            return None
