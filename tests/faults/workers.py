"""Workers of ETL runs in processes of their own, so that they can be killed, frozen and starved.

They carry Dagster's real job on the run's record, and are forked from a process that has everything imported: a worker
costs a fifth of a second.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import dagster as dg

from dataops_defs import settings as settings_module
from dataops_defs.defs.jobs import static_jobs
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import JOB_OF, RunKind

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
JOB = JOB_OF[RunKind.ETL]
LONGEST_SECONDS = 60
KILLED = -signal.SIGKILL

Fault = Callable[[], None]
"""Called in the worker before it begins; a function of a module, or a partial of one."""


def started(run_id: str, pipeline_id: str, *faults: Fault) -> BaseProcess:
    """A worker of that run, in the environment of this process."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("DATAOPS_")}
    process = CONTEXT.Process(target=_work_in, args=(environment, run_id, pipeline_id, faults), daemon=True)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """Wait for a worker: 0 when its job ended well, 1 when not, negative when a signal killed it."""
    process.join(LONGEST_SECONDS)
    assert process.exitcode is not None, "the worker does not end"
    return process.exitcode


def work(run_id: str, pipeline_id: str, *faults: Fault) -> None:
    """Do a run's work in this process, and end it."""
    for fault in faults:
        fault()
    job = next(each for each in static_jobs() if each.name == JOB)
    config = {"ops": {op_name(JOB): {"config": {"subject_id": pipeline_id, "run_id": run_id}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        done = job.execute_in_process(
            config, instance=instance, resources={"platform": PlatformResource()}, raise_on_error=False
        )
    raise SystemExit(0 if done.success else 1)


def _work_in(environment: dict[str, str], run_id: str, pipeline_id: str, faults: tuple[Fault, ...]) -> None:
    os.environ.update(environment)
    settings_module.settings.cache_clear()
    work(run_id, pipeline_id, *faults)
