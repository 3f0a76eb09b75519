"""Datamarts: document 000, "Datamart Management"."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from psycopg2 import Error, errors, sql
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family
from api_shim.bounded import bounded
from api_shim.changes import schedules_of
from api_shim.dependencies import PROTECTED, ChangeDep, ReadingDep, ShimDep
from api_shim.runs import Execution, Order, WorkDep, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.datamarts import (
    DatamartCreate,
    DatamartCreated,
    DatamartList,
    DatamartOut,
    DatamartPreview,
    Refreshed,
    Refreshing,
    RefreshRequest,
    SchemaName,
    megabytes,
)
from api_shim.shim import Shim
from dataops_defs.adapters.sql.guard import check_query, tables_of
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.naming import slug
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict, Invalid, NotFound, SourceUnavailable

router = APIRouter(prefix="/api/v1/mvp/datamarts", tags=["mvp: datamarts"], dependencies=PROTECTED)
MOST = 500
PREVIEW_TIME_LIMIT = "15s"
CLOSED_SCHEMAS = ("information_schema", "dataops", "objects")


@router.post("/create", responses=refusals(409))
def create_datamart(body: DatamartCreate, change: ChangeDep) -> DatamartCreated:
    """Define a datamart. It is empty until its first refresh."""
    query = check_query(body.query, allowed_functions=change.shim.settings.allowed_functions)
    table = slug(body.name)
    _check_place(change.shim, body.schema_name, table)
    _check_plan(change.shim, query)
    row = DatamartRow(
        name=body.name,
        schema=body.schema_name,
        query=body.query,
        type=body.type,
        refresh_strategy=body.refresh_strategy,
        description=body.description,
        details=body.metadata,
        upstream=[{"schema": schema or "public", "table": name} for schema, name in tables_of(body.query)],
    )
    Datamarts(change.session).add(row)
    change.define("datamart.create", row)
    return DatamartCreated.of(row)


@router.post(
    "/{name}/refresh",
    response_model=Refreshed,
    responses={**refusals(404, 409, 502, 503), 202: {"model": Refreshing, "description": "It goes on"}},
)
async def refresh_datamart(name: str, work: WorkDep, body: RefreshRequest | None = None) -> JSONResponse:
    """Run the query again; readers see the old rows or the new ones. Waits for the end, 25 seconds at most."""
    wanted = body or RefreshRequest()

    def order(session: Session) -> Order:
        row = _named(session, name, wanted.schema_name)
        return Order(RunKind.REFRESH, row.id, row.name, "datamart.refresh", {"concurrent": wanted.concurrent})

    return await work.carry_out(order, _refreshed, _refreshing)


@router.get("", responses=refusals(), response_model_exclude_none=False)
def list_datamarts(
    session: ReadingDep,
    include_statistics: bool = False,  # noqa: ARG001
    limit: Annotated[int, Query(ge=1, le=MOST)] = MOST,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> JSONResponse:
    """All datamarts by name. The documented fields are always there, with ``include_statistics`` and without."""
    rows, total = Datamarts(session).page(limit=limit, offset=offset, sort="name")
    schedules = schedules_of(session, rows)
    listed = [DatamartOut.of(row, schedules[row.id].cron if row.id in schedules else None) for row in rows]
    content = DatamartList(datamarts=listed, total=total).model_dump(mode="json", by_alias=True)
    for each in content["datamarts"]:
        for name in ("schedule", "description"):
            if each[name] is None:
                del each[name]
    return JSONResponse(content)


@router.get("/{name}/preview", responses=refusals(404, 409))
async def preview_datamart(
    name: str,
    shim: ShimDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    schema: Annotated[SchemaName | None, Field(alias="schema")] = None,
) -> DatamartPreview:
    """The first rows, read as a role that may only read."""
    row = await run_in_threadpool(_found, shim, name, schema)
    return await bounded(lambda: _preview(shim, row, limit))


def _named(session: Session, name: str, schema: str | None) -> DatamartRow:
    missing = NotFound(f"Datamart {name[:80]} not found")
    try:
        row = Datamarts(session).by_slug(slug(name))
    except Invalid:
        raise missing from None
    if row is None or (schema is not None and row.schema != schema):
        raise missing
    return row


def _found(shim: Shim, name: str, schema: str | None) -> DatamartRow:
    with shim.platform.catalogue() as session:
        return _named(session, name, schema)


def _check_place(shim: Shim, schema: str, table: str) -> None:
    """Refuse a schema where the builder may not create, and a name that something else has there."""
    with shim.platform.warehouse("dataops datamart", role="builder") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_schema_privilege(n.oid, 'CREATE'),"
            " EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = %s)"
            " FROM pg_namespace n WHERE n.nspname = %s AND n.nspname !~ '^pg_' AND n.nspname <> ALL (%s)",
            (table, schema, list(CLOSED_SCHEMAS)),
        )
        found = cursor.fetchone()
    if found is None or not found[0]:
        raise Invalid.field("schema", f"'{schema}' is no schema of the warehouse that datamarts may be made in")
    with shim.platform.catalogue() as session:
        known = Datamarts(session).by_slug(table) is not None
    if found[1] and not known:
        raise Conflict(f"{schema}.{table} exists already and is no datamart; take another name")


def _check_plan(shim: Shim, query: str) -> None:
    """Refuse a query that the builder could not run. What it reads may still have to be made."""
    try:
        with shim.platform.warehouse("dataops datamart", role="builder") as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(PREVIEW_TIME_LIMIT)))
            cursor.execute(f"EXPLAIN {query}")
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return
    except Error as error:
        raise Invalid.field("query", f"PostgreSQL refuses it: {error.diag.message_primary}") from None


def _refreshed(execution: Execution) -> Refreshed:
    run = succeeded(execution, Family.MVP).run
    step = execution.steps[-1]
    began, ended = run.started_at or run.created_at, run.finished_at or now()
    return Refreshed(
        datamart_name=run.subject_name or "",
        refresh_id=_refresh_id(execution),
        status="completed",
        rows_refreshed=step.result.get("totalRows") or 0,
        size_mb=megabytes(step.result.get("bytes") or 0),
        refresh_duration_seconds=round((ended - began).total_seconds(), 3),
        refreshed_at=ended,
    )


def _refreshing(execution: Execution) -> Refreshing:
    return Refreshing(
        datamart_name=execution.run.subject_name or "",
        refresh_id=_refresh_id(execution),
        status_url=execution.status_url,
    )


def _refresh_id(execution: Execution) -> str:
    return f"refresh_{execution.run.id.replace('-', '')}"


def _preview(shim: Shim, row: DatamartRow, limit: int) -> DatamartPreview:
    name = sql.Identifier(row.schema, row.slug)
    with shim.platform.warehouse("dataops preview", role="reader") as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(PREVIEW_TIME_LIMIT)))
        try:
            cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(name))
            columns = [each.name for each in cursor.description or ()]
            cursor.execute(sql.SQL("SELECT row_to_json(t.*) FROM {} t LIMIT {}").format(name, sql.Literal(limit)))
            data: list[dict[str, Any]] = [values for (values,) in cursor.fetchall()]
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(name))
            counted = cursor.fetchone()
        except errors.UndefinedTable:
            raise Conflict(f"Datamart '{row.name}' is empty: refresh it first") from None
        except errors.QueryCanceled:
            raise SourceUnavailable(f"Reading took longer than {PREVIEW_TIME_LIMIT}") from None
    return DatamartPreview(
        datamart_name=row.name,
        schema_name=row.schema,
        columns=columns,
        data=data,
        rows_returned=len(data),
        total_rows=counted[0] if counted else 0,
    )
