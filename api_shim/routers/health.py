"""Health and information: document 002, "Monitoring and Health"; also at the root. Source: DECISIONS 9, 13, 32."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from api_shim.answers import Family, meta, utc_now
from api_shim.dependencies import PROTECTED, ShimDep
from dataops_defs.flows.disk_space import Disk

VERSION = version("dataops-on-dagster")
public = APIRouter(tags=["health"])
router = APIRouter(tags=["health"], dependencies=PROTECTED)

HEALTHY = {
    "status": "healthy",
    "version": VERSION,
    "timestamp": "2025-01-26T10:00:00.000Z",
    "parts": {"database": "up", "dagster": "up", "daemon": "up", "disk": "up"},
    "disks": [
        {
            "holds": ["the state folder", "the database", "raw copies"],
            "state": "up",
            "total_bytes": 250_000_000_000,
            "free_bytes": 75_000_000_000,
            "free_percent": 30.0,
            "free_inodes_percent": 97.0,
            "message": None,
        }
    ],
}
META = {"timestamp": "2025-01-26T10:00:00.000Z", "request_id": "req_123"}
HEALTH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"data": HEALTHY, "meta": META, **HEALTHY}}}},
    503: {"description": "starting, or unhealthy: the database is gone"},
}


@public.get("/health", responses=HEALTH_RESPONSES)
@public.get("/api/v1/health", responses=HEALTH_RESPONSES)
async def health(request: Request, shim: ShimDep, response: Response) -> dict[str, Any]:
    """200 ``healthy`` or ``degraded`` with the parts that are not well; 503 ``starting`` or ``unhealthy``."""
    report = await shim.health.report()
    response.status_code = report.http_status
    printed = {
        "status": report.status,
        "version": VERSION,
        "timestamp": utc_now(),
        "parts": report.parts,
        "disks": [_printed(disk) for disk in report.disks],
    }
    return {"data": printed, "meta": meta(request.state.request_id), **printed}


def _printed(disk: Disk) -> dict[str, Any]:
    """Addresses of folders are not told: anybody may ask for the health."""
    return {
        "holds": disk.holds,
        "state": disk.room,
        "total_bytes": disk.space.bytes,
        "free_bytes": disk.space.free_bytes,
        "free_percent": round(disk.space.free_percent, 1),
        "free_inodes_percent": round(disk.space.free_inodes_percent, 1),
        "message": disk.message,
    }


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
