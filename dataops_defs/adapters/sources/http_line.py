"""The line to an HTTP server, as other threads see it: they end what it waits for."""

import socket
import threading
from contextlib import suppress

from dataops_defs.adapters.line import Line


class HttpLine(Line):
    """The line of one reading, through whichever connections it goes; once cut, it stays cut."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._held: socket.socket | None = None

    def hold(self, opened: socket.socket) -> None:
        """The connection that is at work from now on."""
        self._held = opened
        if self.over.is_set():
            self.cut()

    def cut(self) -> None:
        """End what waits for the server, or is about to."""
        self.over.set()
        if self._held is not None:
            with suppress(OSError):
                # A TLS socket's own shutdown first forgets its keys, under the hands of the thread that reads.
                socket.socket.shutdown(self._held, socket.SHUT_RDWR)

    def close(self) -> None:
        """Nothing of its own has to be closed: the connection belongs to who reads."""
