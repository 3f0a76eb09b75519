"""The outermost layer: request ids, security headers, the access log, the last word on errors, refusals audited."""

import re
import time
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid6 import uuid7

from api_shim.answers import Refusal, respond
from api_shim.auth import READING, Caller
from api_shim.logs import ACCESS
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
LONGEST_PATH = 300
FORBIDDEN = 403
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
LOG = structlog.get_logger()


class RequestContext:
    """Middleware: gives every request an id, and every answer its headers and its line in the log."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app, self._platform = app, platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever it raises becomes an answer without inner details."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = request_id(Headers(scope=scope))
        outgoing = _Outgoing(scope, send)
        began = time.perf_counter()
        try:
            await self._app(scope, receive, outgoing)
        except Exception as error:
            _log_unknown(error, state["request_id"])
            if outgoing.status:
                raise
            await respond(scope, error)(scope, receive, outgoing)
        finally:
            _log_access(scope, outgoing.status, time.perf_counter() - began)
        await self._audit_refusal(scope, outgoing.status)

    async def _audit_refusal(self, scope: Scope, status: int) -> None:
        caller: Caller | None = scope["state"].get("caller")
        changes = scope["method"] not in READING and 400 <= status < 500
        if caller is None or not (changes or status == FORBIDDEN):
            return
        try:
            await run_in_threadpool(self._write_refusal, scope, status, caller)
        except Exception as error:
            LOG.error("a refused change is missing from the audit", error=type(error).__name__)

    def _write_refusal(self, scope: Scope, status: int, caller: Caller) -> None:
        refusal: Refusal | None = scope["state"].get("refusal")
        detail: dict[str, Any] = {"status": status}
        if refusal is not None:
            detail["code"] = refusal.code
            detail["fields"] = [each.field for each in refusal.problems[:10]]
        with self._platform.catalogue() as session:
            audit(
                session,
                Actor(caller.name, scope["state"]["request_id"]),
                f"{scope['method']} {_shown(scope['path'])}",
                outcome="refused",
                detail=detail,
            )


class _Outgoing:
    """Sends an answer on, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._scope["state"]["request_id"]
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def request_id(headers: Headers) -> str:
    """The id that the request came with, when it is sane, else a new one."""
    given = headers.get("x-request-id", "")
    return given if SANE_ID.fullmatch(given) else f"req_{uuid7().hex}"


def _shown(path: str) -> str:
    return "".join(each if each.isprintable() else "\ufffd" for each in path[:LONGEST_PATH])


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    caller: Caller | None = scope["state"].get("caller")
    ACCESS.info(
        "request",
        method=scope["method"],
        path=_shown(scope["path"]),
        status=status,
        ms=round(seconds * 1000, 1),
        actor=caller.name if caller else None,
        request_id=scope["state"]["request_id"],
    )


def _log_unknown(error: Exception, id: str) -> None:
    if not isinstance(error, DataOpsError):
        LOG.error("an unexpected error", request_id=id, exc_info=error)
