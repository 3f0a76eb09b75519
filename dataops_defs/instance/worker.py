"""The process that executes a run: how it is named in the run's tags, and whether it still lives.

A pid alone may soon be another process's, and a start time in seconds moves when the clock is set. Hence the kernel's
own start time, in ticks since boot (``/proc/<pid>/stat``, field 22 of proc(5)), and the place where both count.
"""

import json
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Self

import psutil
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX

from dataops_defs.services.processes import signal_group

# Dagster's pages hide what begins so: nobody reads it but launchers.
TAG = f"{HIDDEN_TAG_PREFIX}dataops_worker"
State = Literal["alive", "dead", "unknown"]


@dataclass(frozen=True)
class Process:
    """One process of one machine, for as long as it lives and after."""

    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this pid now, also when it has ended and waits to be reaped; None when there is none."""
        found = _stat(pid)
        return cls(pid, found[1]) if found else None

    @property
    def alive(self) -> bool:
        """Whether it lives; a zombie does not."""
        found = _stat(self.pid)
        return found is not None and found[1] == self.ticks and found[0] not in "ZX"

    def send(self, number: signal.Signals) -> bool:
        """Send a signal to this very process; False when it has ended."""
        try:
            handle = os.pidfd_open(self.pid)  # while we hold it, no other process can be meant
        except ProcessLookupError:
            return False
        try:
            if self.alive:
                signal.pidfd_send_signal(handle, number)
                return True
        except ProcessLookupError:  # it ended just now
            pass
        finally:
            os.close(handle)
        return False

    def kill_with_descendants(self) -> None:
        """Kill it and all it has started; also its process group, where that is its own."""
        try:
            family = psutil.Process(self.pid).children(recursive=True) if self.alive else []
            leads = bool(self.alive and os.getpgid(self.pid) == self.pid)
        except (psutil.NoSuchProcess, ProcessLookupError):
            return
        if self.send(signal.SIGKILL) and leads:
            signal_group(self.pid, signal.SIGKILL)
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()


@dataclass(frozen=True)
class Worker:
    """A run's worker, as the run's tag names it.

    Args:
        launcher: the warm parent that forked it; None for a cold one, which the code server has started.
    """

    place: str
    process: Process
    launcher: Process | None = None

    @classmethod
    def here(cls, process: Process, launcher: Process | None = None) -> Self:
        """A worker in this place."""
        return cls(place(), process, launcher)

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """The worker that a run's tags name; None when they name none."""
        try:
            value = json.loads(tags[TAG])
            launcher = Process(**value["launcher"]) if value["launcher"] else None
            return cls(str(value["place"]), Process(**value["process"]), launcher)
        except (KeyError, TypeError, ValueError):
            return None

    def as_tags(self) -> dict[str, str]:
        """The tag that names it."""
        return {TAG: json.dumps(asdict(self), separators=(",", ":"))}

    @property
    def state(self) -> State:
        """Whether it lives; unknown on another host. A host that was started again has lost all its processes."""
        if self.place == place():
            return "alive" if self.process.alive else "dead"
        return "dead" if _host(self.place) == _host(place()) else "unknown"


@cache
def place() -> str:
    """Where pids and ticks of this process count: host, its present boot, and the namespace of its pids."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {boot} {Path('/proc/self/ns/pid').readlink()}"


def _host(where: str) -> str:
    return where.partition(" ")[0]


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start time of the process; None when there is none."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = line.rpartition(b")")[2].split()  # the name before it may hold spaces
    return fields[0].decode(), int(fields[19])
