"""Launching: a run record becomes a Dagster run."""

from typing import Protocol

from api_shim.dagster.client import DagsterClient
from dataops_defs.flows.outbox import Launch


class Launcher(Protocol):
    """Whoever carries out a run record's work.

    Both raise DependencyUnavailable when that is not possible now.
    """

    async def launch(self, wanted: Launch) -> str | None:
        """Start the work; returns the id of the Dagster run, if there is one."""
        ...

    async def terminate(self, dagster_run_id: str) -> None:
        """End a run, or take it out of the queue."""
        ...


class DagsterLauncher:
    """Launches through the Dagster webserver."""

    def __init__(self, client: DagsterClient) -> None:
        self._client = client

    async def launch(self, wanted: Launch) -> str | None:
        """Launch the job; the record's id travels in the tags and the run config."""
        return await self._client.launch(wanted.job, wanted.run_config, wanted.tags, wanted.assets)

    async def terminate(self, dagster_run_id: str) -> None:
        """Terminate the Dagster run."""
        await self._client.terminate(dagster_run_id)
