"""Versions of datamarts: document 000, "Create Versioned Datamart", and what belongs to it."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family
from api_shim.datamart_requests import Planned, check_place, check_version_place, planned, refuse_circle
from api_shim.dependencies import PROTECTED, ReadingDep, ShimDep
from api_shim.runs import Execution, Order, WorkDep, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.datamart_versions import (
    RollbackRequest,
    RolledBack,
    VersionedCreate,
    VersionedCreated,
    VersionList,
    VersionOut,
    VersionPending,
)
from api_shim.schemas.datamarts import SchemaName
from api_shim.shim import Shim
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datamart_rows import DatamartVersionRow
from dataops_defs.catalogue.datamart_versions import DatamartVersions
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType, VersionStatus, relation_name, version_table
from dataops_defs.domain.naming import slug
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict
from dataops_defs.flows.refresh_datamart import VERSION

router = APIRouter(prefix="/api/v1/mvp/datamarts", tags=["mvp: datamarts"], dependencies=PROTECTED)
PENDING: dict[int | str, dict[str, Any]] = {202: {"model": VersionPending, "description": "It goes on"}}


@router.post("/versioned", response_model=VersionedCreated, responses={**refusals(404, 409, 502, 503), **PENDING})
async def create_version(body: VersionedCreate, work: WorkDep, shim: ShimDep) -> JSONResponse:
    """Keep the result of a query as a version that never changes, and have the datamart show it.

    The rows lie in a table of their own, ``<name>__<version>``; ``<name>`` is a view on the current version. Posted
    again with the same query, a version is answered and not built again. It is dropped after ``retention_days``,
    unless it is the current one.
    """
    kept = await run_in_threadpool(_kept, shim, body)
    if kept is not None:
        return _json(kept)
    plan = await run_in_threadpool(_checked, shim, body)

    def order(session: Session) -> Order:
        row = _datamart(session, body, plan)
        version = _version(session, row, body, plan)
        return _order(row, version, "datamart.version")

    reply = await work.carry_out(order, _succeeded, _pending)
    shim.reloader.request()
    if reply.status_code != 200:
        return reply
    made = await run_in_threadpool(_kept, shim, body)
    return _json(made) if made is not None else reply


@router.get("/{name}/versions", responses=refusals(404, 409))
def list_versions(
    name: str, session: ReadingDep, schema: Annotated[SchemaName | None, Field(alias="schema")] = None
) -> VersionList:
    """All versions of a datamart, newest first; those that are over too."""
    row = _versioned(Datamarts(session).named(name, schema))
    versions = [VersionOut.of(row, each) for each in DatamartVersions(session).of(row.id)]
    current = next((each.version for each in versions if each.current), None)
    return VersionList(
        datamart_name=row.name,
        schema_name=row.schema,
        current_version=current,
        versions=versions,
        total=len(versions),
    )


@router.post("/{name}/rollback", response_model=RolledBack, responses={**refusals(404, 409, 502, 503), **PENDING})
async def roll_back(name: str, work: WorkDep, shim: ShimDep, body: RollbackRequest | None = None) -> JSONResponse:
    """Have a datamart show another of its versions, by default the one made before the current one."""
    wanted = body or RollbackRequest()

    def order(session: Session) -> Order:
        row = _versioned(Datamarts(session).named(name, wanted.schema_name))
        version = DatamartVersions(session).to_roll_back_to(row, wanted.version)
        return _order(row, version, "datamart.rollback")

    def finished(execution: Execution) -> BaseModel:
        run = succeeded(execution, Family.MVP).run
        result = execution.steps[-1].result
        return RolledBack(
            datamart_name=run.subject_name or "",
            schema_name=result["uri"].removeprefix("warehouse:").partition(".")[0],
            version=result["details"]["version"],
            previous_version=result["details"].get("replaced"),
            rows_count=result.get("totalRows") or 0,
            rolled_back_at=run.finished_at or now(),
        )

    reply = await work.carry_out(order, finished, _pending)
    shim.reloader.request()
    return reply


def _order(row: DatamartRow, version: DatamartVersionRow, action: str) -> Order:
    def note(run: object) -> None:
        version.run_id = getattr(run, "id", None)

    return Order(RunKind.REFRESH, row.id, row.name, action, {VERSION: version.id, "version": version.version}, note)


def _checked(shim: Shim, body: VersionedCreate) -> Planned:
    plan = planned(shim, body.query, DatamartType.TABLE)
    table = relation_name(body.name)
    check_place(shim, body.schema_name, table, DatamartType.VIEW)
    with shim.platform.catalogue() as session:
        row = Datamarts(session).by_slug(table)
        known = DatamartVersions(session).find(row.id, body.version) if row is not None else None
    name = version_table(table, slug(body.version, "version"))
    check_version_place(shim, body.schema_name, name, known.id if known else None)
    return plan


def _kept(shim: Shim, body: VersionedCreate) -> VersionedCreated | None:
    """The version, where it is there already."""
    with shim.platform.catalogue() as session:
        row = Datamarts(session).by_slug(relation_name(body.name))
        if row is None or not row.versioned:
            return None
        version = DatamartVersions(session).find(row.id, body.version)
        if version is None or version.status is not VersionStatus.READY:
            return None
        _refuse_twin(row, version, body)
        _refuse_another(row, version, body)
        return VersionedCreated.of_version(row, version)


def _datamart(session: Session, body: VersionedCreate, plan: Planned) -> DatamartRow:
    """The datamart of the version: the one of that name, or a new one."""
    datamarts, table = Datamarts(session), relation_name(body.name)
    refuse_circle(session, body.schema_name, table, plan)
    datamarts.take_name(table)
    row = datamarts.by_slug(table)
    if row is not None:
        if not row.versioned:
            raise Conflict(f"There is already a datamart named '{row.name}', and it is not versioned")
        if row.schema != body.schema_name:
            raise Conflict(f"The versions of '{row.name}' lie in the schema {row.schema}")
        return row
    return datamarts.add(
        DatamartRow(
            name=body.name,
            schema=body.schema_name,
            query=body.query,
            type=DatamartType.TABLE,
            description=body.description,
            upstream=plan.upstream,
            columns=plan.columns_kept,
            lineage=plan.lineage,
            versioned=True,
        )
    )


def _version(session: Session, row: DatamartRow, body: VersionedCreate, plan: Planned) -> DatamartVersionRow:
    """The version to build: a new one, or one that could not be built before."""
    versions = DatamartVersions(session)
    found = versions.find(row.id, body.version)
    if found is None:
        name = slug(body.version, "version")
        return versions.add(
            DatamartVersionRow(
                datamart_id=row.id,
                version=body.version,
                slug=name,
                table=version_table(row.slug, name),
                query=body.query,
                upstream=plan.upstream,
                retention_days=body.retention_days,
            )
        )
    _refuse_twin(row, found, body)
    if versions.being_built(found):
        raise Conflict(f"Version '{found.version}' of '{row.name}' is being built; try again when it is done")
    if found.status is VersionStatus.FAILED or found.status is VersionStatus.BUILDING:
        # Nobody has seen it: it may be another query than the one that failed.
        found.query, found.upstream, found.retention_days = body.query, plan.upstream, body.retention_days
        found.status, found.error = VersionStatus.BUILDING, None
        return found
    _refuse_another(row, found, body)
    return found


def _refuse_twin(row: DatamartRow, version: DatamartVersionRow, body: VersionedCreate) -> None:
    if version.version != body.version:
        raise Conflict(
            f"Versions '{body.version}' and '{version.version}' of '{row.name}' make one table name, {version.table}:"
            " take another name"
        )


def _refuse_another(row: DatamartRow, version: DatamartVersionRow, body: VersionedCreate) -> None:
    if version.status is VersionStatus.EXPIRED:
        raise Conflict(f"Version '{version.version}' of '{row.name}' is over; take another name")
    if (version.query, version.retention_days) != (body.query, body.retention_days) or row.schema != body.schema_name:
        raise Conflict(
            f"There is already a version '{version.version}' of '{row.name}', made otherwise: versions do not change"
        )


def _versioned(row: DatamartRow) -> DatamartRow:
    if not row.versioned:
        raise Conflict(f"Datamart '{row.name}' has no versions: it is refreshed")
    return row


def _succeeded(execution: Execution) -> BaseModel:
    succeeded(execution, Family.MVP)
    return _pending(execution)


def _pending(execution: Execution) -> BaseModel:
    run = execution.run
    return VersionPending(
        name=run.subject_name or "", version=run.parameters.get("version", ""), status_url=execution.status_url
    )


def _json(body: BaseModel) -> JSONResponse:
    return JSONResponse(body.model_dump(mode="json", by_alias=True))
