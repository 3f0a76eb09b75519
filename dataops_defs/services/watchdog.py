"""Ends the stack when its supervisor was killed outright and could not do so itself.

The kernel ends the supervisor's own children then, but not their children, such as the workers of runs. This small
process reads, from a pipe whose other end only the supervisor holds, which process groups there are: ``+5`` one
more, ``-5`` one less. When the pipe closes, whatever is left on the list is ended.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from dataops_defs.services.processes import end_groups

GRACE_SECONDS = 10.0


class Watchdog:
    """The supervisor's end: keeps the list, and tells it to a new process if one was killed."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._groups: set[int] = set()
        self._pipe: IO[bytes] | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process, with the groups known so far; unlike all others it outlives us."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        self._pipe = process.stdin
        for group in self._groups:
            self._tell(f"+{group}\n")
        return process

    def add(self, group: int) -> None:
        """One more group to end."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """One that is gone: its number may soon be another's."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._pipe is None:
            return
        try:
            os.write(self._pipe.fileno(), line.encode())
        except BrokenPipeError:
            self._pipe = None


def main() -> None:
    """Wait for the supervisor's end, then end what it left."""
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        groups.add(number) if line.startswith("+") else groups.discard(number)
    end_groups(groups, signal.SIGTERM, GRACE_SECONDS)


if __name__ == "__main__":
    main()
