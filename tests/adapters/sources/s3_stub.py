"""An S3 server that fails as it is told: one bucket, its objects, and what goes wrong with the next answers."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass
class FailingS3:
    """``fail`` names what goes wrong with the next bodies, one after the other: see ``_Handler.body``."""

    port: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    fail: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def put(self, key: str, content: bytes, etag: str | None = None) -> None:
        self.objects[key] = content
        self.etags[key] = f'"{etag or hashlib.md5(content).hexdigest()}"'

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def failing_s3() -> Iterator[FailingS3]:
    made = FailingS3()

    class Handler(_Handler):
        stub = made

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_port
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub: FailingS3
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        key = unquote(parts.path).removeprefix("/bkt").lstrip("/")
        if key:
            self.body(key)
        else:
            self.listing(parse_qs(parts.query).get("prefix", [""])[0])

    def do_HEAD(self) -> None:
        key = unquote(urlsplit(self.path).path).removeprefix("/bkt/")
        if key in self.stub.objects:
            self.answer(200, b"", len(self.stub.objects[key]), ETag=self.stub.etags[key])
        else:
            self.answer(404, b"", 0)

    def listing(self, prefix: str) -> None:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>{self.stub.etags[key]}</ETag></Contents>"
            for key, content in sorted(self.stub.objects.items())
            if key.startswith(prefix)
        )
        self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode())

    def body(self, key: str) -> None:
        """The object, or what is to go wrong."""
        self.stub.asked.append(key)
        content, etag = self.stub.objects[key], self.stub.etags[key]
        match self.stub.fail.pop(0) if self.stub.fail else "":
            case "busy":
                self.answer(503, b"<Error><Code>SlowDown</Code></Error>")
            case "silent":
                time.sleep(2)
                self.close_connection = True
            case "silent midway":
                self.answer(200, content[:10], len(content), ETag=etag)
                self.wfile.flush()
                time.sleep(2)
                self.close_connection = True
            case "cut":
                self.answer(200, content[: len(content) // 2], len(content), ETag=etag)
                self.close_connection = True
            case "short":
                self.answer(200, content[: content.rfind(b"\n", 0, -1) + 1], ETag=etag)
            case "damaged":
                self.answer(200, content.replace(b"1", b"7", 1), ETag=etag)
            case "another":
                self.answer(200, content, ETag='"0123456789abcdef0123456789abcdef"')
            case _:
                self.answer(200, content, ETag=etag)

    def answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""
