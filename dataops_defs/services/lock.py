"""One owner of a home at a time: a lock that the kernel gives back however its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataops_defs.errors import Conflict


@contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Hold the home.

    Raises:
        Conflict: another process holds it; the message names its pid.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 100).decode().strip() or "another process"
            raise Conflict(f"{home} is in use by {holder}; stop that first, or set DATAOPS_HOME") from None
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()}".encode())
        yield
    finally:
        os.close(handle)
