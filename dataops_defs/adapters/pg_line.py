"""The line to a PostgreSQL server, as other threads see it: they end what it waits for, whatever the server does."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

# A server ends the statement of a client that is gone within two seconds, if it can look for that (PostgreSQL 14).
LOOK_FOR_THE_CLIENT = """DO $$ BEGIN SET client_connection_check_interval = '2s';
EXCEPTION WHEN OTHERS THEN NULL; END $$"""


class Line:
    """The line of one open connection.

    A statement is ended by cutting the line, not by a request to cancel it: psycopg2 holds up every thread of the
    process while such a request waits, and a server that is frozen lets it wait for ever.
    """

    def __init__(self, connection: Any) -> None:
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
def line_of(connection: Any) -> Iterator[Line]:
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
