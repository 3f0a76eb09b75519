"""Launches a run in the process that asks for it while there is room, and queues it otherwise."""

from collections.abc import Mapping
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.errors import DagsterCodeLocationLoadError, DagsterUserCodeUnreachableError
from dagster._core.launcher import LaunchRunContext
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from dataops_defs.instance import admission, worker
from dataops_defs.instance.warm_launcher import WarmRunLauncher

# Errors that a later attempt may not meet: the code server is being started again, or reloads.
WORTH_ANOTHER_TRY = (DagsterUserCodeUnreachableError, DagsterCodeLocationLoadError)


class AtOnceRunCoordinator(QueuedRunCoordinator[DagsterInstance]):
    """Dagster's queue, passed over when nobody waits and there is room."""

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]
        """How often the daemon looks into the queue. Its loop waits in steps of half a second: less gains nothing."""
        return 0.5

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Launch a new run at once, or queue it; in the order in which they are submitted."""
        run = self._without_worker(context.dagster_run)
        if run.status != DagsterRunStatus.NOT_STARTED or self._is_limited(run):
            return super().submit_run(context)
        try:
            with admission.turn(self._instance):
                if not admission.has_room(self._instance):
                    return super().submit_run(context)
                run = admission.begin(self._instance, run)
        except admission.DATABASE_ERRORS:  # how far it came is in the run's status
            run = self._reloaded(run)
        if run.status == DagsterRunStatus.NOT_STARTED:
            return super().submit_run(context)
        if run.status == DagsterRunStatus.STARTING:
            self._launch(LaunchRunContext(dagster_run=run, workspace=context.workspace))
        return self._reloaded(run)

    def _launch(self, context: LaunchRunContext) -> None:
        """Launch a run that counts as at work already; it goes to the queue where waiting may help."""
        launcher = self._instance.run_launcher
        launch = launcher.launch_admitted if isinstance(launcher, WarmRunLauncher) else launcher.launch_run
        try:
            launch(context)
        except WORTH_ANOTHER_TRY as error:
            run = self._reloaded(context.dagster_run)
            if run.status != DagsterRunStatus.STARTING:
                raise
            admission.put_back(self._instance, run, f"the code server did not answer ({error})")

    def _without_worker(self, run: DagsterRun) -> DagsterRun:
        """A run that repeats another one has the other's tags; its worker is none of this run's."""
        if not run.tags.get(worker.TAG):
            return run
        self._instance.add_run_tags(run.run_id, {worker.TAG: ""})
        return self._reloaded(run)

    def _is_limited(self, run: DagsterRun) -> bool:
        """Whether more than the number of runs decides when it may start: a limit on a tag, or a pool."""
        queue = self._instance.get_concurrency_config().run_queue_config
        limits = queue.tag_concurrency_limits if queue else ()
        return run.run_op_concurrency is not None or any(_applies(limit, run.tags) for limit in limits)

    def _reloaded(self, run: DagsterRun) -> DagsterRun:
        return self._instance.get_run_by_id(run.run_id) or run


def _applies(limit: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    """Whether an entry of ``tag_concurrency_limits`` counts a run with these tags."""
    value = limit.get("value")
    return limit["key"] in tags and (not isinstance(value, str) or tags[limit["key"]] == value)
