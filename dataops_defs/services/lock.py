"""One owner of a home at a time: a lock that the kernel gives back however its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataops_defs.errors import Conflict
from dataops_defs.services.processes import wait_until

LOOK_SECONDS = 0.3


@contextmanager
def home_lock(home: Path, holder: str | None = None) -> Iterator[None]:
    """Hold the home.

    Args:
        holder: whom to name to others, such as "process 17"; by default ourselves.
    Raises:
        Conflict: another process holds it; the message names its pid.
    """
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A look from is_held() is over at once.
        if not wait_until(lambda: _take(handle), LOOK_SECONDS):
            other = os.read(handle, 100).decode().strip() or "another process"
            raise Conflict(f"{home} is in use by {other}: stop that first, or set DATAOPS_HOME to another folder")
        os.ftruncate(handle, 0)
        os.write(handle, (holder or f"process {os.getpid()}").encode())
        yield
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
