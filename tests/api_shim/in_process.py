"""A launcher that does the work in this process: the same flows that Dagster's jobs call, on the same run record."""

import asyncio
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import RunState
from dataops_defs.errors import DataOpsError, DependencyUnavailable, RunStopped
from dataops_defs.flows.detect_relationships import detect_relationships
from dataops_defs.flows.drop_data import drop_data
from dataops_defs.flows.execute_pipeline import execute_pipeline
from dataops_defs.flows.export_workbook import export_workbook
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.import_arrivals import import_arrivals
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outbox import Launch, settle_books
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.refresh_datamart import refresh_datamart
from dataops_defs.flows.replay_rejects import replay_rejects
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.sync_mapping import sync_mapping
from dataops_defs.flows.work import Work, sentence
from dataops_defs.settings import Settings

FLOWS: dict[str, Callable[[Work, str], object]] = {
    "extract_dataset": extract_dataset,
    "import_file": import_file,
    "import_arrivals": import_arrivals,
    "sync_mapping": sync_mapping,
    "execute_pipeline": execute_pipeline,
    "refresh_datamart": refresh_datamart,
    "run_etl": run_etl,
    "replay_rejects": replay_rejects,
    "export_workbook": export_workbook,
    "detect_relationships": detect_relationships,
    "drop_data": drop_data,
}
LONGEST_SILENCE_SECONDS = 8.0


class InProcessLauncher:
    """``held`` keeps runs in the queue; ``away`` is a Dagster that cannot be reached, ``silent`` one that hangs.

    ``broken`` makes the next launch fail in a way that nobody foresaw. ``given_up`` and ``cancelled`` count launches
    that waited for a silent one in vain, or were ended meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self._platform = Platform(settings)
        self._tasks: list[asyncio.Task[None]] = []
        self.held = False
        self.away = False
        self.silent = self.broken = False
        self.given_up = self.cancelled = 0
        self.launched: list[Launch] = []
        self.terminated: list[str] = []

    async def launch(self, wanted: Launch) -> str:
        if self.away:
            raise DependencyUnavailable("Dagster does not answer; try again shortly")
        if self.broken:
            self.broken = False
            raise RuntimeError("nobody foresaw this")
        await self._answer()
        self.launched.append(wanted)
        dagster_run_id = str(uuid4())
        if not self.held:
            config = wanted.run_config["ops"][op_name(wanted.job)]["config"]
            work = asyncio.to_thread(self._work, wanted.job, config, dagster_run_id)
            self._tasks.append(asyncio.create_task(work))
        return dagster_run_id

    async def _answer(self) -> None:
        deadline = time.monotonic() + LONGEST_SILENCE_SECONDS
        try:
            while self.silent:
                await asyncio.sleep(0.02)
                if time.monotonic() > deadline:
                    self.given_up += 1
                    raise DependencyUnavailable("Dagster does not answer; try again shortly")
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def terminate(self, dagster_run_id: str) -> None:
        self.terminated.append(dagster_run_id)

    def _work(self, job: str, config: Mapping[str, str], dagster_run_id: str) -> None:
        run_id = config["run_id"]
        with self._platform.catalogue() as session:
            held = Leases(session).begin(run_id, dagster_run_id)
        if held is None:
            return
        state, error = RunState.SUCCEEDED, None
        with Lease(self._platform, held).kept() as lease:
            try:
                dry_run = bool(config.get("dry_run"))
                FLOWS[job](Work(self._platform, lease, say=lambda _text: None, dry_run=dry_run), config["subject_id"])
            except RunStopped as stopped:
                state, error = RunState.CANCELLED, stopped
            except Exception as failed:
                state, error = RunState.FAILED, failed
        code = error.code if isinstance(error, DataOpsError) else None
        with self._platform.catalogue() as session:
            Runs(session).finish(run_id, state, error=sentence(error) if error else None, code=code)
            settle_books(self._platform, session, run_id, held.epoch)
