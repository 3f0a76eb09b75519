"""Idempotency-Key on every POST: the same key with the same request repeats the first answer. Source: DECISIONS 25."""

import asyncio
import hashlib
import re
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_shim.auth import Caller
from api_shim.multipart import boundary_of
from dataops_defs.catalogue.idempotency import Answer, Claim, IdempotencyKeys
from dataops_defs.errors import DataOpsError, Invalid
from dataops_defs.flows.platform import Platform

SANE_KEY = re.compile(r"[!-~]{1,255}")
SECONDS_BETWEEN_RENEWALS = 4.0
TOO_MANY_REQUESTS = 429
KEPT_HEADERS = ("content-type", "location", "preference-applied", "x-total-count", "retry-after")


class Idempotency:
    """Middleware: does a request with a key once, and repeats its answer."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app, self._platform = app, platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, once for each key and caller.

        Raises:
            Invalid: the key is ill-formed, or was used for another request.
            StillRunning: the first request with the key is at work.
        """
        key = Headers(scope=scope).get("idempotency-key") if scope["type"] == "http" else None
        repeatable = scope["type"] == "http" and "caller" in scope["state"] and not scope["state"].get("streamed")
        if key is None or scope["method"] != "POST" or not repeatable:
            await self._app(scope, receive, send)
            return
        if not SANE_KEY.fullmatch(key):
            raise Invalid.field("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
        claim = await run_in_threadpool(self._claim, _owner(scope["state"]["caller"]), key, request_hash(scope))
        if claim.answer is None:
            answer = await self._work(claim, scope, receive)
            headers = dict(answer.headers)
        else:
            answer = claim.answer
            headers = {**answer.headers, "Idempotent-Replayed": "true"}
        await Response(answer.body, answer.status, headers)(scope, receive, send)

    async def _work(self, claim: Claim, scope: Scope, receive: Receive) -> Answer:
        scope["state"]["claim"] = claim
        caught = _Caught()
        heart = asyncio.create_task(self._renew(claim))
        try:
            await self._app(scope, receive, caught)
        except Exception:
            await run_in_threadpool(self._release, claim)
            raise
        finally:
            heart.cancel()
        answer = caught.answer()
        # After a failure on our side, or where there was no room, nothing is settled: the same key may try again.
        unsettled = answer.status >= 500 or answer.status == TOO_MANY_REQUESTS
        await run_in_threadpool(self._release if unsettled else self._keep, claim, answer)
        return answer

    async def _renew(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_RENEWALS)
            with suppress(DataOpsError):  # while the database is away nobody else can take the key either
                await run_in_threadpool(self._touch, claim)

    def _touch(self, claim: Claim) -> None:
        with self._platform.catalogue() as session:
            IdempotencyKeys(session, self._platform.keyring).renew(claim.id)

    def _claim(self, actor: str, key: str, hashed: str) -> Claim:
        with self._platform.catalogue() as session:
            return IdempotencyKeys(session, self._platform.keyring).claim(actor, key, hashed)

    def _keep(self, claim: Claim, answer: Answer) -> None:
        with self._platform.catalogue() as session:
            IdempotencyKeys(session, self._platform.keyring).keep(claim.id, answer)

    def _release(self, claim: Claim, _answer: Answer | None = None) -> None:
        with self._platform.catalogue() as session:
            IdempotencyKeys(session, self._platform.keyring).release(claim.id)


def _owner(caller: Caller) -> str:
    """Whose key it is: a token that has another's name, since that one was revoked, is not given its answers."""
    return caller.token_id or caller.name


class _Caught:
    """Collects an answer instead of sending it."""

    def __init__(self) -> None:
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            found = Headers(scope=message)
            self._headers = {name: found[name] for name in KEPT_HEADERS if name in found}
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def answer(self) -> Answer:
        return Answer(self._status, self._headers, self._body)


def request_hash(scope: Scope) -> str:
    """What makes two requests the same: method, path, query and body, but for the boundary that a form is sent with."""
    boundary = boundary_of(Headers(scope=scope).get("content-type", ""))
    body = scope["state"]["body"]
    digest = hashlib.sha256()
    for part in (
        scope["method"].encode(),
        scope["path"].encode(),
        scope.get("query_string", b""),
        body.replace(boundary.encode(), b"") if boundary else body,
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
