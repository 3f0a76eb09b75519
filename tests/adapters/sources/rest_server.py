"""A REST API on a port of its own: what it answers is set by a test, what it was asked is written down."""

import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    raw: bytes = b""


@dataclass
class Reply:
    """``cut_after`` closes the connection after so many bytes; ``drip`` is the seconds from one byte to the next."""

    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    drip: float | None = None
    silent: float = 0

    @property
    def bytes(self) -> bytes:
        made = self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()
        return gzip.compress(made) if self.headers.get("Content-Encoding") == "gzip" else made


Route = Callable[[Asked], Reply]


class RestServer:
    """Answers by path; what has no route is 404."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Route] = {}
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def answers(self, path: str, *replies: Reply) -> None:
        """These answers in turn; the last one from then on."""
        left = list(replies)
        self.routes[path] = lambda _asked: left.pop(0) if len(left) > 1 else left[0]

    @contextmanager
    def running(self) -> Iterator["RestServer"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        route = self.routes.get(asked.path)
        return route(asked) if route else Reply({"error": "there is no such thing"}, 404)


def _handler(server: RestServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(
                self.command,
                url.path,
                {name: values[-1] for name, values in parse_qs(url.query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(sent) if sent else None,
                sent,
            )
            with suppress(OSError):
                self._answer(server.reply(asked))

        do_POST = do_GET  # noqa: N815

        def _answer(self, reply: Reply) -> None:
            time.sleep(reply.silent)
            data = reply.bytes
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if reply.drip is not None:
                for each in data:
                    self.wfile.write(bytes([each]))
                    time.sleep(reply.drip)
                return
            self.wfile.write(data[: reply.cut_after])
            if reply.cut_after is not None:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
