"""From the fork to the end of a child of the warm parent: a child ends here, it never goes on as parent."""

import ctypes
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from dataops_defs.instance.in_worker import become_worker
from dataops_defs.instance.warm import dagster_run, post_mortem
from dataops_defs.instance.worker import Process, Worker
from dataops_defs.services.processes import PR_SET_PDEATHSIG
from dataops_defs.settings import settings

CRASHED = 71
ORPHANED = 72
PR_SET_NAME = 15
BLOCKED_WHILE_FORKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_LIBC = ctypes.CDLL(None, use_errno=True)


def fork(body: Callable[[], int]) -> int:
    """Fork a child that runs ``body`` and ends with what it returns; its pid. Signals of the parent never reach it.

    Raises:
        OSError: there is no memory or no process left.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_WHILE_FORKING)
    try:
        pid = os.fork()
        if pid == 0:
            _run(body)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_WHILE_FORKING)


def _run(body: Callable[[], int]) -> NoReturn:
    status = CRASHED
    try:
        _forget_the_parent()
        status = body()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _forget_the_parent() -> None:
    """Its signal handlers, its open files, and the random numbers it would share."""
    signal.set_wakeup_fd(-1)
    for each in BLOCKED_WHILE_FORKING:
        signal.signal(each, signal.SIG_DFL)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    settings.cache_clear()


def work(run_id: str, instance_reference: str, parent: Process) -> int:
    """Body of a worker: leads a session of its own, ends with its parent, executes the run."""
    os.setsid()
    _LIBC.prctl(PR_SET_NAME, b"dataops-run", 0, 0, 0)
    # Dagster turns SIGTERM into whatever SIGINT does, and a background shell leaves that ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_WHILE_FORKING)
    _LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent.pid:
        return ORPHANED
    become_worker()
    this = Process.of(os.getpid())
    assert this is not None  # noqa: S101 - a process finds itself
    return dagster_run.execute(run_id, instance_reference, Worker.here(this, parent))


def report(run_id: str, instance_reference: str, how: str) -> int:
    """Body of the one who reports a worker's death; it may outlive the parent."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_WHILE_FORKING)
    become_worker()
    return post_mortem.report(run_id, instance_reference, how)


def look_for_orphans(parent: Process, grace: float) -> int:
    """Body of the one who looks what an earlier parent has left."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_WHILE_FORKING)
    become_worker()
    return post_mortem.look_for_orphans(parent, grace)
