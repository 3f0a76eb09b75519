"""Starting and ending child processes so that none is left behind, however the parent ends."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from signal import Signals

import psutil

from dataops_defs.services.account import Account

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05
LOG_LIMIT_BYTES = 20_000_000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _dies_with(parent: int, ending: Signals) -> Callable[[], None]:
    """A hook for the child: the kernel sends it ``ending`` when the thread that started it ends.

    It runs between fork and exec, hence takes nothing but one loaded C function.
    """

    def hook() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return hook


def spawn(
    command: list[str],
    log: Path | None,
    env: dict[str, str],
    account: Account | None = None,
    ending: Signals = signal.SIGTERM,
    cwd: Path = Path("/"),
) -> subprocess.Popen[bytes]:
    """Start a child that leads a process group of its own, gets no keyboard signal, and ends with us.

    Call it from the main thread: the kernel ties the child's life to the thread that started it.

    Args:
        log: file its output is appended to; None leaves it on our terminal.
        ending: the signal the kernel sends it if we are killed.
    """
    output = None if log is None else _open_log(log)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_dies_with(os.getpid(), ending),
            **(account.identity if account else {}),
        )
    finally:
        if output is not None:
            os.close(output)


def _open_log(log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old.log"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def last_line(log: Path) -> str:
    """The last line of a log that says something, shortened; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line[:300] for line in reversed(lines) if line), "")


def members(group: int) -> list[int]:
    """Pids of the living processes of a process group."""
    return [pid for pid in psutil.pids() if _group_of(pid) == group and is_alive(pid)]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def is_alive(pid: int, started: float | None = None) -> bool:
    """Whether the process lives: no zombie and, with ``started`` given, not another one with the same pid."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started is None or abs(process.create_time() - started) < 1
    except psutil.NoSuchProcess:
        return False


def signal_group(group: int, what: Signals) -> None:
    """Send a signal to every process of a group; a group that is gone is no error."""
    try:
        os.killpg(group, what)
    except (ProcessLookupError, PermissionError):
        return


def end_groups(groups: Iterable[int], first: Signals, grace: float) -> None:
    """End process groups: ask with ``first``, kill whatever still lives after ``grace`` seconds."""
    groups = list(groups)
    for group in groups:
        signal_group(group, first)
    wait_until(lambda: not any(members(group) for group in groups), grace)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Poll until ``true()`` or the time is over; says which."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
