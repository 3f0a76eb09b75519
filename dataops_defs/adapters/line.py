"""The line to a server, as other threads see it: they end what it waits for, whatever the server does."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol


class HasSocket(Protocol):
    """A socket, or what has one: a connection."""

    def fileno(self) -> int:
        """The socket's file descriptor."""
        ...


class Line(Protocol):
    """What waits for a server, and can be ended by another thread."""

    def cut(self) -> None:
        """End what waits, which fails as if the connection was lost. Can be done again."""
        ...


def shut(opened: socket.socket) -> None:
    """Let whoever reads from it, or writes to it, wait no more; also where that is another thread."""
    with suppress(OSError):
        # A TLS socket's own shutdown first forgets its keys, under the hands of the thread that reads.
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


class SocketLine:
    """The line of one open connection.

    A statement is ended by cutting the line, not by a request to cancel it: such a request waits too, for ever
    where a server is frozen (and psycopg2 holds up every thread of the process meanwhile).
    """

    def __init__(self, connection: HasSocket) -> None:
        self._socket = socket.socket(fileno=socket.dup(connection.fileno()))

    def cut(self) -> None:
        """See ``Line``."""
        shut(self._socket)

    def close(self) -> None:
        """Forget the line; the connection stays as it is."""
        self._socket.close()


During = Callable[[Line], AbstractContextManager[object]]
"""Told of the line on which a server is asked, while it is."""


@contextmanager
def line_of(connection: HasSocket) -> Iterator[SocketLine]:
    """The line of a connection, as long as that is at work."""
    line = SocketLine(connection)
    try:
        yield line
    finally:
        line.close()


@contextmanager
def ended_after(seconds: float, end: Callable[[], object]) -> Iterator[None]:
    """End it then at the latest: a server's own timeouts are only a promise."""
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
