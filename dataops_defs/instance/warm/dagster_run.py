"""What the warm launcher needs of Dagster that is private to it; nothing else here imports Dagster's inside for it."""

import logging

import dagster as dg
from dagster._cli.api import _execute_run_command_body
from dagster._core.instance import InstanceRef
from dagster._serdes import deserialize_value, serialize_value
from dagster._utils.interrupts import capture_interrupts

from dataops_defs.defs.selection import work_for
from dataops_defs.instance.worker import Worker

UNFINISHED = 70


def reference(instance: dg.DagsterInstance) -> str:
    """What opens the same instance in another process: classes and their settings, no address and no password."""
    return serialize_value(instance.get_ref())


def open_instance(reference: str) -> dg.DagsterInstance:
    """The instance; to be used in a ``with``."""
    return dg.DagsterInstance.from_ref(deserialize_value(reference, InstanceRef))


def execute(run_id: str, instance_reference: str, worker: Worker) -> int:
    """Execute a launched run in this process, as the worker that Dagster itself starts would.

    Returns:
        0 when the run has ended in Dagster, however it did; UNFINISHED when its end could not be written.
    """
    with capture_interrupts(), open_instance(instance_reference) as instance:
        instance.add_run_tags(run_id, worker.as_tags())
        _build_only_what_is_selected(instance.get_run_by_id(run_id))
        # Failures are events of the run; the status of the command does not tell them.
        _execute_run_command_body(run_id, instance, lambda _event: None, set_exit_code_on_failure=False)
        run = instance.get_run_by_id(run_id)
        return 0 if run is None or run.is_finished else UNFINISHED


def _build_only_what_is_selected(run: dg.DagsterRun | None) -> None:
    if run is not None:
        checked = {check.asset_key for check in run.asset_check_selection or ()}
        work_for(run.job_name, [tuple(key.path) for key in {*(run.asset_selection or ()), *checked}])


def rehearse() -> None:
    """Run one trivial asset in an instance that is gone afterwards: what is imported late is then imported."""

    @dg.asset
    def rehearsal() -> None: ...

    logging.disable()
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            dg.materialize([rehearsal], instance=instance)
    finally:
        logging.disable(logging.NOTSET)
