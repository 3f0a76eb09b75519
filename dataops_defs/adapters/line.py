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


class Line:
    """The line of one open connection.

    A statement is ended by cutting the line, not by a request to cancel it: such a request waits too, for ever
    where a server is frozen (and psycopg2 holds up every thread of the process meanwhile).
    """

    def __init__(self, connection: HasSocket) -> None:
        self._socket = socket.socket(fileno=socket.dup(connection.fileno()))

    def cut(self) -> None:
        """End what waits for the server, which fails as if the connection was lost. Can be done again."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Forget the line; the connection stays as it is."""
        self._socket.close()


During = Callable[[Line], AbstractContextManager[object]]
"""Told of the line on which a server is asked, while it is."""


@contextmanager
def line_of(connection: HasSocket) -> Iterator[Line]:
    """The line of a connection, as long as that is at work."""
    line = Line(connection)
    try:
        yield line
    finally:
        line.close()


@contextmanager
def cut_after(line: Line, seconds: float) -> Iterator[None]:
    """Cut it then at the latest: a server's own timeouts are only a promise."""
    timer = threading.Timer(seconds, line.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
