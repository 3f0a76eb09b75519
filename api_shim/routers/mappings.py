"""Mappings: document 004, "Object Mapping" and "Data Sync"."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family
from api_shim.auth import Caller
from api_shim.bounded import bounded
from api_shim.changes import apply_common, refuse_nulls, schedules_of, set_schedule
from api_shim.checks import merged, not_found_is, referred, transforms_that_compile
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, CallerDep, ChangeDep, ReadingDep, ShimDep
from api_shim.grants import MAPPING_USES, check_use
from api_shim.paging import LISTED, SortedPage, count
from api_shim.routers import rejects
from api_shim.runs import Execution, Order, WorkDep, accepted, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.executions import Accepted, WorkIn
from api_shim.schemas.mappings import (
    MappingChange,
    MappingCreate,
    MappingOut,
    MappingPreview,
    MappingPreviewOut,
    PropertyIn,
    SyncOut,
)
from api_shim.shim import Shim
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.grants import Reads
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import DatasetRow, MappingRow
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.mapping import check_mapping, property_mappings, sync_settings
from dataops_defs.domain.naming import slug
from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Invalid
from dataops_defs.flows.check_mapping import check_defaults
from dataops_defs.flows.preview_mapping import preview_mapping

router = APIRouter(prefix="/api/v1/dataops/mappings", tags=["dataops: mappings"], dependencies=PROTECTED)
NEVER_NULL = ("name", "mappings", "status")
WORDS_OF_SYNC = {"mode": "mode", "key_field": "keyField", "on_conflict": "onConflict"}


class MappingPage(SortedPage):
    """Filters of the list."""

    dataset_id: str | None = None
    object_type: str | None = None
    app: str | None = None


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_mappings(page: Annotated[MappingPage, Query()], session: ReadingDep, response: Response) -> list[MappingOut]:
    """All mappings, newest first."""
    kind = None
    if page.object_type is not None:
        with not_found_is("objectType"):
            kind = ObjectTypes(session).named(page.object_type).id
    filters = {"dataset_id": page.dataset_id, "object_type_id": kind, "app": page.app}
    rows, total = Mappings(session).page(**page.arguments(**filters))
    count(response, total)
    return _shown(session, rows)


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_mapping(body: MappingCreate, change: ChangeDep) -> MappingOut:
    """Say which columns of a dataset become which properties of an object type."""
    session = change.session
    dataset = referred(Datasets(session), body.dataset_id, "datasetId")
    check_use(session, change.caller, dataset.source_id)
    with not_found_is("objectType"):
        kind_row = ObjectTypes(session).named(body.object_type)
    kind = object_type_of(kind_row)
    mappings = _checked(documented(body.mappings), kind, dataset, body.explode)
    given = body.sync.given() if body.sync else {}
    mappings_of = Mappings(session)
    row = MappingRow(
        name=body.name or _free_name(mappings_of, f"{dataset.name} → {kind.name}"),
        dataset_id=dataset.id,
        object_type_id=kind.id,
        mappings=mappings,
        explode=body.explode,
        sync=_sync({}, given, kind),
        status=DefinitionStatus(body.status),
        app=body.app,
        description=body.description,
        owner=body.owner,
    )
    mappings_of.add(row)
    if body.schedule is not None:
        set_schedule(change, "mapping", row, body.schedule.given())
    change.define("mapping.create", row)
    return _shown(session, [row])[0]


@router.post("/preview", responses=refusals(), response_model=MappingPreviewOut)
async def preview_unsaved_mapping(body: MappingPreview, shim: ShimDep, caller: CallerDep) -> dict[str, Any]:
    """What a mapping would make of its dataset's first rows; writes nothing."""
    await run_in_threadpool(_check_preview, shim, caller, body)
    return await bounded(
        lambda: preview_mapping(
            shim.platform, body.dataset_id, body.object_type, documented(body.mappings), body.limit, body.explode
        )
    )


@router.get("/{mapping_id}", responses=refusals(404), response_model_exclude_none=True)
def get_mapping(mapping_id: str, session: ReadingDep) -> MappingOut:
    """One mapping."""
    return _shown(session, [Mappings(session).get(mapping_id)])[0]


@router.patch("/{mapping_id}", responses=refusals(404, 409), response_model_exclude_none=True)
def change_mapping(mapping_id: str, body: MappingChange, change: ChangeDep) -> MappingOut:
    """Change a mapping; ``status: paused`` holds its schedule back."""
    session = change.session
    mappings = Mappings(session)
    row = mappings.get(mapping_id, lock=True)
    given = body.given()
    refuse_nulls(given, NEVER_NULL)
    check_use(session, change.caller, *Reads(session).mappings([row.id]))
    kind = object_type_of(ObjectTypes(session).get(row.object_type_id))
    if "name" in given:
        mappings.rename(row, given["name"])
    row.explode = given.get("explode", row.explode)
    if body.mappings is not None or "explode" in given:
        wanted = row.mappings if body.mappings is None else documented(body.mappings)
        row.mappings = _checked(wanted, kind, Datasets(session).get(row.dataset_id), row.explode)
    if "sync" in given:
        row.sync = _sync(row.sync if given["sync"] is not None else {}, given["sync"] or {}, kind)
    apply_common(change, "mapping", row, given)
    change.define("mapping.update", row, {"fields": sorted(given)})
    return _shown(session, [row])[0]


