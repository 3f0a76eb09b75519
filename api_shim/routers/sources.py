"""Sources: document 004, "Data Source Management"."""

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from api_shim.bounded import bounded
from api_shim.changes import refuse_nulls
from api_shim.connections import checked, laid_over, rechecked
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, ActorDep, CallerDep, Change, ChangeDep, ReadingDep, ShimDep
from api_shim.grants import check_use, sources_for
from api_shim.paging import LISTED, SortedPage, count
from api_shim.routers import grants
from api_shim.schemas.base import camelled, refusals
from api_shim.schemas.sources import SourceChange, SourceCreate, SourceOut, SourceTest, TestResult
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.domain.naming import slug
from dataops_defs.domain.source import Source, source_type, split_secrets
from dataops_defs.errors import Invalid, SourceError

router = APIRouter(prefix="/api/v1/dataops/sources", tags=["dataops: sources"], dependencies=PROTECTED)
router.include_router(grants.router)


class SourcePage(SortedPage):
    """Filters of the list."""

    app: str | None = None
    type: str | None = None


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_sources(
    page: Annotated[SourcePage, Query()], session: ReadingDep, shim: ShimDep, caller: CallerDep, response: Response
) -> list[SourceOut]:
    """All sources that the caller may see, newest first."""
    rows, total = sources_for(session, shim, caller).page(**page.arguments(app=page.app, type=page.type))
    count(response, total)
    return [SourceOut.of(row) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_source(body: SourceCreate, change: ChangeDep) -> SourceOut:
    """Add a source. Its secrets are sealed and never shown again; ``secret:NAME`` refers to one that an admin keeps."""
    kind = source_type(body.type)
    settings = laid_over(kind, {}, camelled(body.connection))
    connection = checked(change.shim, change.session, change.caller, kind, settings)
    row = SourceRow(
        id=new_id(),
        name=body.name,
        type=str(kind),
        app=body.app,
        description=body.description,
        owner=body.owner,
        creator_id=change.caller.token_id,
    )
    sources = sources_for(change.session, change.shim, change.caller)
    sources.connect_with(row, connection.kept, connection.approved)
    sources.add(row)
    change.define("source.create", row)
    return SourceOut.of(row)


@router.post("/test", responses=refusals())
async def test_unsaved_source(body: SourceTest, shim: ShimDep, caller: CallerDep, actor: ActorDep) -> TestResult:
    """Test a source before it is saved; what the source says is in the message, not in the status."""
    kind = source_type(body.type)

    def source() -> Source:
        with shim.platform.catalogue() as session:
            connection = checked(shim, session, caller, kind, laid_over(kind, {}, camelled(body.connection)))
        shown, hidden = split_secrets(connection.opened)
        name = body.name or "unsaved"
        return Source(new_id(), name, slug(name), kind, body.app or "default", shown, hidden)

    opened = await run_in_threadpool(source)
    result = await _test(shim, lambda: opened)
    detail = {"name": opened.name, "type": str(kind), "connection": opened.connection}
    await run_in_threadpool(_note, shim, actor, None, result, detail)
    return result


@router.get("/{source_id}", responses=refusals(404), response_model_exclude_none=True)
def get_source(source_id: str, session: ReadingDep, shim: ShimDep, caller: CallerDep) -> SourceOut:
    """One source."""
    return SourceOut.of(sources_for(session, shim, caller).get(source_id))


@router.patch("/{source_id}", responses=refusals(404, 409), response_model_exclude_none=True)
def change_source(source_id: str, body: SourceChange, change: ChangeDep) -> SourceOut:
    """Change a source: what is left out stays, a secret that is left out too."""
    row, given = _to_change(change, source_id), body.given()
    refuse_nulls(given, ("name", "connection"))
    sources = sources_for(change.session, change.shim, change.caller)
    if "name" in given:
        sources.rename(row, given["name"])
    if "connection" in given:
        kept, settings = sources.secrets(row), camelled(given["connection"])
        new = rechecked(change.shim, change.session, change.caller, row, kept, settings)
        sources.connect_with(row, new.kept, new.approved)
    for name in ("description", "owner"):
        if name in given:
            setattr(row, name, given[name])
    change.define("source.update", row, {"fields": sorted(given)})
    return SourceOut.of(row)


@router.delete("/{source_id}", status_code=204, responses=refusals(404, 409))
def delete_source(source_id: str, change: ChangeDep, deletion: DeletionDep) -> None:
    """Delete a source that nothing is built on."""
    deletion.of(_to_change(change, source_id))


@router.post("/{source_id}/test", responses=refusals(404))
async def test_source(source_id: str, shim: ShimDep, caller: CallerDep, actor: ActorDep) -> TestResult:
    """Test a saved source; its status and ``lastTested`` follow."""

    def opened() -> Source:
        with shim.platform.catalogue() as session:
            sources = sources_for(session, shim, caller)
            return sources.opened(sources.get(source_id))

    result = await _test(shim, opened)
    await run_in_threadpool(_note, shim, actor, source_id, result, {})
    return result


def _to_change(change: Change, source_id: str) -> SourceRow:
    row = sources_for(change.session, change.shim, change.caller).get(source_id, lock=True)
    check_use(change.session, change.caller, row.id)
    return row


async def _test(shim: Shim, opened: Callable[[], Source]) -> TestResult:
    began = time.perf_counter()
    try:
        source = await run_in_threadpool(opened)
        success, message = True, await bounded(lambda: shim.platform.open(source).test())
    except (SourceError, Invalid) as error:
        success, message = False, str(error)
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    return TestResult(success=success, message=message, latency_ms=milliseconds, tested_at=now())


def _note(shim: Shim, actor: Actor, source_id: str | None, result: TestResult, detail: Mapping[str, Any]) -> None:
    with shim.platform.catalogue() as session:
        row = session.get(SourceRow, as_uuid(source_id), with_for_update=True) if source_id else None
        if row is not None:
            row.status = "active" if result.success else "error"
            row.last_tested_at, row.last_error = result.tested_at, None if result.success else result.message
            detail = {"name": row.name}
        audit(session, actor, "source.test", source_id, "done" if result.success else "failed", detail)
