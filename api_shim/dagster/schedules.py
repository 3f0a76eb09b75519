"""Schedules in Dagster and in the catalogue kept alike.

A schedule changed through REST is ``pending`` until Dagster has been told; after that Dagster's own state, which people
change in its UI too, is the truth and the row follows it. Source: ARCHITECTURE, "How Dagster sees it".
"""

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.dagster.client import DagsterClient, ScheduleState
from api_shim.dagster.trigger_sensors import TriggerSensors
from api_shim.dagster.watch_sensors import WatchSensors
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import ScheduleRow
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.triggers import SUBJECT as TRIGGER
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.flows.platform import Platform

REPOSITORIES: dict[str, type[Definitions]] = {  # type: ignore[type-arg]
    "dataset": Datasets,
    "mapping": Mappings,
    "pipeline": Pipelines,
    "datamart": Datamarts,
}


class ScheduleMirror:
    """Tells Dagster what was changed here, and notes what was changed there."""

    def __init__(self, client: DagsterClient, platform: Platform) -> None:
        self._client, self._platform = client, platform
        self.triggers = TriggerSensors(client, platform)
        self.watches = WatchSensors(client, platform)

    async def align(self) -> None:
        """Bring both sides together.

        Raises:
            DependencyUnavailable: Dagster or the catalogue does not answer; what is pending stays so.
        """
        there = await self._client.schedules()
        pending = await run_in_threadpool(self._pending)
        for row, may_fire in pending:
            state = there.get(row.name)
            if state is None:
                continue  # Not loaded yet, or its definition is set aside: stays pending.
            await self._tell(row.name, state, row.enabled and may_fire)
            await run_in_threadpool(self._told, row)
        # What was asked for before the orders were given is out of date.
        await run_in_threadpool(self._follow, await self._client.schedules() if pending else there)
        await self.triggers.align()
        await self.watches.align()

    async def stop(self, name: str) -> None:
        """Stop a schedule whose definition is about to go."""
        state = (await self._client.schedules()).get(name)
        if state is not None and state.running:
            await self._client.stop_schedule(state.id)

    async def _tell(self, name: str, state: ScheduleState, running: bool) -> None:
        if running and not state.running:
            await self._client.start_schedule(name)
        elif state.running and not running:
            await self._client.stop_schedule(state.id)

    def _pending(self) -> list[tuple[ScheduleRow, bool]]:
        with self._platform.catalogue() as session:
            return [(row, _may_fire(session, row)) for row in Schedules(session).all() if row.pending]

    def _told(self, told: ScheduleRow) -> None:
        with self._platform.catalogue() as session:
            row = Schedules(session).of(told.subject_id)
            # Changed once more meanwhile: it stays pending.
            if row is not None and row.updated_at == told.updated_at:
                row.pending = False

    def _follow(self, there: dict[str, ScheduleState]) -> None:
        with self._platform.catalogue() as session:
            for row in Schedules(session).all():
                state = there.get(row.name)
                if state is None or row.pending or row.enabled == state.running:
                    continue
                if _may_fire(session, row):
                    row.enabled = state.running
                    if row.subject_kind == TRIGGER:
                        Triggers(session).follow(row.subject_id, state.running)


def _may_fire(session: Session, row: ScheduleRow) -> bool:
    subject = REPOSITORIES[row.subject_kind](session).find(row.subject_id) if row.subject_kind in REPOSITORIES else None
    return getattr(subject, "status", DefinitionStatus.ACTIVE) is DefinitionStatus.ACTIVE
