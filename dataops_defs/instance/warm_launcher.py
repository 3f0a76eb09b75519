"""Launches a run by asking the warm parent of this home, or as Dagster's default launcher does where there is none."""

import sys
from contextlib import suppress
from pathlib import Path

from dagster import DagsterRun
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus

from dataops_defs.instance import admission, cold_worker
from dataops_defs.instance.ending import end_in_background
from dataops_defs.instance.warm.dagster_run import reference
from dataops_defs.instance.warm.protocol import NoAnswer, NoParent, ask, socket_path
from dataops_defs.instance.worker import Worker
from dataops_defs.settings import settings

# A parent that replaces itself makes its callers wait for its imports.
LAUNCH_SECONDS = 6.0
TERMINATE_SECONDS = 3.0


class WarmRunLauncher(DefaultRunLauncher):
    """Warm start with the cold one as fallback; ``DATAOPS_RUN_LAUNCHER=default`` leaves the cold one only.

    Either way a worker is known by pid and start time: it is killed when it does not end cleanly, and its death is
    noticed.
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run that the daemon took from the queue, unless others took its place in the same moment."""
        try:
            with admission.turn(self._instance):
                crowded = admission.is_crowded(self._instance)
        except admission.DATABASE_ERRORS:
            crowded = True
        if crowded:
            admission.put_back(self._instance, context.dagster_run, "others were quicker, or the database is slow")
        else:
            self.launch_admitted(context)

    def launch_admitted(self, context: LaunchRunContext) -> None:
        """Launch a run for which there is room."""
        run = context.dagster_run
        if settings().run_launcher == "warm" and self._launch_warm(run):
            return
        try:
            super().launch_run(context)
        except admission.DATABASE_ERRORS as error:  # before the code server was asked
            admission.put_back(self._instance, run, f"the database did not answer ({error})")
            return
        with suppress(*admission.DATABASE_ERRORS):  # it runs; the health check will note its worker
            cold_worker.note(self._instance, run.run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: Dagster's run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's worker lives. What cannot be known is answered as running: it ends by its time limit."""
        worker = Worker.from_tags(run.tags) or cold_worker.note(self._instance, run.run_id)
        if worker is not None and worker.state == "dead":
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its worker, process {worker.process.pid}, has died")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def terminate(self, run_id: str) -> bool:
        """Ask the run's worker to end; what has not ended after ``DATAOPS_TERMINATE_SECONDS`` is killed.

        Returns:
            False when there was nothing to end.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        worker = Worker.from_tags(run.tags)
        if (worker is not None and worker.launcher is not None) or _parent_has(run_id):
            return self._terminate_warm(run, worker)
        return self._terminate_cold(run, worker)

    def _launch_warm(self, run: DagsterRun) -> bool:
        """Whether the warm parent has taken the run."""
        if not socket_path(settings()).exists() or not _is_for_this_python(run):
            return False
        try:
            answer = ask(
                settings(), LAUNCH_SECONDS, do="launch", run_id=run.run_id, instance_ref=reference(self._instance)
            )
        except (NoParent, NoAnswer) as error:
            answer = {"refused": str(error)}
        if "refused" in answer:
            with suppress(*admission.DATABASE_ERRORS):  # it is only said
                self._instance.report_engine_event(f"No warm start ({answer['refused']}): starting cold", run)
        return "pid" in answer

    def _terminate_warm(self, run: DagsterRun, worker: Worker | None) -> bool:
        self._instance.report_run_canceling(run)
        try:
            if ask(settings(), TERMINATE_SECONDS, do="terminate", run_id=run.run_id)["found"]:
                return True
        except (NoParent, NoAnswer):
            pass
        if worker is None or worker.state == "unknown":
            return False
        # Its parent is gone. Also where it has died already, its run is given its end.
        end_in_background(self._instance, run.run_id, worker.process, settings().terminate_seconds)
        return True

    def _terminate_cold(self, run: DagsterRun, worker: Worker | None) -> bool:
        try:
            asked = bool(super().terminate(run.run_id))  # type: ignore[no-untyped-call]
        except DagsterUserCodeUnreachableError:
            asked = False
        if worker is not None and worker.state != "unknown":
            end_in_background(
                self._instance, run.run_id, worker.process, settings().terminate_seconds, asked_already=asked
            )
            return True
        return asked


def _parent_has(run_id: str) -> bool:
    """Whether the warm parent runs it: a worker that was forked a moment ago has not written its tag yet."""
    try:
        return "pid" in ask(settings(), TERMINATE_SECONDS, do="status", run_id=run_id)
    except (NoParent, NoAnswer):
        return False


def _is_for_this_python(run: DagsterRun) -> bool:
    """Whether the run's code location uses the environment that the warm parent, like us, was started from."""
    origin = run.job_code_origin
    executable = origin.repository_origin.executable_path if origin else None
    return executable is not None and Path(executable).parent == Path(sys.executable).parent
