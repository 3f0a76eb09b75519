"""Sensors of file triggers in Dagster and in the catalogue kept alike, as schedules are (see ``schedules``)."""

from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import DagsterClient, ScheduleState
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.domain.naming import trigger_name
from dataops_defs.flows.platform import Platform


class TriggerSensors:
    """Tells Dagster which file triggers look, and notes which were started and stopped there."""

    def __init__(self, client: DagsterClient, platform: Platform) -> None:
        self._client, self._platform = client, platform

    async def align(self) -> None:
        """Bring both sides together.

        Raises:
            DependencyUnavailable: Dagster or the catalogue does not answer; what is pending stays so.
        """
        rows = await run_in_threadpool(self._rows)
        if not rows:
            return
        there = await self._client.sensors()
        for row in rows:
            state = there.get(trigger_name(row.slug))
            if state is None:
                continue  # Not loaded yet, or set aside: stays pending.
            if row.pending:
                await self._tell(row, state)
            else:
                await run_in_threadpool(self._follow, row, state)

    async def stop(self, name: str) -> None:
        """Stop the sensor of a trigger that is about to go: a new one of that name would look with its cursor."""
        state = (await self._client.sensors()).get(name)
        if state is not None and state.running:
            await self._client.stop_sensor(state.id)

    async def _tell(self, row: TriggerRow, state: ScheduleState) -> None:
        wanted = row.paused_at is None
        if wanted and not state.running:
            await self._client.start_sensor(trigger_name(row.slug))
        elif state.running and not wanted:
            await self._client.stop_sensor(state.id)
        await run_in_threadpool(self._told, row)

    def _rows(self) -> list[TriggerRow]:
        with self._platform.catalogue() as session:
            return list(Triggers(session).file_triggers())

    def _told(self, row: TriggerRow) -> None:
        with self._platform.catalogue() as session:
            Triggers(session).told(row)

    def _follow(self, row: TriggerRow, state: ScheduleState) -> None:
        if state.running == (row.paused_at is not None):
            with self._platform.catalogue() as session:
                Triggers(session).follow(row.id, state.running)
