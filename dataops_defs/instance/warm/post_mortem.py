"""What is told of a worker that died without ending its run, by a short-lived process: the parent opens no database."""

import os
import signal
import sys
import time
from collections.abc import Callable

import dagster as dg
from dagster import DagsterRunStatus

from dataops_defs.instance.warm import dagster_run
from dataops_defs.instance.worker import Process, Worker
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import settings

RETRIED_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0
GAVE_UP = 73
ACTIVE = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def worker_died(dagster_run_id: str) -> None:
    """Give back the lease that a dead worker held on its run record: another one continues it at once."""
    # Imported late: the webserver and the daemon load this module, and these bring all adapters with them.
    from dataops_defs.catalogue.leases import Leases
    from dataops_defs.flows.platform import Platform

    with Platform(settings()).catalogue() as session:
        Leases(session).release_of(dagster_run_id)


def report(run_id: str, instance_reference: str, how: str) -> int:
    """End the run in Dagster if its worker did not, trying again while the database does not answer.

    Args:
        how: words after "the run's worker", such as "was killed by SIGKILL".
    Returns:
        0, or GAVE_UP.
    """

    def attempt() -> None:
        with dagster_run.open_instance(instance_reference) as instance:
            end(instance, run_id, how)
        worker_died(run_id)

    return _insist(attempt)


def look_for_orphans(parent: Process, grace: float) -> int:
    """End the runs whose workers died while no parent was there to see it, and workers that outlived theirs.

    Args:
        parent: the present one, whose workers are its own business.
        grace: seconds that an orphan has had since its parent's death asked it to end.
    """

    def attempt() -> None:
        with dg.DagsterInstance.get() as instance:
            for run in instance.get_runs(dg.RunsFilter(statuses=ACTIVE)):
                worker = Worker.from_tags(run.tags)
                if worker is None or worker.state == "unknown" or worker.launcher == parent:
                    continue
                if worker.state == "dead" or _ended(worker, grace):
                    end(instance, run.run_id, "died while its launcher was away")
                    worker_died(run.run_id)

    return _insist(attempt)


def _ended(worker: Worker, grace: float) -> bool:
    """Whether an orphan has been ended; one that was started cold, or whose launcher lives, is none."""
    if worker.launcher is None or worker.launcher.alive:
        return False
    if not wait_until(lambda: not worker.process.alive, grace):
        worker.process.kill_with_descendants()
    return True


def end(instance: dg.DagsterInstance, run_id: str, how: str) -> None:
    """Give the run its end unless it has one: CANCELED where that was asked for, else FAILURE."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, f"The run's worker {how} after it was asked to terminate")
    else:
        instance.report_run_failed(run, f"The run's worker {how}")


def in_words(code: int) -> str:
    """How a worker ended, after its exit code as ``os.waitstatus_to_exitcode`` gives it."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (" (perhaps the machine ran out of memory)" if name == "SIGKILL" else "")
    if code == dagster_run.UNFINISHED:
        return "could not write the run's end"
    return f"died with exit code {code}"


def _insist(attempt: Callable[[], None]) -> int:
    deadline, pause = time.monotonic() + RETRIED_SECONDS, 0.2
    while True:
        try:
            attempt()
        except Exception as error:
            if time.monotonic() + pause > deadline:
                sys.stderr.write(f"process {os.getpid()} gave up: {error}\n")
                return GAVE_UP
            time.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
        else:
            return 0
