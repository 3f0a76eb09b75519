"""The warm parent replaces itself in place: the same process executes the new code, so its children stay its children.

What has to survive travels in a file in memory, whose descriptor is the only thing the environment names.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

VARIABLE = "DATAOPS_LAUNCHER_ESTATE"
HELD_BACK = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Child:
    """A child of the parent: the worker of a run, or the one who reports its death.

    Args:
        ticks: start time, see ``worker.Process``.
        kill_at: when it is killed unless it has ended; seconds of the monotonic clock.
    """

    run_id: str
    instance_reference: str
    pid: int
    ticks: int
    is_worker: bool = True
    kill_at: float | None = None


@dataclass
class Estate:
    """What one parent leaves to its successor: the descriptor of the listening socket, and the children."""

    listener: int
    children: Sequence[Child] = field(default_factory=list)


def hand_over(estate: Estate) -> NoReturn:
    """Become the successor. Signals wait until it can take them.

    Raises:
        OSError: the interpreter is gone; nothing has changed.
    """
    memory = os.memfd_create("launcher-estate", 0)
    with os.fdopen(os.dup(memory), "w") as file:
        json.dump(asdict(estate), file)
    os.set_inheritable(estate.listener, True)
    os.environ[VARIABLE] = str(memory)
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    finally:
        del os.environ[VARIABLE]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def inherit() -> Estate | None:
    """The estate of the predecessor; None for the first of the line."""
    memory = os.environ.pop(VARIABLE, None)
    if memory is None:
        return None
    with os.fdopen(int(memory), "rb") as file:
        file.seek(0)
        value: dict[str, Any] = json.load(file)
    os.set_inheritable(value["listener"], False)
    return Estate(value["listener"], [Child(**each) for each in value["children"]])
