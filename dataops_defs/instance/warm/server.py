"""The warm parent's ear: reads one line from each who connects, never waits for any of them."""

import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dataops_defs.errors import Conflict
from dataops_defs.instance.warm.protocol import LONGEST_LINE, Message, address, decode, encode

BACKLOG = 128
MOST_CONNECTIONS = 100
PATIENCE_SECONDS = 5.0


def bind(path: Path) -> socket.socket:
    """A socket that only the owner may connect to, once it listens.

    Raises:
        Conflict: another parent listens there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        with address(path) as name:
            if _somebody_listens(name):
                raise Conflict(f"Another launcher listens at {path}: stop that first")
            path.unlink(missing_ok=True)
            listener.bind(name)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _somebody_listens(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(name) == 0


@dataclass(eq=False)
class Connection:
    """Somebody who has connected, what they sent so far, and until when they may complete it."""

    socket: socket.socket
    until: float
    received: bytearray = field(default_factory=bytearray)


class Server:
    """Takes connections, gives each complete line to ``answer`` and sends back what that returns."""

    def __init__(
        self, listener: socket.socket, selector: selectors.BaseSelector, answer: Callable[[Message], Message]
    ) -> None:
        self.listener = listener
        self._selector = selector
        self._answer = answer
        self._connections: set[Connection] = set()
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Listen no more."""
        self._selector.unregister(self.listener)
        self.listener.close()

    def drop_the_slow(self) -> None:
        """End connections whose line did not come in time."""
        now = time.monotonic()
        for each in [each for each in self._connections if each.until < now]:
            self._drop(each)

    def _accept(self) -> None:
        try:
            accepted, _ = self.listener.accept()
        except OSError:  # it has gone again, or there is no descriptor left
            return
        if len(self._connections) >= MOST_CONNECTIONS or not _is_ours(accepted):
            accepted.close()
            return
        accepted.setblocking(False)
        connection = Connection(accepted, time.monotonic() + PATIENCE_SECONDS)
        self._connections.add(connection)
        self._selector.register(accepted, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: Connection) -> None:
        try:
            part = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        connection.received += part
        if part and not part.endswith(b"\n") and len(connection.received) < LONGEST_LINE:
            return
        if part.endswith(b"\n") and not _has_gone(connection.socket):
            self._reply(connection)
        self._drop(connection)

    def _reply(self, connection: Connection) -> None:
        try:
            request = decode(bytes(connection.received))
            if time.monotonic() > float(request.get("deadline", "inf")):
                return
            answer = self._answer(request)
        except (ValueError, TypeError, KeyError) as error:
            answer = {"refused": f"not a request: {error!r}"}
        try:
            connection.socket.send(encode(answer))  # far smaller than a socket's buffer
        except OSError:
            return

    def _drop(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _is_ours(accepted: socket.socket) -> bool:
    """Whether it is our own user, or root, who connected; see SO_PEERCRED in unix(7)."""
    credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def _has_gone(connected: socket.socket) -> bool:
    """Whether whoever asked has gone on without an answer."""
    try:
        return connected.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
