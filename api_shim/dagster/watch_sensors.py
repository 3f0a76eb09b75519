"""Sensors of watched folders: Dagster's own state is the truth, and people change it in its UI."""

from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import DagsterClient, ScheduleState
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.naming import watch_sensor_name
from dataops_defs.flows.platform import Platform


class WatchSensors:
    """Notes which watches were stopped in Dagster, and started again."""

    def __init__(self, client: DagsterClient, platform: Platform) -> None:
        self._client, self._platform = client, platform

    async def align(self) -> None:
        """Have the rows follow.

        Raises:
            DependencyUnavailable: Dagster or the catalogue does not answer.
        """
        if await run_in_threadpool(self._any):
            await run_in_threadpool(self._follow, await self._client.sensors())

    def _any(self) -> bool:
        with self._platform.catalogue() as session:
            return bool(Watches(session).all())

    def _follow(self, there: dict[str, ScheduleState]) -> None:
        with self._platform.catalogue() as session:
            for row in Watches(session).all():
                state = there.get(watch_sensor_name(row.slug))
                # One that is not loaded yet will be as its row says.
                if state is not None and row.enabled != state.running:
                    row.enabled = state.running
