"""Ends a worker from the process that was asked to, where no warm parent does it: first asked, then killed."""

import signal
import threading

from dagster import DagsterInstance

from dataops_defs.instance.warm import dagster_run, post_mortem
from dataops_defs.instance.worker import Process
from dataops_defs.services.processes import wait_until


def end_in_background(
    instance: DagsterInstance, run_id: str, process: Process, grace: float, *, asked_already: bool = False
) -> None:
    """Ask the worker to end and return; a thread stops it after ``grace`` seconds, gives the run its end and kills it.

    Args:
        asked_already: somebody else has asked it.
    """
    if not asked_already:
        process.send(signal.SIGINT)
    arguments = (dagster_run.reference(instance), run_id, process, grace)
    # No daemon thread: a command that terminates a run stays until the worker has ended.
    threading.Thread(target=_see_it_end, args=arguments, name=f"end-{run_id}").start()


def _see_it_end(instance_reference: str, run_id: str, process: Process, grace: float) -> None:
    outlives = not wait_until(lambda: not process.alive, grace)
    if outlives:
        process.send(signal.SIGSTOP)
    # The code server that sees its process die calls that a failure, unless the run has its end by then.
    try:
        with dagster_run.open_instance(instance_reference) as instance:
            post_mortem.end(instance, run_id, "ended")
    finally:
        if outlives:
            process.kill_with_descendants()
