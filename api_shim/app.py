"""The REST API: ``uvicorn api_shim.app:create_app --factory``. Making it needs no running service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from api_shim.answers import respond
from api_shim.auth import Authentication
from api_shim.dagster.launcher import Launcher
from api_shim.logs import configure_logs
from api_shim.middleware.body import BodyLimits
from api_shim.middleware.context import RequestContext
from api_shim.middleware.idempotency import Idempotency
from api_shim.pages import router as pages
from api_shim.routers import (
    alerts,
    audit,
    datamart_versions,
    datamarts,
    datasets,
    etl,
    events,
    executions,
    exports,
    health,
    imports,
    mappings,
    mounts,
    object_types,
    pipelines,
    previews,
    relationships,
    secrets,
    sources,
    suggestions,
    tokens,
    trigger_runs,
    triggers,
    watches,
)
from api_shim.shim import Shim
from dataops_defs.errors import DataOpsError
from dataops_defs.settings import Settings

DESCRIPTION = """
Data integration on Dagster: sources, datasets, object types, mappings, pipelines, datamarts.

Send a token with every request: `Authorization: Bearer <token>` or `X-API-Key: <token>`. Lists take `limit`, `offset`
and `sort` and tell the number of all rows in `X-Total-Count`. POSTs take an `Idempotency-Key`. Requests that run
something wait up to 25 seconds for it, then answer 202 with an address to ask; `Prefer: respond-async` does so at once.
"""
ROUTERS = (
    sources.router,
    datasets.router,
    object_types.router,
    mappings.router,
    suggestions.router,
    pipelines.router,
    executions.router,
    events.router,
    mounts.router,
    imports.router,
    watches.router,
    previews.router,
    datamart_versions.router,
    datamarts.router,
    exports.router,
    exports.links,
    relationships.router,
    trigger_runs.router,
    trigger_runs.hooks,
    triggers.router,
    etl.router,
    alerts.router,
    tokens.router,
    secrets.router,
    audit.router,
    health.public,
    health.router,
    pages,
)
# As they are: an app that includes routers builds each of their routes once more at its first request.
ROUTES = [route for router in ROUTERS for route in router.routes]


def create_app(settings: Settings | None = None, launcher: Launcher | None = None) -> FastAPI:
    """The app; settings are read from the environment, and runs are launched through Dagster, unless given."""
    shim = Shim(settings or Settings(), launcher)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        configure_logs()
        async with shim.running():
            yield

    app = FastAPI(
        title="DataOps on Dagster",
        version=health.VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=ROUTES,
    )
    app.state.shim = shim
    for error in (DataOpsError, HTTPException, RequestValidationError):
        app.add_exception_handler(error, _answer)
    # The last one added is the outermost.
    app.add_middleware(Idempotency, platform=shim.platform)
    app.add_middleware(
        BodyLimits,
        max_bytes=shim.settings.max_body_bytes,
        max_upload_bytes=shim.settings.max_upload_bytes,
        max_streamed_bytes=shim.settings.max_preview_bytes,
    )
    app.add_middleware(Authentication, tokens=shim.tokens, compat=shim.settings.auth_mode == "compat")
    app.add_middleware(RequestContext, platform=shim.platform)
    return app


async def _answer(request: Request, error: Exception) -> JSONResponse:
    return respond(request.scope, error)
