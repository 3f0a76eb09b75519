"""Relationships between tables of the warehouse: document 000, "Relationship Detection"."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api_shim.answers import Family
from api_shim.dependencies import PROTECTED, ReadingDep, ShimDep
from api_shim.runs import Execution, Order, WorkDep, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.relationships import DetectedOut, DetectingOut, DetectRequest
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind, RunState
from dataops_defs.errors import FieldProblem, Invalid, NotFound
from dataops_defs.flows.detect_relationships import Wanted, check_tables

ID_PREFIX = "detect_"
router = APIRouter(prefix="/api/v1/mvp/relationships", tags=["mvp: relationships"], dependencies=PROTECTED)


@router.post(
    "/detect",
    response_model=DetectedOut,
    responses={**refusals(409, 502, 503), 202: {"model": DetectingOut, "description": "It goes on"}},
)
async def detect_relationships(body: DetectRequest, shim: ShimDep, work: WorkDep) -> JSONResponse:
    """Declared foreign keys, and those that values and names suggest. Waits for the end, 25 seconds at most."""
    wanted = Wanted(body.tables, body.schema_name, body.confidence_threshold, body.use_ai)
    _check_once_each(body.tables)

    def order(_session: Session) -> Order:
        check_tables(shim.platform, wanted)
        return Order(
            RunKind.DETECT,
            new_id(),
            wanted.name,
            "relationships.detect",
            wanted.as_parameters(),
            noted=_is_its_own_subject,
        )

    return await work.carry_out(order, _detected, _detecting)


@router.get(
    "/{detection_id}",
    response_model=DetectedOut | DetectingOut,
    response_model_exclude_none=True,
    responses=refusals(404),
)
def get_detection(detection_id: str, session: ReadingDep) -> BaseModel:
    """A detection and what it found, or how far it is; kept as long as the record of its execution."""
    id = as_uuid(detection_id.removeprefix(ID_PREFIX))
    run = session.get(RunRow, id) if id else None
    if run is None or run.kind is not RunKind.DETECT:
        raise NotFound(f"Detection {detection_id[:80]} not found")
    if run.state is RunState.SUCCEEDED:
        return _detected(Execution(run, list(Runs(session).steps(run.id))))
    return _detecting(Execution(run, []))


def _check_once_each(tables: Sequence[str]) -> None:
    again = [
        FieldProblem(f"tables.{place}", f"'{name}' is named before")
        for place, name in enumerate(tables)
        if name in tables[:place]
    ]
    if again:
        raise Invalid(f"{again[0].field}: {again[0].message}", again)


def _is_its_own_subject(run: RunRow) -> None:
    """There is no definition: what is wanted is in the record, where the work and any repetition of it look."""
    run.subject_id = run.id


def _detected(execution: Execution) -> DetectedOut:
    run = succeeded(execution, Family.MVP).run
    found = execution.steps[-1].result["details"]
    return DetectedOut(detection_id=_detection_id(run), total_relationships=len(found["relationships"]), **found)


def _detecting(execution: Execution) -> DetectingOut:
    run = execution.run
    id = _detection_id(run)
    return DetectingOut(
        detection_id=id, status=DATAOPS_WORDS[run.state], status_url=f"{router.prefix}/{id}", error=run.error
    )


def _detection_id(run: RunRow) -> str:
    return f"{ID_PREFIX}{run.id.replace('-', '')}"
