"""Who asks, and what they may do: tokens, roles, and the rule that every route asks for one. Source: DECISIONS 15."""

import time
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from api_shim import pages
from api_shim.answers import Family, family_of
from dataops_defs.catalogue.audit import ANONYMOUS as NOBODY
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.grants import Holder
from dataops_defs.catalogue.tokens import Role, Tokens, token_hash
from dataops_defs.errors import Forbidden, Unauthenticated
from dataops_defs.flows.platform import Platform

PUBLIC = pages.PUBLIC | {"/health", "/api/v1/health", "/openapi.json"}
SIGNED = "/api/v1/mvp/exports/{export_id}/download"
WEBHOOK = "/api/v1/mvp/triggers/webhook/{trigger_id}"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# The other requests that change nothing and reach only what has been saved: a viewer may make them too.
VIEWERS_MAY = (
    "POST /api/v1/dataops/datasets/preview",
    "POST /api/v1/dataops/mappings/preview",
    "POST /api/v1/dataops/mappings/suggest",
    "POST /api/v1/dataops/object-types/{object_type}/plan",
    "POST /api/v1/dataops/pipelines/validate",
    "POST /api/v1/mvp/preview/file",
    "POST /api/v1/mvp/preview/path",
)
SECONDS_KEPT = 5.0
MOST_KEPT = 10_000
NOTED_EVERY = timedelta(minutes=1)
LONGEST_TOKEN = 512


@dataclass(frozen=True)
class Caller:
    """Whose request it is; one that nobody is known for has no ``token_id``."""

    name: str
    role: Role
    token_id: str | None = None

    @property
    def holder(self) -> Holder:
        """Whose grants count."""
        return Holder(self.token_id, self.role)


ANONYMOUS = Caller(NOBODY, Role.EDITOR)


class KnownTokens:
    """Valid tokens, kept for a few seconds so that a request costs no query; a revocation forgets them at once."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._kept: dict[str, tuple[Caller, float]] = {}
        self._generation = 0

    def remembered(self, token: str) -> Caller | None:
        """The caller of a token that was looked up a moment ago."""
        caller, until = self._kept.get(token_hash(token), (None, 0.0))
        return caller if until > time.monotonic() else None

    def look_up(self, token: str) -> Caller | None:
        """The caller of a valid token, from the catalogue."""
        generation = self._generation
        with self._platform.catalogue() as session:
            row = Tokens(session).valid(token)
            if row is None:
                return None
            if row.last_used_at is None or row.last_used_at < now() - NOTED_EVERY:
                row.last_used_at = now()
            seconds = SECONDS_KEPT
            if row.expires_at is not None:
                seconds = min(seconds, (row.expires_at - now()).total_seconds())
            caller = Caller(row.name, Role.named(row.role), row.id)
        # A token revoked since the look-up began must not be kept.
        if generation == self._generation:
            self._keep(token, caller, seconds)
        return caller

    def forget(self) -> None:
        """Look every token up again."""
        self._generation += 1
        self._kept.clear()

    def _keep(self, token: str, caller: Caller, seconds: float) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[token_hash(token)] = (caller, time.monotonic() + seconds)


class Authentication:
    """Middleware: no request gets past it without a caller; changing things takes an editor, by default."""

    def __init__(self, app: ASGIApp, tokens: KnownTokens, compat: bool) -> None:
        self._app, self._tokens, self._compat = app, tokens, compat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the caller into the request's state, or refuse.

        Raises:
            Unauthenticated: no token, or one that does not count.
            Forbidden: a viewer wants to change something.
        """
        if scope["type"] != "http" or scope["path"] in PUBLIC or opened_by_signature(scope):
            await self._app(scope, receive, send)
            return
        caller = await self._caller(scope)
        scope["state"]["caller"] = caller
        if caller.role < Role.EDITOR and not viewers_may(scope["method"], scope["path"]):
            raise Forbidden("A viewer's token reads only; this request takes an editor's")
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        token = given_token(Headers(scope=scope))
        if token is None:
            if self._compat and family_of(scope["path"]) in (Family.TAURO, Family.ETL):
                return ANONYMOUS
            raise Unauthenticated("Send a token: 'Authorization: Bearer <token>' or 'X-API-Key: <token>'")
        found = self._tokens.remembered(token) or await run_in_threadpool(self._tokens.look_up, token)
        if found is None:
            raise Unauthenticated("The token does not count: it is unknown, revoked or expired")
        return found


_SIGNED, _WEBHOOK = (compile_path(each)[0] for each in (SIGNED, WEBHOOK))


def opened_by_signature(scope: Scope) -> bool:
    """Whether a signature takes the place of a token; the route checks it, whoever asks."""
    if scope["method"] == "POST" and _WEBHOOK.match(scope["path"]) is not None:
        return True
    signed = scope["method"] in ("GET", "HEAD") and _SIGNED.match(scope["path"]) is not None
    return signed and "signature" in QueryParams(scope["query_string"])


_VIEWERS_MAY = [(method, compile_path(path)[0]) for method, path in (each.split() for each in VIEWERS_MAY)]


def viewers_may(method: str, path: str) -> bool:
    """Whether a request only reads."""
    return method in READING or any(method == each and form.match(path) for each, form in _VIEWERS_MAY)


def given_token(headers: Headers) -> str | None:
    """The token that a request carries.

    Raises:
        Unauthenticated: it is far too long, or not announced as a bearer's.
    """
    authorization = headers.get("authorization")
    token = headers.get("x-api-key")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("The Authorization header must read 'Bearer <token>'")
    if token is not None and len(token) > LONGEST_TOKEN:
        raise Unauthenticated("The token does not count: it is far too long")
    return token.strip() if token else None


def caller_of(request: Request) -> Caller:
    """The caller that the middleware found."""
    caller: Caller = request.state.caller
    return caller


def admin_only(request: Request) -> None:
    """Dependency of routes that manage tokens, secrets and settings."""
    if caller_of(request).role < Role.ADMIN:
        raise Forbidden("This takes an admin's token")


# Only for the OpenAPI document: the middleware has done the work before a route is looked for.
bearer = HTTPBearer(auto_error=False, description="A token of this server")
api_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same token in a header of its own")
