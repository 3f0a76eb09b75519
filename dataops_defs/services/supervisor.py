"""Keeps a set of child processes running: starts them, restarts the killed, names those that keep dying, stops all."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.processes import end_groups, last_line, spawn

MAX_DEATHS = 5
DEATHS_WITHIN_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 8.0
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.2


@dataclass
class Child:
    """A process to keep running. ``start`` makes it; the default runs ``command`` with its output in a log."""

    name: str
    log: Path
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    ending: Signals = signal.SIGTERM
    start: Callable[[], subprocess.Popen[bytes]] | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    start_again_at: float | None = None

    def run(self) -> None:
        """Start the process."""
        self.start_again_at = None
        if self.start is not None:
            self.process = self.start()
        else:
            self.process = spawn(list(self.command), self.log, dict(self.env), ending=self.ending, cwd=self.cwd)

    def ended(self) -> bool:
        """Whether it was started and is not running any more."""
        return self.process is not None and self.process.poll() is not None


class Supervisor:
    """Watches its children from the main thread; the kernel ties their lives to it."""

    def __init__(self, run_folder: Path, say: Callable[[str], None]) -> None:
        self._run_folder = run_folder
        self._say = say
        self._children: list[Child] = []
        self._stopping = False

    def install_signals(self) -> None:
        """End on SIGINT, SIGTERM and SIGHUP, in order."""
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, self._on_signal)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked us to end."""
        return self._stopping

    def add(self, child: Child) -> None:
        """Start a child and watch it from now on."""
        self._children.append(child)
        self._start(child)

    def watch_until(self, done: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Keep the children running until ``done()``, a signal, or the time is over; True when done.

        Raises:
            DependencyUnavailable: a child keeps dying; the message names it and quotes its log.
        """
        deadline = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < deadline:
            self.look_after()
            if done():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def look_after(self) -> None:
        """Start again whatever has ended."""
        for child in self._children:
            if child.start_again_at is not None:
                if time.monotonic() >= child.start_again_at:
                    self._start(child)
            elif child.ended():
                self._mourn(child)

    def stop(self) -> None:
        """End all children, the last started first; what does not end in time is killed."""
        self._stopping = True
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        groups = {child.ending: [] for child in self._children}  # type: dict[Signals, list[int]]
        for child in self._children:
            if child.process is not None:
                groups[child.ending].append(child.process.pid)
        # PostgreSQL goes last: the others still speak to it while they end.
        for ending in sorted(groups, key=lambda each: each is signal.SIGINT):
            end_groups(groups[ending], ending, GRACE_SECONDS)
        for child in self._children:
            if child.process is not None:
                child.process.wait()
            self._pid_file(child.name).unlink(missing_ok=True)

    def _start(self, child: Child) -> None:
        child.run()
        if child.process is not None:
            write_pid(self._run_folder, child.name, child.process.pid)

    def _mourn(self, child: Child) -> None:
        status = child.process.returncode if child.process else 0
        how = f"was killed ({Signals(-status).name})" if status < 0 else f"ended with status {status}"
        now = time.monotonic()
        child.deaths = [moment for moment in child.deaths if now - moment < DEATHS_WITHIN_SECONDS] + [now]
        if child.process is not None:
            end_groups([child.process.pid], signal.SIGTERM, 2.0)
        if len(child.deaths) >= MAX_DEATHS:
            raise DependencyUnavailable(
                f"{child.name} keeps dying ({how}); the last line of its log: {last_line(child.log) or 'none'}"
            )
        pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** (len(child.deaths) - 2))
        self._say(f"{child.name} {how}; starting it again")
        child.start_again_at = now + pause

    def _pid_file(self, name: str) -> Path:
        return self._run_folder / f"{name}.pid"

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True


def write_pid(run_folder: Path, name: str, pid: int | None = None) -> None:
    """Note a process's pid in ``<run folder>/<name>.pid``."""
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / f"{name}.pid").write_text(f"{pid or os.getpid()}\n")
