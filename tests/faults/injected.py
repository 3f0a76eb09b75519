"""What happens to a worker in its own process: it is killed or frozen at a point, starved, or refused to write."""

import os
import resource
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyseccomp

from dataops_defs.adapters.sources.postgres.copy import CopyStream
from dataops_defs.adapters.warehouse import checkpoint
from dataops_defs.catalogue import leases
from dataops_defs.flows import work as working
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.work import Step

ROWS_WRITTEN = "rows written, checkpoint not"
CHECKPOINT_WRITTEN = "rows and checkpoint written, not committed"
COMMITTED = "batch committed"
POINTS = (ROWS_WRITTEN, CHECKPOINT_WRITTEN, COMMITTED)


def at(point: str, number: int, act: Callable[[], object]) -> None:
    """Something happens when the worker comes to a point for the how-manieth time, from 1."""
    keep, committed = checkpoint.keep, Step.committed
    left = number

    def reached(here: str) -> None:
        nonlocal left
        if here == point:
            left -= 1
            if left == 0:
                act()

    def kept(*arguments: Any) -> None:
        reached(ROWS_WRITTEN)
        keep(*arguments)
        reached(CHECKPOINT_WRITTEN)

    def told(step: Step, *arguments: Any) -> None:
        reached(COMMITTED)
        committed(step, *arguments)

    checkpoint.keep = kept  # type: ignore[assignment]
    Step.committed = told  # type: ignore[assignment,method-assign]


def killed(point: str, number: int) -> None:
    """SIGKILL at a point."""
    at(point, number, lambda: os.kill(os.getpid(), signal.SIGKILL))


def frozen(point: str, number: int) -> None:
    """SIGSTOP there; SIGCONT lets it go on as if nothing had happened."""
    at(point, number, lambda: os.kill(os.getpid(), signal.SIGSTOP))


def lease_of(seconds: float) -> None:
    """Leases that the worker takes and renews last so long."""
    leases.LEASE = timedelta(seconds=seconds)


def one_try() -> None:
    """What fails is not tried again by the same worker."""
    working.TRIES = 1


def starved(size: int) -> None:
    """From the moment it reads its source the worker may take so many bytes of memory more than it has."""
    begin = CopyStream.__init__

    def begun(stream: CopyStream, *arguments: Any) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + size, used + size))
        begin(stream, *arguments)

    CopyStream.__init__ = begun  # type: ignore[assignment,method-assign]


def files_up_to(size: int) -> None:
    """No file that the worker writes may become larger than that; what comes after is refused."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def refused(syscall: str, error: int) -> None:
    """The kernel answers ``error`` when the file of raw rows is written."""
    check = Lease.check

    def checked(lease: Lease) -> None:
        descriptor = _partial_file()
        if descriptor is not None:
            _refuse(syscall, error, descriptor)
        check(lease)

    Lease.check = checked  # type: ignore[assignment,method-assign]


def _refuse(syscall: str, error: int, descriptor: int) -> None:
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    rules.add_rule(pyseccomp.ERRNO(error), syscall, pyseccomp.Arg(0, pyseccomp.EQ, descriptor))
    rules.load()


def _partial_file() -> int | None:
    for each in Path("/proc/self/fd").iterdir():
        if each.is_symlink() and str(each.readlink()).endswith(".partial"):
            return int(each.name)
    return None
