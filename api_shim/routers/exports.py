"""Excel exports: document 000, "Excel Export Service" and "Export Datamart to Excel"."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family, Refusal, Refused
from api_shim.dependencies import PROTECTED, ActorDep, ChangeDep, ReadingDep, ShimDep, known_parameters_only
from api_shim.export_requests import add_export, datamart_wanted, query_wanted, refuse_locked, report_wanted
from api_shim.runs import Execution, Order, Work, WorkDep, succeeded
from api_shim.schemas.base import Failure, refusals
from api_shim.schemas.exports import (
    ExportDatamart,
    ExportOut,
    ExportPending,
    ExportQuery,
    ExportReport,
    ExportRevoked,
)
from api_shim.shim import Shim
from dataops_defs.adapters.storage.exports import ExportStore
from dataops_defs.catalogue.audit import ANONYMOUS, Actor, audit
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.exports import PREFIX, Exports, expired, is_signed, link_ends, link_signature, public_id
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.export import Wanted
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind
from dataops_defs.errors import Conflict, FieldProblem, Forbidden

router = APIRouter(prefix="/api/v1/mvp", tags=["mvp: exports"], dependencies=PROTECTED)
links = APIRouter(prefix="/api/v1/mvp", tags=["mvp: exports"], dependencies=[Depends(known_parameters_only)])
FILE_GONE = "The workbook is gone: ask for the export anew"
# How the work names the place of the request that it cannot carry out.
_FIELD = re.compile(r"(data_source\.query|sections\.\d+\.(?:query|data_source)): (.*)", re.DOTALL)
_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})|-\d{1,18}")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
GONE: dict[int | str, dict[str, Any]] = {
    410: {"model": Failure, "description": "The link, or the export, has ended or was revoked"}
}
MAKING: dict[int | str, dict[str, Any]] = {
    **refusals(409, 429, 502, 503, 507),
    202: {"model": ExportPending, "description": "It goes on"},
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}, "description": "The workbook"}
}


@router.post("/export/excel", response_model=ExportOut, responses=MAKING)
async def export_query(body: ExportQuery, work: WorkDep, shim: ShimDep, actor: ActorDep) -> JSONResponse:
    """Rows of a query on the warehouse as a workbook. Waits for it, 25 seconds at most."""
    return await _make(work, shim, actor, lambda _session: query_wanted(shim.settings, body))


@router.post("/export/excel/report", response_model=ExportOut, responses=MAKING)
async def export_report(body: ExportReport, work: WorkDep, shim: ShimDep, actor: ActorDep) -> JSONResponse:
    """A report of several sections, each on a sheet of its own. Waits for it, 25 seconds at most."""
    return await _make(work, shim, actor, lambda session: report_wanted(session, shim, body))


@router.post("/export/excel/datamart/{name}", response_model=ExportOut, responses={**MAKING, **refusals(404)})
async def export_datamart(
    name: str, work: WorkDep, shim: ShimDep, actor: ActorDep, body: ExportDatamart | None = None
) -> JSONResponse:
    """Rows of a datamart as a workbook. Waits for it, 25 seconds at most."""
    asked = body or ExportDatamart()
    return await _make(work, shim, actor, lambda session: datamart_wanted(session, shim, name, asked))


@router.get("/exports/{export_id}", response_model=ExportOut | ExportPending, responses=refusals(404))
def get_export(export_id: str, session: ReadingDep, shim: ShimDep) -> BaseModel:
    """An export and its link, or how far it is."""
    return _shown(session, shim, Exports(session).get(export_id))


@router.delete("/exports/{export_id}", responses=refusals(404))
def revoke_export(export_id: str, change: ChangeDep) -> ExportRevoked:
    """Revoke an export: its link is dead at once, its file is removed, and a run that still makes it is cancelled."""
    row = Exports(change.session).get(export_id, lock=True)
    if row.revoked_at is None:
        row.revoked_at = now()
        run = Runs(change.session).get(row.run_id) if row.run_id else None
        if run is not None and not run.state.ended:
            RunControl(change.session).cancel(run.id)
        change.note("export.revoke", row.id, {"name": row.file_name})
    if row.place:
        ExportStore(change.shim.settings.exports_path).delete(row.place)
    return ExportRevoked.of(row, now())


@links.head("/exports/{export_id}/download", response_class=FileResponse, include_in_schema=False)
@links.get(
    "/exports/{export_id}/download", response_class=FileResponse, responses={**refusals(404, 409), **GONE, **FILE}
)
def download_export(
    export_id: str,
    request: Request,
    shim: ShimDep,
    expires: Annotated[str | None, Query(max_length=20, description="From the link, in seconds since 1970")] = None,
    signature: Annotated[str | None, Query(max_length=200, description="From the link, in place of a token")] = None,
) -> FileResponse:
    """The workbook: by its link, without a token, or with a token."""
    if signature is not None:
        _check_link(shim, export_id, expires, signature)
    caller = getattr(request.state, "caller", None)
    who = "link" if signature is not None else caller.name if caller else ANONYMOUS
    with shim.platform.catalogue() as session:
        row = Exports(session).get(export_id)
        place = _place(session, shim, row)
        if request.method == "GET":
            actor = Actor(who, request.state.request_id)
            audit(session, actor, "export.download", row.id, detail={"name": row.file_name})
    _pass_over_odd_ranges(request)
    return FileResponse(
        ExportStore(shim.settings.exports_path).path(place),
        media_type=XLSX,
        headers={"Content-Disposition": content_disposition(row.file_name)},
    )


def _pass_over_odd_ranges(request: Request) -> None:
    """A Range that asks for none is answered with the whole file. Source: RFC 9110, sections 14.1.1 and 14.2."""
    units, _, ranges = request.headers.get("range", "").partition("=")
    found = [_RANGE.fullmatch(each.strip()) for each in ranges.split(",") if each.strip()]
    sound = found and all(each and int(each[2] or each[1] or 0) >= int(each[1] or 0) for each in found)
    if not sound or units.strip().lower() != "bytes":
        headers = request.scope["headers"]
        request.scope["headers"] = [(name, value) for name, value in headers if name.lower() != b"range"]


async def _make(work: Work, shim: Shim, actor: Actor, asked: Callable[[Session], tuple[Wanted, str]]) -> JSONResponse:
    """Have a workbook made; the answer speaks of the row as it stands afterwards."""
    made: list[str] = []

    def order(session: Session) -> Order:
        wanted = asked(session)
        refuse_locked(shim, wanted[0])
        row = add_export(session, shim.settings, wanted, actor.name)
        detail = {"fileName": row.file_name}

        def note(run: Any) -> None:
            row.run_id = run.id

        return Order(RunKind.EXPORT, row.id, row.file_name, "export.create", detail, noted=note)

    def finished(execution: Execution) -> BaseModel:
        with _placed():
            made.append(succeeded(execution, Family.MVP).run.subject_id or "")
        return _pending(execution.run.subject_id or "", execution.run.subject_name or "", "completed")

    def unfinished(execution: Execution) -> BaseModel:
        run = execution.run
        return _pending(run.subject_id or "", run.subject_name or "", DATAOPS_WORDS[run.state])

    reply = await work.carry_out(order, finished, unfinished)
    if not made:
        return reply
    shown = await run_in_threadpool(_finished, shim, made[0])
    return JSONResponse(shown.model_dump(mode="json", exclude_none=True))


@contextmanager
def _placed() -> Iterator[None]:
    """A refusal by the work names the field of the request in which the reason lies."""
    try:
        yield
    except Refused as error:
        found = _FIELD.match(error.refusal.message)
        if found is None:
            raise
        raise Refused(replace(error.refusal, problems=[FieldProblem(found[1], found[2])])) from None


def _finished(shim: Shim, id: str) -> ExportOut:
    with shim.platform.catalogue() as session:
        row = Exports(session).get(id)
    return ExportOut.of(row, _link(shim, row))


def _shown(session: Session, shim: Shim, row: ExportRow) -> BaseModel:
    run = Runs(session).get(row.run_id) if row.run_id else None
    if row.revoked_at is not None:
        return _pending(row.id, row.file_name, "revoked")
    if expired(row, now()):
        return _pending(row.id, row.file_name, "expired")
    if run is not None and run.state.ended and row.place:
        if not ExportStore(shim.settings.exports_path).holds(row.place):
            return _pending(row.id, row.file_name, "gone", FILE_GONE)
        return ExportOut.of(row, _link(shim, row))
    state = DATAOPS_WORDS[run.state] if run is not None else "running"
    return _pending(row.id, row.file_name, state, run.error if run is not None else None)


def _pending(id: str, name: str, status: str, error: str | None = None) -> ExportPending:
    url = f"{router.prefix}/exports/{public_id(id)}"
    return ExportPending(export_id=public_id(id), file_name=name, status=status, status_url=url, error=error)


def _link(shim: Shim, row: ExportRow) -> str:
    base = (shim.settings.public_url or shim.settings.api_url).rstrip("/")
    expires = link_ends(row)
    signature = link_signature(shim.platform.keyring, row.id, expires)
    path = f"{router.prefix}/exports/{public_id(row.id)}/download"
    return f"{base}{path}?expires={expires}&signature={signature}"


def _check_link(shim: Shim, export_id: str, expires: str | None, signature: str) -> None:
    """Refuse a link that is not ours before anything is looked up: it tells nobody which exports there are."""
    id, given = as_uuid(export_id.removeprefix(PREFIX)), expires or ""
    ends = int(given) if given.isascii() and given.isdecimal() else None
    if id is None or ends is None or not is_signed(shim.platform.keyring, id, ends, signature):
        raise Forbidden("The link is not one of ours, or was changed: ask for a new one")
    if ends <= time.time():
        raise _gone("The link has ended: ask for the export anew")


def _place(session: Session, shim: Shim, row: ExportRow) -> str:
    """Where the file of an export lies that may be fetched."""
    if row.revoked_at is not None:
        raise _gone("The export was revoked")
    if expired(row, now()):
        raise _gone("The export has ended: ask for it anew")
    if row.place is None:
        shown = _shown(session, shim, row)
        raise Conflict(f"There is no workbook to fetch: the export is {getattr(shown, 'status', 'running')}")
    if not ExportStore(shim.settings.exports_path).holds(row.place):
        raise _gone(FILE_GONE)
    return row.place


def _gone(message: str) -> Refused:
    return Refused(Refusal(410, "GONE", message))


def content_disposition(name: str) -> str:
    """The header that names a download, whatever its letters. Sources: RFC 6266, section 4; RFC 8187."""
    plain = "".join(each if each.isascii() and (each.isalnum() or each in " ._-()") else "_" for each in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
