"""How refusals are worded: meaning in the error's class, status in one table, the body in each document family's form.

Source: DECISIONS, the table at its top, and points 3, 6 and 7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import Scope

from api_shim.problems import problems_of
from dataops_defs.errors import (
    Conflict,
    DataOpsError,
    DependencyUnavailable,
    Duplicate,
    FieldProblem,
    Forbidden,
    InsufficientStorage,
    Invalid,
    LedgerImbalance,
    NotFound,
    QueueFull,
    RunPaused,
    RunStopped,
    RunTimedOut,
    SchemaChanged,
    SourceError,
    TargetNotAllowed,
    TooLarge,
    Unauthenticated,
)


class Family(StrEnum):
    """One requirement document's API."""

    MVP = "mvp"
    PROVIDERS = "providers"
    TAURO = "tauro"
    ETL = "etl"
    DATAOPS = "dataops"


PREFIXES = (
    ("/api/v1/mvp", Family.MVP),
    ("/api/v1/dataops", Family.DATAOPS),
    ("/api/v1/pipelines", Family.ETL),
    ("/api/v1", Family.TAURO),
    ("/api/providers", Family.PROVIDERS),
    ("/api/runs", Family.PROVIDERS),
)

STATUS: dict[type[DataOpsError], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    SourceError: 422,
    SchemaChanged: 409,
    InsufficientStorage: 507,
    DependencyUnavailable: 503,
    LedgerImbalance: 502,
    RunStopped: 409,
    RunPaused: 409,
    RunTimedOut: 504,
    QueueFull: 429,
    DataOpsError: 500,
}
FAMILY_STATUS: dict[Family, dict[type[DataOpsError], int]] = {Family.ETL: {Duplicate: 400, TargetNotAllowed: 400}}
HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RETRY_AFTER = "5"
OURS = "Something went wrong on our side; the log names this request by its id"


@dataclass(frozen=True)
class Refusal:
    """A refused request, before it is worded for a family."""

    status: int
    code: str
    message: str
    problems: Sequence[FieldProblem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


class Refused(DataOpsError):
    """A refusal whose status, code and further fields are decided where it is raised."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def family_of(path: str) -> Family:
    """The family whose wording a path takes; paths outside all of them take that of ``dataops``."""
    found = (family for prefix, family in PREFIXES if path == prefix or path.startswith(f"{prefix}/"))
    return next(found, Family.DATAOPS)


def status_of(kind: type[DataOpsError], family: Family) -> int:
    """The HTTP status of an error class, or of the nearest class above it that has one."""
    table = {**STATUS, **FAMILY_STATUS.get(family, {})}
    return next(table[each] for each in kind.__mro__ if each in table)


def refusal_of(error: Exception, family: Family, scope: Scope | None = None) -> Refusal:
    """What to answer to an error; of unknown ones nothing but their existence is told.

    Args:
        scope: of the request, which tells the fields and methods that there are.
    """
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, RequestValidationError):
        return _malformed(error, family, scope)
    if isinstance(error, HTTPException):
        return _http(error, scope)
    if not isinstance(error, DataOpsError):
        return Refusal(500, DataOpsError.code, OURS)
    headers = {"Retry-After": RETRY_AFTER} if error.retryable else {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    problems: Sequence[FieldProblem] = error.fields if isinstance(error, Invalid) else ()
    return Refusal(status_of(type(error), family), error.code, str(error), problems, headers)


def _http(error: HTTPException, scope: Scope | None) -> Refusal:
    words = {404: "There is no such address", 405: "This address does not take that method"}
    message, headers = words.get(error.status_code, "The request cannot be read"), dict(error.headers or {})
    if error.status_code == 405 and scope is not None and (taken := _methods(scope)):
        message, headers["Allow"] = f"{message}, but {' and '.join(taken)}", ", ".join(taken)
    code = HTTP_CODES.get(error.status_code, "BAD_REQUEST")
    problems = [FieldProblem("body", message)] if error.status_code == 422 else []
    return Refusal(error.status_code, code, message, problems, headers)


def _methods(scope: Scope) -> list[str]:
    """The methods that an address takes, whichever of its routes takes them."""
    routes = scope["app"].routes
    asked = {name: {**scope, "method": name} for name in METHODS}
    return [name for name, each in asked.items() if any(route.matches(each)[0] is Match.FULL for route in routes)]


def _malformed(error: RequestValidationError, family: Family, scope: Scope | None) -> Refusal:
    found, problems = error.errors(), problems_of(error, scope)
    if family is Family.PROVIDERS and found and all(each["type"] == "missing" for each in found):
        return Refusal(400, Invalid.code, "Missing required fields", problems)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return Refusal(422, Invalid.code, f"{problems[0].field}: {problems[0].message}{more}", problems)


def utc_now() -> str:
    """The moment as the families print it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def meta(request_id: str) -> dict[str, str]:
    """The ``meta`` of the envelope of document 002."""
    return {"request_id": request_id, "timestamp": utc_now()}


def body_of(refusal: Refusal, family: Family, request_id: str) -> dict[str, Any]:
    """The refusal in the words of one family."""
    problems = [{"field": each.field, "message": each.message} for each in refusal.problems]
    if refusal.status == 422 and not problems:
        problems = [{"field": "request", "message": refusal.message}]
    if family is Family.TAURO:
        error = {"code": refusal.code, "message": refusal.message, "details": problems}
        return {"error": error, "meta": meta(request_id), **refusal.extra}
    if family is Family.PROVIDERS:
        return {"error": refusal.message, "code": refusal.code, **refusal.extra}
    body: dict[str, Any] = {"detail": refusal.message}
    if family is not Family.ETL:
        body["code"] = refusal.code
    if refusal.status == 422:
        body["errors"] = problems
    return {**body, **refusal.extra}


def respond(scope: Scope, error: Exception) -> JSONResponse:
    """The response to an error, worded for the path that was asked for."""
    family = family_of(scope["path"])
    refusal = refusal_of(error, family, scope)
    state = scope.setdefault("state", {})
    state["refusal"] = refusal
    content = body_of(refusal, family, state.get("request_id", ""))
    return JSONResponse(content, refusal.status, dict(refusal.headers))
