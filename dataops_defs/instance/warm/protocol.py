"""How a process asks the warm parent: one line of JSON each way, over a Unix socket only the owner may use.

Requests are ``launch`` with ``run_id`` and ``instance_ref`` (answered with the pid and start time of the worker, or
with ``refused`` and the reason), ``terminate`` and ``status`` with a ``run_id``, and ``ping``. Each has a ``deadline``,
a time of the machine's monotonic clock: read later it does nothing, as whoever sent it has gone on without.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataops_defs.settings import Settings

LONGEST_LINE = 1_000_000
Message = dict[str, Any]


class NoParent(Exception):
    """No warm parent listens in this home: nothing was asked."""


class NoAnswer(Exception):
    """It was asked and did not answer in time, or ended: it may have done it, or not."""


def socket_path(settings: Settings) -> Path:
    """Where the warm parent of a home listens."""
    return settings.run_folder / "launcher.sock"


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A short name for a socket's path: the kernel takes 108 bytes, a home may be longer."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def ask(settings: Settings, seconds: float, **request: object) -> Message:
    """Ask the warm parent of this home.

    Args:
        seconds: how long the parent may take; a later answer would find nobody, and a later request does nothing.
    Raises:
        NoParent: there is none; nothing happened.
        NoAnswer: it went away or was too slow; what was asked for may have happened.
    """
    deadline = time.monotonic() + seconds
    line = encode({**request, "deadline": deadline})
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            with address(socket_path(settings)) as name:
                connection.connect(name)
        except OSError as error:
            raise NoParent(str(error)) from None
        try:
            connection.sendall(line)
            return _receive(connection, deadline + 0.5)
        except (OSError, ValueError) as error:
            raise NoAnswer(str(error) or "it went away") from None


def _receive(connection: socket.socket, until: float) -> Message:
    received = b""
    while not received.endswith(b"\n"):
        connection.settimeout(max(0.01, until - time.monotonic()))
        part = connection.recv(65536)
        if not part or len(received) > LONGEST_LINE:
            raise ValueError("it went away")
        received += part
    return decode(received)


def encode(message: Message) -> bytes:
    """A message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line.

    Raises:
        ValueError: it is no JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message
