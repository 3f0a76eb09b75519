"""ETL pipelines: document 003. The API records what is wanted; the work is done in Dagster."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.bounded import bounded
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, ActorDep, Change, ChangeDep, ReadingDep, ShimDep
from api_shim.grants import ETL_USES, check_use, sources_for
from api_shim.paging import LISTED, count
from api_shim.runs import Order, WorkDep
from api_shim.schemas.etl import (
    EtlPipelineCreate,
    EtlPipelineOut,
    EtlPipelineUpdate,
    EtlRunOut,
    EtlStateOut,
    ReconciliationOut,
    refused,
)
from api_shim.shim import Shim
from dataops_defs.adapters.sql.binding import bind
from dataops_defs.catalogue.etl_pipelines import EtlPipelines, config_of
from dataops_defs.catalogue.models import EtlPipelineRow, RunRow
from dataops_defs.domain.etl import EtlConfig, EtlEvent, EtlMode
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.trigger import PARAMETERS
from dataops_defs.errors import Invalid
from dataops_defs.flows.check_pipeline import check_pipeline
from dataops_defs.flows.etl_state import checkpoint_of
from dataops_defs.flows.reconcile_pipeline import RECONCILE_SECONDS
from dataops_defs.flows.reconcile_pipeline import reconcile_pipeline as reconcile

router = APIRouter(prefix="/api/v1/pipelines", tags=["etl: pipelines"], dependencies=PROTECTED)
MOST = 1000
SECONDS_TO_GIVE_UP = 5.0
NULLABLE = ("description", "source_id")


@router.get("", responses={**refused(), **LISTED})
def list_pipelines(
    session: ReadingDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> list[EtlPipelineOut]:
    """All pipelines, the oldest first."""
    pipelines = EtlPipelines(session)
    rows, total = pipelines.page(limit=limit, offset=offset, sort="created_at")
    count(response, total)
    states = pipelines.states(rows)
    return [EtlPipelineOut.of(row, states[row.id]) for row in rows]


@router.post("", status_code=201, responses=refused(400))
def create_pipeline(body: EtlPipelineCreate, change: ChangeDep) -> EtlPipelineOut:
    """Define a pipeline; it runs when it is asked to."""
    source_id = _source(change, body.source_id)
    row = EtlPipelineRow(**{**body.model_dump(), "mode": EtlMode(body.mode), "source_id": source_id})
    check_pipeline(change.shim.platform, row)
    EtlPipelines(change.session).add(row)
    change.define("etl.create", row)
    return _shown(change.session, row)


@router.get("/{pipeline_id}", responses=refused(404))
def get_pipeline(pipeline_id: str, session: ReadingDep) -> EtlPipelineOut:
    """One pipeline, by its id or its name."""
    return _shown(session, EtlPipelines(session).get(pipeline_id))


@router.patch("/{pipeline_id}", responses=refused(400, 404, 409), dependencies=[ETL_USES])
def change_pipeline(pipeline_id: str, body: EtlPipelineUpdate, change: ChangeDep) -> EtlPipelineOut:
    """Change a pipeline that does not run. A paused run goes on as it began; the change counts from the next one."""
    pipelines = EtlPipelines(change.session)
    row = pipelines.get(pipeline_id, lock=True)
    given = body.model_dump(exclude_unset=True)
    _refuse_nulls(given)
    pipelines.ask(row, EtlEvent.CHANGE)
    if given:
        if "source_id" in given:
            given["source_id"] = _source(change, given["source_id"])
        _apply(pipelines, row, given)
        check_pipeline(change.shim.platform, row)
        change.define("etl.update", row, {"fields": sorted(given)})
    return _shown(change.session, row)


@router.delete("/{pipeline_id}", status_code=204, responses=refused(404, 409), dependencies=[ETL_USES])
def delete_pipeline(pipeline_id: str, change: ChangeDep, deletion: DeletionDep) -> None:
    """Delete a pipeline that does not run; its target, which others may write too, and its runs' records stay."""
    deletion.of(EtlPipelines(change.session).get(pipeline_id, lock=True))


