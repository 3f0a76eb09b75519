"""Mounts: document 000, "Mount Network Drive"."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from api_shim.bounded import bounded
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, ActorDep, CallerDep, ChangeDep, ReadingDep, ShimDep
from api_shim.mounting import kept, looked_at, wanted_of
from api_shim.schemas.base import refusals
from api_shim.schemas.mounts import MountList, MountOut, MountRequest, MountShown, Unmounted
from dataops_defs.catalogue.base import now

router = APIRouter(prefix="/api/v1/mvp/storage", tags=["mvp: storage"], dependencies=PROTECTED)
SECONDS = 30.0


@router.post("/mount", responses=refusals(409, 503))
async def mount(body: MountRequest, shim: ShimDep, caller: CallerDep, actor: ActorDep) -> MountOut:
    """Read files of another place below a path of this server's own, once that place has answered.

    Needs no rights on the machine: nothing is mounted in the system. A folder that the system has mounted there is
    used as it is; NFS takes that. A path that is mounted already from the same place takes new credentials.
    """
    wanted = await bounded(lambda: wanted_of(shim, body), SECONDS)
    look = await bounded(lambda: looked_at(shim, caller, wanted), SECONDS)
    async with shim.changes:
        row = await run_in_threadpool(kept, shim, caller, actor, wanted, look)
    return MountOut.of(row)


@router.get("/mounts", responses=refusals())
def list_mounts(session: ReadingDep, shim: ShimDep) -> MountList:
    """All mounts, and whether each of them answered when it was last looked at."""
    rows = shim.platform.mounts(session).all()
    return MountList(mounts=[MountShown.of(row) for row in rows], total=len(rows))


@router.delete("/mounts/{mount_id}", responses=refusals(404, 409))
def unmount(mount_id: str, change: ChangeDep, deletion: DeletionDep) -> Unmounted:
    """Take a mount away that nothing reads from, or with what does (`cascade`); its files stay where they lie."""
    row = change.shim.platform.mounts(change.session).get(mount_id, lock=True)
    gone = Unmounted.of(row, now())
    gone.deleted = deletion.of(row)
    return gone
