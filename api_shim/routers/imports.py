"""Imports of files: document 000, "Auto-Import File"; their rejects are listed, mended and replayed."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api_shim.answers import Family, Refused
from api_shim.bounded import bounded
from api_shim.dependencies import PROTECTED, ActorDep, CallerDep, ReadingDep, ShimDep
from api_shim.grants import check_file_use, unusable
from api_shim.rejects import RejectPage, rejected_rows
from api_shim.repairs import corrections_of, wishes_of
from api_shim.runs import Execution, Order, WorkDep, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.imports import (
    PREFIX,
    ImportList,
    ImportListed,
    ImportOut,
    ImportPending,
    ImportReject,
    ImportRejects,
    ImportReplay,
    ImportReplaying,
    ImportRequest,
)
from api_shim.schemas.rejects import replay_schema
from api_shim.shim import Shim
from dataops_defs.adapters.importing.content import checked_format
from dataops_defs.adapters.sources.csv.dialect import check_delimiter, named_encoding
from dataops_defs.adapters.warehouse.corrections import keep_corrections
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.unfinished_imports import settle
from dataops_defs.domain.extraction import FileFormat
from dataops_defs.domain.importing import ImportState, ImportTarget, public_import_id, target_of
from dataops_defs.domain.rejects import RejectState
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.sql_types import sql_types
from dataops_defs.errors import FieldProblem, Invalid
from dataops_defs.flows.places import identity, open_place
from dataops_defs.flows.replay_import import CHOSEN

WITH_HEADER = (FileFormat.CSV, FileFormat.EXCEL)
NO_HEADER = "is for CSV files and workbooks (.csv, .tsv, .txt, .xlsx)"

router = APIRouter(prefix=PREFIX, tags=["mvp: storage"], dependencies=PROTECTED)


class ImportRejectPage(BaseModel):
    """Which rejects are wanted; open ones come first."""

    model_config = {"extra": "forbid"}
    state: RejectState | None = None
    limit: int = Field(default=50, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=10_000_000)


@router.post(
    "/import",
    response_model=ImportOut,
    responses={**refusals(404, 409, 429, 502, 503, 507), 202: {"model": ImportPending, "description": "It goes on"}},
)
async def import_file(
    body: ImportRequest, work: WorkDep, shim: ShimDep, actor: ActorDep, caller: CallerDep
) -> JSONResponse:
    """Import a file, in types that are proven over all of it. Waits for the end, 25 seconds at most.

    A table that an earlier import of the same file made becomes the new version; the same content again changes
    nothing. What something else has made is refused (409).
    """
    target = await bounded(lambda: _checked(shim, body))

    def order(session: Session) -> Order:
        check_file_use(session, shim, caller, body.file_path)
        row = _row(shim, session, body, target, actor.name)
        Imports(session).add(row)

        def note(run: RunRow) -> None:
            row.run_id = run.id

        return Order(RunKind.IMPORT, row.id, row.path, "file.import", {"target": str(target)}, noted=note)

    def finished(execution: Execution) -> BaseModel:
        return _with_import(shim, _done(execution, body), ImportOut)

    return await work.carry_out(order, finished, lambda execution: _with_import(shim, execution, ImportPending))


@router.get("/imports", responses=refusals(), response_model_exclude_none=True)
def list_imports(
    session: ReadingDep,
    shim: ShimDep,
    caller: CallerDep,
    state: ImportState | None = None,
    watch_id: Annotated[str | None, Query(max_length=80)] = None,
    target_table: Annotated[str | None, Query(max_length=130, description="schema.table, or a table's name")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> ImportList:
    """Imports, newest first: those whose files the caller may use."""
    imports = Imports(session)
    wanted = imports.matching(state=state, watch_id=watch_id, target_table=target_table)
    if (refused := unusable(session, shim, caller)) is not None:
        wanted.append(imports.but_for(filter(refused, imports.paths(wanted))))
    settle(session)
    rows, total = imports.page(wanted, limit=limit, offset=offset)
    return ImportList(imports=[ImportListed.of(row) for row in rows], total=total)


@router.get("/imports/{import_id}", responses=refusals(404), response_model_exclude_none=True)
def get_import(import_id: str, session: ReadingDep, shim: ShimDep, caller: CallerDep) -> ImportOut:
    """An import as it stands: what its file holds, for those who may use it."""
    imports = Imports(session)
    row = imports.get(import_id)
    check_file_use(session, shim, caller, row.path)
    if not row.state.ended:
        settle(session)
    return ImportOut.of(row)


@router.get("/imports/{import_id}/rejects", responses=refusals(404, 503), response_model_exclude_none=True)
def list_import_rejects(
    import_id: str, page: Annotated[ImportRejectPage, Query()], shim: ShimDep, caller: CallerDep, response: Response
) -> ImportRejects:
    """Rows that could not be taken, with the column, the value and the reason; open ones first."""
    with shim.platform.catalogue() as session:
        imports = Imports(session)
        row = imports.loader_of(imports.get(import_id))
        check_file_use(session, shim, caller, row.path)
    wanted = RejectPage(state=page.state, limit=page.limit, offset=page.offset)
    found = rejected_rows(shim, row.id, wanted, response)
    rejects = [ImportReject.model_validate(each.model_dump(by_alias=False)) for each in found]
    total = int(response.headers["X-Total-Count"])
    return ImportRejects(import_id=public_import_id(row.id), rejects=rejects, total=total)


@router.post(
    "/imports/{import_id}/rejects/replay",
    response_model=ImportReplay,
    responses={**refusals(404, 409, 502, 503), 202: {"model": ImportReplaying, "description": "It goes on"}},
    openapi_extra={"requestBody": {"required": False, "content": {"application/json": {"schema": replay_schema()}}}},
)
async def replay_import_rejects(
    import_id: str, request: Request, work: WorkDep, shim: ShimDep, caller: CallerDep
) -> JSONResponse:
    """Try rejected rows again, with corrections by column, or all open ones as they are.

    Rows that fit become part of the table, once: the same request may be sent twice.
    """
    wishes_in = await wishes_of(request)

    def order(session: Session) -> Order:
        imports = Imports(session)
        row = imports.loader_of(imports.get(import_id))
        check_file_use(session, shim, caller, row.path)
        wishes = wishes_in(list(row.inferred_schema or {}))
        if wishes is None:
            return Order(RunKind.REPLAY, row.id, row.path, "import.replay_rejects")
        with shim.platform.warehouse("dataops rejects") as connection:
            kept = corrections_of(connection, row.id, wishes)

        def keep(run: RunRow) -> None:
            with shim.platform.warehouse("dataops rejects") as connection:
                keep_corrections(connection, run.id, kept)

        return Order(RunKind.REPLAY, row.id, row.path, "import.replay_rejects", {CHOSEN: len(kept)}, noted=keep)

    return await work.carry_out(order, _replayed, _replaying)


def _done(execution: Execution, body: ImportRequest) -> Execution:
    """An import that succeeded; a refusal names the field, or the column of `data_types`, that it is about."""
    try:
        return succeeded(execution, Family.MVP)
    except Refused as error:
        refusal = error.refusal
        settings = ("file_path", "target_table", "encoding", "delimiter")
        fields = (*settings, *(f"data_types.{name[:60]}" for name in body.data_types))
        problems = [
            FieldProblem(field, refusal.message.removeprefix(f"{field}: "))
            for field in fields
            if refusal.message.startswith(f"{field}: ")
        ]
        raise Refused(replace(refusal, problems=problems[:1])) from None


def _checked(shim: Shim, body: ImportRequest) -> ImportTarget:
    """The target of a request whose every field can be served, and whose file is there."""
    sql_types(body.data_types)
    if checked_format(body.file_path) is not FileFormat.EXCEL and body.sheet is not None:
        raise Invalid.field("sheet", "is for workbooks (.xlsx): a file of another format has none")
    if body.has_header is not None and checked_format(body.file_path) not in WITH_HEADER:
        raise Invalid.field("has_header", NO_HEADER)
    check_csv_settings(body.delimiter, body.encoding)
    target = target_of(body.target_format, body.target_table, body.file_path, shim.settings.import_targets)
    with open_place(shim.platform, body.file_path) as place:
        found = place.files.entry(place.path)
    if found is None or found.is_folder:
        raise Invalid.field("file_path", f"{'not a file' if found else 'no such file'}: {body.file_path}")
    return target


def check_csv_settings(delimiter: str | None, encoding: str | None, prefix: str = "") -> None:
    """Refuse a delimiter or an encoding that is not served."""
    for name, value, check in (("delimiter", delimiter, check_delimiter), ("encoding", encoding, named_encoding)):
        try:
            _ = value is None or check(value)
        except Invalid as error:
            message = error.fields[0].message if error.fields else str(error)
            raise Invalid.field(f"{prefix}{name}", message) from None


def _row(shim: Shim, session: Session, body: ImportRequest, target: ImportTarget, requested_by: str) -> ImportRow:
    """An import; its table holds the rows of one file, or of all that are imported into it in the mode append."""
    owner = (
        f"gathered:{target}" if body.mode == "append" else f"file:{identity(shim.platform, session, body.file_path)}"
    )
    return ImportRow(
        path=body.file_path,
        target_format=target.format,
        target_schema=target.schema,
        target_table=target.table,
        mode=body.mode,
        owner=owner,
        options=body.options().as_json(),
        requested_by=requested_by,
        notification_email=body.notification_email,
    )


def _with_import(shim: Shim, execution: Execution, form: type[ImportOut | ImportPending]) -> BaseModel:
    with shim.platform.catalogue() as session:
        return form.of(Imports(session).get(execution.run.subject_id or ""))


def _replayed(execution: Execution) -> ImportReplay:
    run = succeeded(execution, Family.MVP).run
    step = execution.steps[-1]
    return ImportReplay(
        import_id=public_import_id(run.subject_id or ""),
        rows_tried=step.ledger["read"],
        rows_repaired=step.ledger["inserted"],
        rows_failed=step.ledger["rejected"],
        rows_open=step.result["counts"]["rejects_still_open"],
        execution_id=run.id,
    )


def _replaying(execution: Execution) -> ImportReplaying:
    return ImportReplaying(import_id=public_import_id(execution.run.subject_id or ""), status_url=execution.status_url)
