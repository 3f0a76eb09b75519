"""One owner of a home at a time: a lock that the kernel gives back however its holder ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dataops_defs.errors import Conflict
from dataops_defs.services.processes import wait_until

LOOK_SECONDS = 0.3


@contextmanager
def home_lock(home: Path) -> Iterator[Callable[[str], None]]:
    """Hold the home, and yield what changes the words others are refused with, at first our own pid.

    Raises:
        Conflict: another process holds it; the message says which.
    """
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def name(holder: str) -> None:
        os.ftruncate(handle, 0)
        os.pwrite(handle, holder.encode(), 0)

    try:
        # A look from is_held() is over at once.
        if not wait_until(lambda: _take(handle), LOOK_SECONDS):
            holder = os.pread(handle, 200, 0).decode() or "another process"
            raise Conflict(f"{home} is in use by {holder}: stop that first, or set DATAOPS_HOME to another folder")
        name(f"process {os.getpid()}")
        yield name
    finally:
        os.close(handle)


def is_held(home: Path) -> bool:
    """Whether some process runs the platform, or its database, in this home."""
    try:
        handle = os.open(home / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _take(handle)
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
