"""Who may see and use a source. Source: CHECKLIST D010; DECISIONS 15 gives the roles beneath."""

from fastapi import APIRouter

from api_shim.dependencies import CallerDep, ChangeDep, ReadingDep, ShimDep
from api_shim.grants import sources_for
from api_shim.schemas.access import GrantsIn, GrantsOut
from api_shim.schemas.base import refusals
from dataops_defs.catalogue.grants import Grants
from dataops_defs.errors import Forbidden

router = APIRouter(prefix="/{source_id}/grants")


@router.get("", responses=refusals(404))
def get_grants(source_id: str, session: ReadingDep, shim: ShimDep, caller: CallerDep) -> GrantsOut:
    """The grants of a source, for whoever may see it."""
    row = sources_for(session, shim, caller).get(source_id)
    return GrantsOut.of(row, Grants(session).of(row))


@router.put("", responses=refusals(404, 409))
def put_grants(source_id: str, body: GrantsIn, change: ChangeDep) -> GrantsOut:
    """Replace the grants of a source; for admins, and the token that made it, who may use it whatever they say.

    Whoever has no grant does not see the source: not in lists, not by its id. None at all: everybody may do with it
    what their role lets them.
    """
    row = sources_for(change.session, change.shim, change.caller).get(source_id, lock=True)
    grants = Grants(change.session)
    if not grants.may_manage(change.caller.holder, row):
        raise Forbidden("Only an admin, or the token that made the source, may set its grants")
    before = GrantsOut.of(row, grants.of(row))
    grants.put(row, [each.grant() for each in body.grants])
    after = GrantsOut.of(row, grants.of(row))
    change.note("source.grants", row.id, {"name": row.name, "before": before.grants, "after": after.grants})
    return after
