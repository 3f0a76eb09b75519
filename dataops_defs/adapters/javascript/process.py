"""The worker process as its parent sees it: start, ask, end."""

import logging
import os
import select
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import dataops_defs
from dataops_defs.errors import DependencyUnavailable

START = (
    "import sys; split = sys.argv.index('--'); sys.path += sys.argv[1:split]; "
    "from dataops_defs.adapters.javascript.worker import main; main(sys.argv[split + 1:])"
)
START_SECONDS = 30.0
LONGEST_ANSWER = 64 * 1024 * 1024
STDERR_BYTES = 2000

log = logging.getLogger(__name__)


class WorkerDied(Exception):
    """The worker ended, or was ended because it did not answer in time."""


class WorkerProcess:
    """A locked-in child process with an empty environment. Belongs to the thread that made it.

    Args:
        process_bytes: limit of its data memory.
    Raises:
        DependencyUnavailable: it cannot be started, or cannot be locked in on this machine.
    """

    def __init__(self, process_bytes: int) -> None:
        command = [sys.executable, "-I", "-S", "-B", "-c", START, *import_folders(), "--"]
        try:
            self._child = subprocess.Popen(
                [*command, str(process_bytes), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={},
                process_group=0,
            )
        except OSError as error:
            reason = error.strerror
            raise DependencyUnavailable(f"The JavaScript worker could not be started: {reason}") from None
        self._input = _descriptor(self._child.stdin)
        self._output = _descriptor(self._child.stdout)
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        self._await_lock_down()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._child.pid

    def _await_lock_down(self) -> None:
        try:
            held = self._receive(time.monotonic() + START_SECONDS)
        except WorkerDied:
            raise DependencyUnavailable("The JavaScript worker ended while it was starting") from None
        if not held.startswith(b"="):
            self.close()
            raise DependencyUnavailable(
                "Transforms do not run on this machine: its kernel offers neither a seccomp filter nor a network "
                "namespace to lock JavaScript in; install libseccomp2 or allow one of them"
            )

    def ask(self, message: bytes, seconds: float) -> bytes:
        """Send a request and wait for its answer.

        Args:
            seconds: wall-clock limit; the worker is killed when it is over.
        Raises:
            WorkerDied: no answer will come.
        """
        deadline = time.monotonic() + seconds
        try:
            self._send(len(message).to_bytes(4, "big") + message, deadline)
        except BrokenPipeError:
            self._bury()
        return self._receive(deadline)

    def close(self) -> None:
        """End the worker; it keeps no state worth a goodbye."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()

    def _send(self, message: bytes, deadline: float) -> None:
        waiting = memoryview(message)
        while waiting:
            self._wait(self._input, select.POLLOUT, deadline)
            waiting = waiting[os.write(self._input, waiting) :]

    def _receive(self, deadline: float) -> bytes:
        size = int.from_bytes(self._read(4, deadline), "big")
        if size > LONGEST_ANSWER:
            self._bury()
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._wait(self._output, select.POLLIN, deadline)
            part = os.read(self._output, size - len(parts))
            if not part:
                self._bury()
            parts += part
        return bytes(parts)

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        waiter = select.poll()
        waiter.register(descriptor, event)
        left = deadline - time.monotonic()
        if left <= 0 or not waiter.poll(left * 1000):
            self._bury()

    def _bury(self) -> None:
        self._child.kill()
        status = self._child.wait()
        errors = _descriptor(self._child.stderr)
        os.set_blocking(errors, False)
        try:
            words = os.read(errors, STDERR_BYTES).decode(errors="replace")
        except BlockingIOError:
            words = ""
        self.close()
        log.warning("the JavaScript worker ended with status %s %s", status, words)
        raise WorkerDied


def import_folders() -> list[str]:
    """The folders the worker imports from: with -I and -S it finds none by itself."""
    places = [Path(dataops_defs.__path__[0]).parent]
    for name in ("_quickjs", "pyseccomp"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            places.append(Path(spec.origin).parent)
    return [str(place) for place in dict.fromkeys(places)]


def _descriptor(pipe: object) -> int:
    number: int = pipe.fileno()  # type: ignore[attr-defined]
    return number