@router.post("/{pipeline_id}/run", responses=refused(404, 429, 507), dependencies=[ETL_USES])
async def run_pipeline(pipeline_id: str, shim: ShimDep, work: WorkDep) -> EtlPipelineOut:
    """Ask for a run, or have a paused one go on. A pipeline that runs already is shown as it is."""

    def order(session: Session) -> Order | None:
        pipelines = EtlPipelines(session)
        row = pipelines.get(pipeline_id, lock=True)
        _, needs_a_run = pipelines.resume(row)
        return Order(RunKind.ETL, row.id, row.name, "etl.run", noted=_belongs_to(row)) if needs_a_run else None

    await work.begin(order)
    return await run_in_threadpool(_read, shim, pipeline_id)


@router.post("/{pipeline_id}/pause", responses=refused(404))
def pause_pipeline(pipeline_id: str, change: ChangeDep) -> EtlPipelineOut:
    """Stop after the batch that is under way. A pipeline that does not run is shown as it is."""
    pipelines = EtlPipelines(change.session)
    row = pipelines.get(pipeline_id, lock=True)
    pipelines.pause(row)
    change.note("etl.pause", row.id, {"name": row.name, "executionId": row.run_id})
    change.session.flush()
    return _shown(change.session, row)


@router.get("/{pipeline_id}/runs", responses=refused(404))
def list_runs(
    pipeline_id: str, session: ReadingDep, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> list[EtlRunOut]:
    """Its runs, newest first."""
    pipelines = EtlPipelines(session)
    return [EtlRunOut.of(each) for each in pipelines.runs(pipelines.get(pipeline_id), limit)]


@router.get("/{pipeline_id}/state", responses=refused(404))
def get_state(pipeline_id: str, session: ReadingDep, shim: ShimDep) -> EtlStateOut:
    """Where it stands, how far its load is, and why it waits or failed."""
    pipelines = EtlPipelines(session)
    row = pipelines.get(pipeline_id)
    checkpoint = checkpoint_of(shim.platform, row.id)
    return EtlStateOut.of(row, pipelines.state(row), pipelines.newest_run(row), checkpoint)


@router.get("/{pipeline_id}/reconciliation", responses=refused(404, 409, 503), dependencies=[ETL_USES])
async def get_reconciliation(pipeline_id: str, shim: ShimDep, actor: ActorDep) -> ReconciliationOut:  # noqa: ARG001
    """Compare what the query gives now with what the target has: counts, hashes by range of keys, differences."""
    id, config = await run_in_threadpool(_as_last_run, shim, pipeline_id)
    found = await bounded(lambda: reconcile(shim.platform, config), RECONCILE_SECONDS + SECONDS_TO_GIVE_UP)
    return ReconciliationOut(pipeline_id=id, **found.as_json())


def _as_last_run(shim: Shim, pipeline_id: str) -> tuple[str, EtlConfig]:
    """The id of a pipeline, and what it works by, with the parameters of its newest run in its query."""
    with shim.platform.catalogue() as session:
        pipelines = EtlPipelines(session)
        row = pipelines.get(pipeline_id)
        newest = pipelines.newest_run(row)
        given = newest.run.parameters.get(PARAMETERS, {}) if newest else {}
        return row.id, replace(config_of(row), source_query=bind(row.source_query, given))


def _read(shim: Shim, pipeline_id: str) -> EtlPipelineOut:
    with shim.platform.catalogue() as session:
        return _shown(session, EtlPipelines(session).get(pipeline_id))


def _shown(session: Session, row: EtlPipelineRow) -> EtlPipelineOut:
    return EtlPipelineOut.of(row, EtlPipelines(session).state(row))


def _belongs_to(row: EtlPipelineRow) -> Any:
    def noted(run: RunRow) -> None:
        row.run_id = run.id

    return noted


def _apply(pipelines: EtlPipelines, row: EtlPipelineRow, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name == "name":
            pipelines.rename(row, value)
        elif name == "mode":
            row.mode = EtlMode(value)
        else:
            setattr(row, name, value)


def _refuse_nulls(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if value is None and name not in NULLABLE:
            raise Invalid.field(name, "must not be null")


def _source(change: Change, given: str | None) -> str | None:
    if given is None:
        return None
    found = sources_for(change.session, change.shim, change.caller).find(given)
    if found is None:
        raise Invalid.field("source_id", f"there is no source '{given[:80]}'")
    check_use(change.session, change.caller, found.id)
    return found.id
