"""A proxy before a real server that makes trouble as the test says, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

Error = tuple[int, str]
TOO_BUSY = (429, "es_rejected_execution_exception")


class Proxy:
    """``trouble`` gets a document's id and how often it came; the error it returns is answered in the item's place.

    Items without trouble reach the server. ``max_bytes``: a longer body is answered 413. ``nameless``: answers do not
    name the product, as OpenSearch's do not.
    """

    def __init__(self, server: str) -> None:
        self.server = httpx.Client(base_url=server, timeout=30)
        self.trouble: Callable[[str, int], Error | None] = lambda _id, _times: None
        self.reasons: dict[str, str] = {}
        self.status: int | None = None
        self.max_bytes = 10**9
        self.nameless = False
        self.sent: dict[str, int] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.url = ""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        self.requests.append((f"{method} {path}", headers))
        if self.status is not None:
            return httpx.Response(self.status, json={"error": {"type": "unavailable", "reason": "as the test says"}})
        if len(body) > self.max_bytes:
            return httpx.Response(413)
        kept = {name: value for name, value in headers.items() if name in ("content-type", "accept")}
        if "_bulk" not in path:
            return self.server.request(method, path, headers=kept, content=body)
        return self._bulk(path, kept, body)

    def _bulk(self, path: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        lines = body.splitlines()
        items: list[dict[str, Any] | None] = []
        passed: list[bytes] = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            id = json.loads(action)["index"]["_id"]
            self.sent[id] = self.sent.get(id, 0) + 1
            error = self.trouble(id, self.sent[id])
            if error is None:
                passed += [action, source]
                items.append(None)
                continue
            status, kind = error
            items.append(
                {
                    "index": {
                        "_id": id,
                        "status": status,
                        "error": {"type": kind, "reason": self.reasons.get(kind, kind)},
                    }
                }
            )
        answers: Iterator[dict[str, Any]] = iter(())
        if passed:
            answer = self.server.post(path, headers=headers, content=b"\n".join([*passed, b""]))
            if answer.status_code != 200:
                return answer
            answers = iter(answer.json()["items"])
        merged = [each if each is not None else next(answers) for each in items]
        return httpx.Response(
            200, json={"errors": True, "items": merged}, headers={"x-elastic-product": "Elasticsearch"}
        )


@contextmanager
def proxy_before(server: str) -> Iterator[Proxy]:
    proxy = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = proxy.answer(self.command, self.path, headers, body)
            self.send_response(answer.status_code)
            for name in ("content-type", *(() if proxy.nameless else ("x-elastic-product",))):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        proxy.url = f"http://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        yield proxy
        listening.shutdown()
        proxy.server.close()
