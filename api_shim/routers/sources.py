"""Sources: document 004, "Data Source Management"."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from api_shim.bounded import bounded
from api_shim.checks import connection_in_order, merged
from api_shim.dependencies import PROTECTED, ChangeDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, SortedPage, count
from api_shim.schemas.base import camelled, refusals
from api_shim.schemas.sources import SourceChange, SourceCreate, SourceOut, SourceTest, TestResult
from api_shim.shim import Shim
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.naming import slug
from dataops_defs.domain.source import CONNECTIONS, SECRET_FIELDS, Source, source_type, split_secrets
from dataops_defs.errors import Invalid, SourceError
from dataops_defs.settings import Settings

router = APIRouter(prefix="/api/v1/dataops/sources", tags=["dataops: sources"], dependencies=PROTECTED)


class SourcePage(SortedPage):
    """Filters of the list."""

    app: str | None = None
    type: str | None = None


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_sources(
    page: Annotated[SourcePage, Query()], session: ReadingDep, shim: ShimDep, response: Response
) -> list[SourceOut]:
    """All sources, newest first."""
    rows, total = Sources(session, shim.platform.keyring).page(**page.arguments(app=page.app, type=page.type))
    count(response, total)
    return [SourceOut.of(row) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_source(body: SourceCreate, change: ChangeDep) -> SourceOut:
    """Add a source. Its secrets are sealed and never shown again."""
    kind = source_type(body.type)
    connection = merged({}, camelled(body.connection))
    connection_in_order(change.shim.settings, kind, connection)
    row = SourceRow(
        id=new_id(), name=body.name, type=str(kind), app=body.app, description=body.description, owner=body.owner
    )
    sources = Sources(change.session, change.shim.platform.keyring)
    sources.connect_with(row, connection)
    sources.add(row)
    change.define("source.create", row)
    return SourceOut.of(row)


@router.post("/test", responses=refusals())
async def test_unsaved_source(body: SourceTest, shim: ShimDep) -> TestResult:
    """Test a source before it is saved; what the source says is in the message, not in the status."""
    kind = source_type(body.type)
    connection = merged({}, camelled(body.connection))
    connection_in_order(shim.settings, kind, connection)
    shown, hidden = split_secrets(connection)
    name = body.name or "unsaved"
    return await _test(shim, Source(new_id(), name, slug(name), kind, body.app or "default", shown, hidden))


@router.get("/{source_id}", responses=refusals(404), response_model_exclude_none=True)
def get_source(source_id: str, session: ReadingDep, shim: ShimDep) -> SourceOut:
    """One source."""
    return SourceOut.of(Sources(session, shim.platform.keyring).get(source_id))


@router.patch("/{source_id}", responses=refusals(404, 409), response_model_exclude_none=True)
def change_source(source_id: str, body: SourceChange, change: ChangeDep) -> SourceOut:
    """Change a source: what is left out stays, a secret that is left out too."""
    sources = Sources(change.session, change.shim.platform.keyring)
    row = sources.get(source_id, lock=True)
    given = body.given()
    for name in ("name", "connection"):
        if name in given and given[name] is None:
            raise Invalid.field(name, "must not be null")
    if "name" in given:
        sources.rename(row, given["name"])
    if "connection" in given:
        _reconnect(change.shim.settings, sources, row, camelled(given["connection"]))
    for name in ("description", "owner"):
        if name in given:
            setattr(row, name, given[name])
    change.define("source.update", row, {"fields": sorted(given)})
    return SourceOut.of(row)


@router.delete("/{source_id}", status_code=204, responses=refusals(404, 409))
def delete_source(source_id: str, change: ChangeDep) -> None:
    """Delete a source that nothing is built on."""
    sources = Sources(change.session, change.shim.platform.keyring)
    row = sources.get(source_id, lock=True)
    sources.remove(row)
    change.define("source.delete", row)


@router.post("/{source_id}/test", responses=refusals(404))
async def test_source(source_id: str, shim: ShimDep) -> TestResult:
    """Test a saved source; its status and ``lastTested`` follow."""
    source = await run_in_threadpool(_opened, shim, source_id)
    result = await _test(shim, source)
    await run_in_threadpool(_note, shim, source_id, result)
    return result


def _reconnect(settings: Settings, sources: Sources, row: SourceRow, given: Mapping[str, Any]) -> None:
    kept = sources.secrets(row)
    connection = merged({**row.connection, **kept}, given)
    connection_in_order(settings, source_type(row.type), connection)
    places = CONNECTIONS[source_type(row.type)].names("place")
    moved = [name for name in places if connection.get(name) != row.connection.get(name)]
    # Whoever may change where it is sent must not learn the password by having it sent elsewhere.
    for name in sorted(SECRET_FIELDS & set(kept)):
        if moved and name not in given:
            raise Invalid.field(f"connection.{name}", f"must be given again when {moved[0]} changes")
    sources.connect_with(row, connection)


def _opened(shim: Shim, source_id: str) -> Source:
    with shim.platform.catalogue() as session:
        sources = Sources(session, shim.platform.keyring)
        return sources.opened(sources.get(source_id))


async def _test(shim: Shim, source: Source) -> TestResult:
    began = time.perf_counter()
    try:
        success, message = True, await bounded(lambda: shim.platform.open(source).test())
    except (SourceError, Invalid) as error:
        success, message = False, str(error)
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    return TestResult(success=success, message=message, latency_ms=milliseconds, tested_at=now())


def _note(shim: Shim, source_id: str, result: TestResult) -> None:
    with shim.platform.catalogue() as session:
        row = Sources(session, shim.platform.keyring).get(source_id, lock=True)
        row.status = "active" if result.success else "error"
        row.last_tested_at, row.last_error = result.tested_at, None if result.success else result.message
