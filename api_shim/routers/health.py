"""Health and information: document 002, "Monitoring and Health"; also at the root. Source: DECISIONS 9, 13, 32."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from api_shim.answers import Family, meta, utc_now
from api_shim.dependencies import PROTECTED, ShimDep

VERSION = version("dataops-on-dagster")
public = APIRouter(tags=["health"])
router = APIRouter(tags=["health"], dependencies=PROTECTED)

HEALTHY = {
    "status": "healthy",
    "version": VERSION,
    "timestamp": "2025-01-26T10:00:00.000Z",
    "parts": {"database": "up", "dagster": "up", "daemon": "up"},
}
META = {"timestamp": "2025-01-26T10:00:00.000Z", "request_id": "req_123"}
HEALTH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"data": HEALTHY, "meta": META, **HEALTHY}}}},
    503: {"description": "starting, or unhealthy: the database is gone"},
}


@public.get("/health", responses=HEALTH_RESPONSES)
@public.get("/api/v1/health", responses=HEALTH_RESPONSES)
async def health(request: Request, shim: ShimDep, response: Response) -> dict[str, Any]:
    """200 ``healthy`` or ``degraded`` with the parts that are down; 503 ``starting`` or ``unhealthy``."""
    report = await shim.health.report()
    response.status_code = report.http_status
    printed = {"status": report.status, "version": VERSION, "timestamp": utc_now(), "parts": report.parts}
    return {"data": printed, "meta": meta(request.state.request_id), **printed}


@router.get("/info")
@router.get("/api/v1/info")
def info(request: Request, shim: ShimDep) -> dict[str, Any]:
    """What this server is: version, families, limits."""
    settings = shim.settings
    data = {
        "name": "DataOps on Dagster",
        "version": VERSION,
        "families": [str(family) for family in Family],
        "documentation": "/docs",
        "authentication": settings.auth_mode,
        "limits": {
            "max_body_bytes": settings.max_body_bytes,
            "wait_seconds": settings.wait_seconds,
            "max_runtime_seconds": settings.max_runtime_seconds,
            "max_page": 500,
        },
    }
    return {"data": data, "meta": meta(request.state.request_id)}
