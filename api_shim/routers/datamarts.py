"""Datamarts: document 000, "Datamart Management"."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family
from api_shim.bounded import bounded
from api_shim.changes import clear_schedule, schedules_of, set_schedule
from api_shim.datamart_leftovers import drop_left_behind, how_to_drop, leftover_of
from api_shim.datamart_reads import lost, preview, statistics_of
from api_shim.datamart_requests import check_place, not_versioned, planned, refuse_circle
from api_shim.deleting import Cascade, Drop, check_reach, order_drop
from api_shim.dependencies import PROTECTED, Change, ChangeDep, ReadingDep, ShimDep
from api_shim.runs import Execution, Order, WorkDep, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.datamarts import (
    DatamartCreate,
    DatamartDefined,
    DatamartDeleted,
    DatamartDetail,
    DatamartList,
    DatamartOut,
    DatamartPreview,
    DatamartScheduled,
    Refreshed,
    Refreshing,
    RefreshRequest,
    ScheduleRequest,
    SchemaName,
    megabytes,
    public_id,
)
from api_shim.shim import Shim
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datamart_versions import DatamartVersions
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.domain.datamart import RefreshMethod, RefreshStrategy, relation_name
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict, Invalid, NotFound
from dataops_defs.flows.drop_datamarts import kept, to_be_dropped
from dataops_defs.flows.refresh_datamart import CONCURRENT

router = APIRouter(prefix="/api/v1/mvp/datamarts", tags=["mvp: datamarts"], dependencies=PROTECTED)
MOST = 500
OFTEN_NONE = ("schedule", "schedule_status", "next_run", "description", "last_error", "current_version", "statistics")
SchemaQuery = Annotated[SchemaName | None, Field(alias="schema")]


@router.post("/create", responses=refusals(409), response_model_exclude_none=True)
def create_datamart(body: DatamartCreate, change: ChangeDep) -> DatamartDefined:
    """Define a datamart. It is empty until its first refresh."""
    plan = planned(change.shim, body.query, body.type)
    table = relation_name(body.name)
    left = check_place(change.shim, body.schema_name, table, body.type)
    refuse_circle(change.session, body.schema_name, table, plan)
    row = DatamartRow(
        name=body.name,
        schema=body.schema_name,
        query=body.query,
        type=body.type,
        refresh_strategy=body.refresh_strategy,
        description=body.description,
        details=body.metadata,
        upstream=plan.upstream,
        columns=plan.columns_kept,
        lineage=plan.lineage,
    )
    Datamarts(change.session).add(row)
    change.define("datamart.create", row)
    made = DatamartDefined.of(row)
    made.note = ". ".join(each for each in (plan.note, left) if each) or None
    return made


@router.post(
    "/{name}/refresh",
    response_model=Refreshed,
    responses={**refusals(404, 409, 502, 503), 202: {"model": Refreshing, "description": "It goes on"}},
)
async def refresh_datamart(name: str, work: WorkDep, body: RefreshRequest | None = None) -> JSONResponse:
    """Run the query again; readers see the old rows or the new ones. Waits for the end, 25 seconds at most.

    ``method`` says how the rows were put in place: by a unique key (``concurrently``), built beside (``swap``),
    compared and merged (``merge``, of tables), or with readers waiting (``refresh``), and ``method_reason`` why.
    """
    wanted = body or RefreshRequest()

    def order(session: Session) -> Order:
        row = not_versioned(Datamarts(session).named(name, wanted.schema_name))
        concurrent = row.refresh_concurrently if wanted.concurrent is None else wanted.concurrent
        return Order(RunKind.REFRESH, row.id, row.name, "datamart.refresh", {CONCURRENT: concurrent})

    return await work.carry_out(order, _refreshed, _refreshing)


@router.post("/{name}/schedule", responses=refusals(404, 409))
def schedule_datamart(name: str, body: ScheduleRequest, change: ChangeDep) -> DatamartScheduled:
    """Refresh a datamart by itself, or at other times than before; the schedule shows in Dagster, paused or not.

    Its strategy becomes ``scheduled``: one that followed its tables (``on_commit``) does so no longer.
    """
    row = not_versioned(Datamarts(change.session).named(name, body.schema_name, lock=True))
    try:
        set_schedule(change, "datamart", row, {"cron": body.schedule, "timezone": "UTC", "enabled": True})
    except Invalid as error:
        raise Invalid.field("schedule", error.fields[0].message) from None
    row.refresh_strategy, row.refresh_concurrently = RefreshStrategy.SCHEDULED, body.concurrent
    change.define("datamart.schedule", row)
    found = Schedules(change.session).of(row.id)
    assert found is not None  # noqa: S101 - it was set a moment ago
    return DatamartScheduled.of(row, found)


@router.get("", responses=refusals(503), response_model=DatamartList)
def list_datamarts(
    session: ReadingDep,
    shim: ShimDep,
    include_statistics: bool = False,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> JSONResponse:
    """All datamarts by name. The documented fields are always there; with ``include_statistics`` those of columns too.

    For each column the fraction of nulls and the number of distinct values, as PostgreSQL's sample has them.
    """
    rows, total = Datamarts(session).page(limit=limit, offset=offset, sort="name")
    schedules = schedules_of(session, rows)
    versions = DatamartVersions(session).current_of(rows)
    statistics = statistics_of(shim, rows) if include_statistics else {}
    missing = lost(shim, rows)
    listed = [
        DatamartOut.of(
            row,
            schedules.get(row.id),
            versions[row.id].version if row.id in versions else None,
            statistics.get(row.id, {}) if include_statistics else None,
            missing.get(row.id),
        )
        for row in rows
    ]
    content = DatamartList(datamarts=listed, total=total).model_dump(mode="json", by_alias=True)
    return JSONResponse({**content, "datamarts": [_with_what_it_has(each) for each in content["datamarts"]]})


@router.get("/{name}", responses=refusals(404, 503), response_model=DatamartDetail)
def get_datamart(name: str, session: ReadingDep, shim: ShimDep, schema: SchemaQuery = None) -> JSONResponse:
    """One datamart: what the list shows of it with statistics, its query, columns, and what it reads."""
    row = Datamarts(session).named(name, schema)
    versions = DatamartVersions(session).of(row.id)
    listed = DatamartOut.of(
        row,
        schedules_of(session, [row]).get(row.id),
        next((each.version for each in versions if each.id == row.current_version_id), None),
        statistics_of(shim, [row]).get(row.id, {}),
        lost(shim, [row]).get(row.id),
    )
    told = DatamartDetail(
        **dict(listed),
        created_at=row.created_at,
        query=row.query,
        columns=row.columns or [],
        reads=[f"{each['schema']}.{each['table']}" for each in row.upstream],
        last_method=RefreshMethod(row.last_method) if row.last_method else None,
        concurrent=row.refresh_concurrently,
        versions_count=len(versions),
        metadata=row.details,
    )
    return JSONResponse(_with_what_it_has(told.model_dump(mode="json", by_alias=True)))


@router.get("/{name}/preview", responses=refusals(404, 409, 503))
async def preview_datamart(
    name: str,
    shim: ShimDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    schema: SchemaQuery = None,
) -> DatamartPreview:
    """The first rows, read as a role that may only read. One that was never filled has its columns, and no rows."""
    row = await run_in_threadpool(_found, shim, name, schema)
    return await bounded(lambda: preview(shim, row, limit))


@router.delete("/{name}", responses=refusals(404, 409, 503), response_model_exclude_none=True)
def delete_datamart(
    name: str,
    change: ChangeDep,
    response: Response,
    schema: SchemaQuery = None,
    cascade: Cascade = False,
    drop: Drop = False,
) -> DatamartDeleted:
    """Delete a datamart and its schedule. What it holds stays in the warehouse (``kept``), unless it is dropped too.

    That is an execution of its own (``status_url``), which waits for a moment when nobody reads it. With ``drop`` the
    same request also drops what a datamart of that name has left that is deleted already.
    """
    check_reach(change, cascade=cascade, drop=drop)
    datamarts = Datamarts(change.session)
    try:
        row = datamarts.named(name, schema, lock=True)
    except NotFound as missing:
        if not drop:
            raise
        deleted = drop_left_behind(change, name, schema, missing)
    else:
        deleted = _deleted(change, row, [*(datamarts.downstream(row) if cascade else []), row], drop=drop)
    if deleted.status_url:
        response.headers["Location"] = deleted.status_url
    return deleted


def _deleted(change: Change, row: DatamartRow, doomed: Sequence[DatamartRow], *, drop: bool) -> DatamartDeleted:
    datamarts = Datamarts(change.session)
    for each in doomed:
        if datamarts.at_work(each):
            raise Conflict(f"Datamart '{each.name}' is being refreshed: wait for that, or cancel it")
    leftovers = [leftover_of(change.session, each) for each in doomed]
    for each in doomed:
        clear_schedule(change, each)
        datamarts.remove(each)
        change.define("datamart.delete", each, {"drop": drop})
    deleted = DatamartDeleted(datamart_name=row.name, deleted=[each.name for each in doomed], dropping=[])
    if drop:
        deleted.dropping = to_be_dropped(change.shim.platform, leftovers)
    else:
        deleted.kept = kept(change.shim.platform, leftovers)
    if deleted.dropping:
        deleted.status_url = order_drop(change, row.id, row.name, leftovers)
    if deleted.kept:
        requests = " and ".join(how_to_drop(each.name) for each in doomed)
        deleted.note = f"What is kept stays in the warehouse as it is; {requests} would drop it"
    return deleted


def _with_what_it_has(listed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in listed.items() if value is not None or name not in OFTEN_NONE}


def _found(shim: Shim, name: str, schema: str | None) -> DatamartRow:
    with shim.platform.catalogue() as session:
        return Datamarts(session).named(name, schema)


def _refreshed(execution: Execution) -> Refreshed:
    run = succeeded(execution, Family.MVP).run
    result = execution.steps[-1].result
    began, ended = run.started_at or run.created_at, run.finished_at or now()
    return Refreshed(
        datamart_name=run.subject_name or "",
        refresh_id=public_id("refresh", run.id),
        status="completed",
        rows_refreshed=result.get("totalRows") or 0,
        size_mb=megabytes(result.get("bytes") or 0),
        refresh_duration_seconds=round((ended - began).total_seconds(), 3),
        refreshed_at=ended,
        method=result["details"]["method"],
        method_reason=result["details"]["reason"],
    )


def _refreshing(execution: Execution) -> Refreshing:
    return Refreshing(
        datamart_name=execution.run.subject_name or "",
        refresh_id=public_id("refresh", execution.run.id),
        status_url=execution.status_url,
    )
