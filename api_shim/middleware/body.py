"""What a request may hold: so many bytes, so deep, so many values, no NUL. Source: SAFETY, "Access"."""

from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataops_defs.errors import Invalid, NotFound, TooLarge

DEEPEST = 64
MOST_VALUES = 50_000


# Routes that take a file as it arrives, of any size within a limit of its own, and hold none of it in memory.
STREAMED = frozenset({"/api/v1/mvp/preview/file"})


class BodyLimits:
    """Middleware: reads the body whole, within the limits, and hands it on; a streamed one is counted as it passes."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_upload_bytes: int, max_streamed_bytes: int) -> None:
        self._app, self._max_bytes, self._max_upload_bytes = app, max_bytes, max_upload_bytes
        self._max_streamed_bytes = max_streamed_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that is over a limit.

        Raises:
            TooLarge: more bytes than ``max_bytes`` (a form: ``max_upload_bytes``), announced or sent.
            Invalid: a body that is no JSON although it says so, too deep, of too many values, or with NUL.
            NotFound: a path with NUL names nothing.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _check_address(scope)
        if scope["method"] == "POST" and scope["path"] in STREAMED:
            _check_announced(Headers(scope=scope), self._max_streamed_bytes)
            scope["state"]["streamed"] = True
            await self._app(scope, _counting(receive, self._max_streamed_bytes), send)
            return
        body = await self._read(Headers(scope=scope), receive)
        if body is None:
            return
        if "json" in Headers(scope=scope).get("content-type", "").lower():
            check_json(body)
        scope["state"]["body"] = body
        await self._app(scope, _handing_on(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        most = self._max_upload_bytes if is_form else self._max_bytes
        _check_announced(headers, most)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _check_announced(headers: Headers, most: int) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_large(most)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The request's body is larger than {most} bytes")


def _counting(receive: Receive, most: int) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise _too_large(most)
        return message

    return counted


def _handing_on(body: bytes, receive: Receive) -> Receive:
    handed = False

    async def once() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def _check_address(scope: Scope) -> None:
    if "\x00" in scope["path"]:
        raise NotFound("There is no such address")
    if b"%00" in scope.get("query_string", b""):
        raise Invalid.field("query", "must not hold NUL characters")


def check_json(body: bytes) -> None:
    """Refuse JSON that is malformed, deeper than 64, of more than 50,000 values, or that holds NUL."""
    if not body.strip():
        return
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid.field("body", f"is not valid JSON: {str(error)[:100]}") from None
    if b"\\u0000" in body and b"\\u0000" in orjson.dumps(value):
        raise Invalid.field("body", "must not hold NUL characters")
    _check_size(value)


def _check_size(value: Any) -> None:
    waiting = [(value, 1)]
    seen = 0
    while waiting:
        each, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST:
            raise Invalid.field("body", f"must not be nested deeper than {DEEPEST}")
        if seen + len(waiting) > MOST_VALUES:
            raise Invalid.field("body", f"must not hold more than {MOST_VALUES} values")
        if isinstance(each, dict):
            waiting += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in each]
