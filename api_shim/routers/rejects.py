"""Rejected rows of a mapping: listed, downloaded, mended and replayed. Source: document 004, D096."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family
from api_shim.bounded import bounded
from api_shim.dependencies import ShimDep
from api_shim.grants import MAPPING_USES
from api_shim.paging import LISTED, TOTAL
from api_shim.rejects import MEDIA_TYPES, FileFormat, RepairPage, rejected_file, rejected_rows
from api_shim.repairs import corrections_of, wishes_of
from api_shim.runs import Execution, Order, WorkDep, accepted, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.executions import Accepted
from api_shim.schemas.rejects import LedgerOut, RejectOut, ReplayOut, replay_schema
from api_shim.shim import Shim
from dataops_defs.adapters.reject_files.download import pieces
from dataops_defs.adapters.reject_files.upload import FIELD
from dataops_defs.adapters.warehouse.corrections import keep_corrections
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import DatasetRow, MappingRow, RunRow
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.replay_rejects import CHOSEN

router = APIRouter(prefix="/{mapping_id}/rejects", dependencies=[MAPPING_USES])
DOWNLOAD_SECONDS = 300.0
FILES: dict[str, Any] = {
    media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES.values()
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {"schema": replay_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary", "description": "CSV or Excel"}},
                }
            },
        },
    }
}


@router.get(
    "",
    responses={**refusals(404, 503), 200: {**LISTED[200], "content": FILES}},
    response_model=list[RejectOut],
)
async def list_rejects(
    mapping_id: str,
    page: Annotated[RepairPage, Query()],
    shim: ShimDep,
    response: Response,
    accept: Annotated[str, Header()] = "",
) -> Any:
    """Rows that a sync could not take, open ones first, then those of newer syncs.

    As ``csv`` or ``xlsx`` all open ones (or those that the filters name), to be mended in a spreadsheet and uploaded
    to ``rejects/replay``: leave ``_reject_id`` as it is, and cells that you do not change keep what they hold.
    """
    mapping, dataset = await run_in_threadpool(_definitions, shim, mapping_id)
    form = page.form(accept)
    if form is FileFormat.JSON:
        return await run_in_threadpool(rejected_rows, shim, mapping.id, page, response)
    made = await bounded(
        lambda: rejected_file(shim, mapping.id, page, form, columns_of(dataset)), seconds=DOWNLOAD_SECONDS
    )
    headers = {
        "Content-Disposition": f'attachment; filename="rejects-{mapping.slug}.{form}"',
        TOTAL: str(made.rows),
    }
    return StreamingResponse(pieces(made.file), media_type=MEDIA_TYPES[form], headers=headers)


@router.post(
    "/replay",
    response_model=ReplayOut,
    responses={**refusals(404, 409, 502, 503), 202: {"model": Accepted, "description": "It goes on"}},
    openapi_extra=BODY,
)
async def replay_rejects(mapping_id: str, request: Request, work: WorkDep, shim: ShimDep) -> JSONResponse:
    """Try rejected rows again, with corrections: as JSON, as an uploaded file, or all open ones as they are.

    Rows whose objects are written become ``repaired``; those that fail again stay open with their new reason. Rows
    that were repaired before are left as they are, so the same request may be sent twice.
    """
    wishes_in = await wishes_of(request)

    def order(session: Session) -> Order:
        mapping = Mappings(session).get(mapping_id)
        wishes = wishes_in(columns_of(Datasets(session).get(mapping.dataset_id)))
        if wishes is None:
            return Order(RunKind.REPLAY, mapping.id, mapping.name, "mapping.replay_rejects")
        with shim.platform.warehouse("dataops rejects") as connection:
            kept = corrections_of(connection, mapping.id, wishes)

        def keep(run: RunRow) -> None:
            # Before the record is committed: a run that exists finds its corrections.
            with shim.platform.warehouse("dataops rejects") as connection:
                keep_corrections(connection, run.id, kept)

        return Order(
            RunKind.REPLAY, mapping.id, mapping.name, "mapping.replay_rejects", {CHOSEN: len(kept)}, noted=keep
        )

    return await work.carry_out(order, _replayed, accepted)


def _definitions(shim: Shim, mapping_id: str) -> tuple[MappingRow, DatasetRow]:
    with shim.platform.catalogue() as session:
        mapping = Mappings(session).get(mapping_id)
        return mapping, Datasets(session).get(mapping.dataset_id)


def columns_of(dataset: DatasetRow) -> list[str]:
    """Names of the dataset's columns, as its newest extraction found them."""
    return [str(each["name"]) for each in dataset.columns or []]


def _replayed(execution: Execution) -> ReplayOut:
    run = succeeded(execution, Family.DATAOPS).run
    step = execution.steps[-1]
    ledger = LedgerOut.model_validate(step.ledger)
    return ReplayOut(
        success=True,
        processed=ledger.read,
        succeeded=ledger.read - ledger.rejected,
        failed=ledger.rejected,
        execution_id=run.id,
        still_open=step.result["counts"]["rejects_still_open"],
        ledger=ledger,
    )
