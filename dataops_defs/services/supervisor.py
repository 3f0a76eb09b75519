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
from dataops_defs.services.processes import end_groups, last_line, members, spawn
from dataops_defs.services.watchdog import Watchdog

MAX_DEATHS = 5
DEATHS_WITHIN_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 8.0
REST_SECONDS = 30.0
GRACE_SECONDS = 10.0
POLL_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Child:
    """A process to keep running. ``start`` makes it; the default runs ``command`` with its output in a log.

    Children of a higher ``stage`` are stopped later: PostgreSQL goes after those that speak to it while they end.
    One that keeps dying ends the stack, unless the others can do ``without`` it: that is then tried now and then.
    """

    name: str
    log: Path
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    ending: Signals = signal.SIGTERM
    stage: int = 0
    without: bool = False
    start: Callable[[], subprocess.Popen[bytes]] | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    started_at: float = 0.0
    start_again_at: float | None = None

    @property
    def keeps_dying(self) -> bool:
        """Whether it died as often, within a short time, as no one-off trouble explains."""
        return len(self.deaths) >= MAX_DEATHS

    def run(self) -> int:
        """Start the process; its pid, which is also its group."""
        self.started_at, self.start_again_at = time.monotonic(), None
        if self.start is not None:
            self.process = self.start()
        else:
            self.process = spawn(list(self.command), self.log, dict(self.env), ending=self.ending, cwd=self.cwd)
        return self.process.pid

    def note_death(self, moment: float) -> None:
        """Count a death. What keeps dying does so until it has lived through the time in which deaths count."""
        if not self.keeps_dying or moment - self.started_at >= DEATHS_WITHIN_SECONDS:
            self.deaths = [each for each in self.deaths if moment - each < DEATHS_WITHIN_SECONDS]
        self.deaths = [*self.deaths, moment][-MAX_DEATHS:]

    def ended(self) -> bool:
        """Whether it was started and is not running any more."""
        return self.process is not None and self.process.poll() is not None


class Supervisor:
    """Watches its children from the main thread; the kernel ties their lives to it."""

    def __init__(self, run_folder: Path, logs: Path, say: Callable[[str], None]) -> None:
        self._run_folder = run_folder
        self._say = say
        self._children: list[Child] = []
        self._watchdog = Watchdog(logs / "watchdog.log")
        self._orphaned: set[int] = set()
        self._stopping = False
        self.add(Child("watchdog", logs / "watchdog.log", stage=2, start=self._watchdog.spawn))

    def install_signals(self) -> None:
        """End on SIGINT, SIGTERM and SIGHUP, in order."""
        for each in SIGNALS:
            signal.signal(each, self._on_signal)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked us to end."""
        return self._stopping

    def add(self, child: Child) -> None:
        """Start a child and watch it from now on."""
        self._children.append(child)
        self._start(child)

    def can_do_without(self, *names: str) -> None:
        """From now on these end nothing when they keep dying."""
        for child in self._children:
            child.without = child.without or child.name in names

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
        for group in [each for each in self._orphaned if not members(each)]:
            self._orphaned.discard(group)
            self._watchdog.remove(group)

    def stop(self) -> None:
        """End all children and what they started, stage by stage; what does not end in time is killed."""
        self._stopping = True
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        for stage in sorted({child.stage for child in self._children}):
            self._stop([child for child in self._children if child.stage == stage])

    def _stop(self, children: list[Child]) -> None:
        for ending in {child.ending for child in children}:
            groups = {child.process.pid for child in children if child.process and child.ending is ending}
            end_groups(groups | (self._orphaned if ending is signal.SIGTERM else set()), ending, GRACE_SECONDS)
        for child in children:
            if child.process is not None:
                child.process.wait()
            self._pid_file(child.name).unlink(missing_ok=True)

    def _start(self, child: Child) -> None:
        pid = child.run()
        write_pid(self._run_folder, child.name, pid)
        if child.name != "watchdog":
            self._watchdog.add(pid)

    def _mourn(self, child: Child) -> None:
        status = child.process.returncode if child.process else 0
        how = f"was killed ({Signals(-status).name})" if status < 0 else f"ended with status {status}"
        now = time.monotonic()
        child.note_death(now)
        # What it had started goes on, such as the workers of runs; it ends with the rest of the stack.
        if child.process is not None:
            self._orphaned.add(child.process.pid)
        if not child.keeps_dying:
            child.start_again_at = now + min(LONGEST_PAUSE_SECONDS, 2.0 ** (len(child.deaths) - 2))
            self._say(f"{child.name} {how}; starting it again")
            return
        told = f"{child.name} keeps dying ({how}); the last line of its log: {last_line(child.log) or 'none'}"
        if not child.without:
            raise DependencyUnavailable(told)
        child.start_again_at = now + REST_SECONDS
        self._say(f"{told}. Everything else goes on WITHOUT {child.name}; it is tried again in {REST_SECONDS:.0f} s")

    def _pid_file(self, name: str) -> Path:
        return self._run_folder / f"{name}.pid"

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True


def write_pid(run_folder: Path, name: str, pid: int | None = None) -> None:
    """Note a process's pid in ``<run folder>/<name>.pid``."""
    run_folder.mkdir(parents=True, exist_ok=True)
    written = run_folder / f"{name}.pid.new"
    written.write_text(f"{pid or os.getpid()}\n")
    written.replace(run_folder / f"{name}.pid")  # whoever reads it meanwhile finds the old one
