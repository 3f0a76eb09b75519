"""A network between a PostgreSQL server and us, that loses, cuts and delays what is sent."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = b"COMMIT\x00"
SLOW_BLOCK = 256
FREE_BYTES = 16_384


@dataclass(eq=False)
class _Line:
    """One connection: ``mute`` once the server's next answer is to be lost, ``passed`` so many bytes of its answers."""

    near: socket.socket
    far: socket.socket
    mute: bool = False
    passed: int = 0

    def cut(self) -> None:
        for each in (self.near, self.far):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Relay:
    """Listens on a port of its own and passes on to a server, as long as it is not told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._swallowing = threading.Event()
        self._cut_after: int | None = None
        self._commit: int | None = None
        self._rate: float | None = None
        self._lock = threading.Lock()
        self._lines: list[_Line] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    @classmethod
    def before(cls, url: str) -> "Relay":
        """The network before the server of that URL."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        return cls(parts.hostname, parts.port or 5432)

    def url(self, url: str) -> str:
        """The same URL by way of this network."""
        parts = urlsplit(url)
        login, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()

    def connection(self, url: str) -> dict[str, Any]:
        """How a source of the platform names the database of that URL by way of this network."""
        parts = urlsplit(url)
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "database": parts.path[1:],
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "sslmode": "disable",
        }

    def swallow(self) -> None:
        """Lose whatever is sent from now on, and say nothing of it."""
        self._swallowing.set()

    def cut_after(self, size: int) -> None:
        """Cut a line, once, when the server has answered so many bytes from now on."""
        self._cut_after = size

    def drop_reply_to_commit(self, number: int) -> None:
        """Let the COMMIT of that number, from 1, reach the server, lose its answer and cut the line."""
        self._commit = number

    def slow_down(self, bytes_a_second: float | None) -> None:
        """Let answers pass at that speed, all but the first 16 KB of a line; None: at any."""
        self._rate = bytes_a_second

    def close(self) -> None:
        """End all lines; a server may then end what waits for them."""
        self._listener.close()
        for line in self._lines:
            line.cut()
            line.near.close()
            line.far.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                line = _Line(near, socket.create_connection(self._there))
                self._lines.append(line)
                for work in (self._ask, self._answer):
                    threading.Thread(target=self._end_with, args=(work, line), daemon=True).start()

    @staticmethod
    def _end_with(work: Any, line: _Line) -> None:
        with suppress(OSError):
            work(line)

    def _ask(self, line: _Line) -> None:
        while block := line.near.recv(65536):
            if self._swallowing.is_set():
                continue
            if COMMIT in block:
                line.mute = self._is_the_commit()
            line.far.sendall(block)
        if not self._swallowing.is_set():
            line.far.shutdown(socket.SHUT_WR)

    def _answer(self, line: _Line) -> None:
        while block := line.far.recv(SLOW_BLOCK if self._rate else 65536):
            if self._swallowing.is_set():
                continue
            if line.mute or self._is_at_the_cut(len(block)):
                self.cuts += 1
                line.cut()
                return
            line.passed += len(block)
            if self._rate and line.passed > FREE_BYTES:
                time.sleep(len(block) / self._rate)
            line.near.sendall(block)
        if not self._swallowing.is_set():
            line.near.shutdown(socket.SHUT_WR)

    def _is_the_commit(self) -> bool:
        with self._lock:
            if self._commit is None:
                return False
            self._commit -= 1
            return self._commit == 0

    def _is_at_the_cut(self, size: int) -> bool:
        with self._lock:
            if self._cut_after is None:
                return False
            self._cut_after -= size
            if self._cut_after > 0:
                return False
            self._cut_after = None
            return True