@router.delete("/{mapping_id}", status_code=204, responses=refusals(404, 409))
def delete_mapping(mapping_id: str, change: ChangeDep, deletion: DeletionDep) -> None:
    """Delete a mapping that no pipeline uses; the objects it wrote stay, they are their type's."""
    deletion.of(Mappings(change.session).get(mapping_id, lock=True))


@router.post(
    "/{mapping_id}/sync",
    dependencies=[MAPPING_USES],
    response_model=SyncOut,
    responses={**refusals(404, 409, 502, 503), 202: {"model": Accepted, "description": "It goes on"}},
)
async def sync_mapping(mapping_id: str, work: WorkDep, body: WorkIn | None = None) -> JSONResponse:
    """Bring the dataset's newest raw copy into objects, all or nothing. Waits as extracting does.

    A dry run counts what it would do, shows some of the rows it would reject, and keeps nothing.
    """

    def order(session: Session) -> Order:
        row = Mappings(session).get(mapping_id)
        given = body or WorkIn()
        return Order(RunKind.SYNC, row.id, row.name, "mapping.sync", given.parameters())

    return await work.carry_out(order, _synced, accepted)


router.include_router(rejects.router)


def documented(mappings: Mapping[str, PropertyIn]) -> dict[str, dict[str, Any]]:
    """The mappings in the document's form, without what is not set."""
    return {
        name: merged(
            {},
            {
                "sourceColumn": each.source_column,
                "transform": each.transform or None,
                "defaultValue": each.default_value,
            },
        )
        for name, each in mappings.items()
    }


def _checked(
    mappings: dict[str, dict[str, Any]], kind: ObjectType, dataset: DatasetRow, explode: str | None
) -> dict[str, dict[str, Any]]:
    """The mappings, which can be synced."""
    wanted = property_mappings(mappings)
    columns = None if dataset.columns is None else {str(each["name"]): str(each["type"]) for each in dataset.columns}
    check_mapping(wanted, kind, columns, explode)
    check_defaults(wanted, kind)
    transforms_that_compile(wanted)
    return mappings


def _check_preview(shim: Shim, caller: Caller, body: MappingPreview) -> None:
    with shim.platform.catalogue() as session:
        dataset = referred(Datasets(session), body.dataset_id, "datasetId")
        check_use(session, caller, dataset.source_id)
        with not_found_is("objectType"):
            kind = object_type_of(ObjectTypes(session).named(body.object_type))
    _checked(documented(body.mappings), kind, dataset, body.explode)


def _sync(kept: Mapping[str, Any], given: Mapping[str, Any], kind: ObjectType) -> dict[str, str]:
    wanted = merged(kept, {WORDS_OF_SYNC[name]: value for name, value in given.items()})
    return sync_settings(wanted, kind).as_json()


def _free_name(mappings: Mappings, wanted: str) -> str:
    for number in range(1, 1000):
        name = wanted[:190] if number == 1 else f"{wanted[:190]} ({number})"
        if mappings.by_slug(slug(name)) is None:
            return name
    raise Invalid.field("name", "is required: there are too many mappings without one")


def _shown(session: Session, rows: Sequence[MappingRow]) -> list[MappingOut]:
    types = ObjectTypes(session)
    names = {id: types.get(id).name for id in {row.object_type_id for row in rows}}
    schedules = (
        schedules_of(session, rows) if len(rows) > 1 else {row.id: Schedules(session).of(row.id) for row in rows}
    )
    return [MappingOut.of(row, names[row.object_type_id], schedules.get(row.id), now()) for row in rows]


def _synced(execution: Execution) -> SyncOut:
    run = succeeded(execution, Family.DATAOPS).run
    step = execution.steps[-1]
    ledger = Ledger(**step.ledger)
    return SyncOut(
        dry_run=step.dry_run or None,
        rejects=step.result.get("rejects") if step.dry_run else None,
        success=True,
        processed=ledger.read,
        succeeded=ledger.succeeded,
        failed=ledger.rejected,
        execution_id=run.id,
        inserted=ledger.inserted,
        updated=ledger.updated,
        unchanged=ledger.unchanged,
        filtered=ledger.filtered,
        deleted=ledger.deleted,
    )
