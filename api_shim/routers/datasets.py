"""Datasets: document 004, "Dataset Extraction"."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api_shim.answers import Family
from api_shim.auth import Caller
from api_shim.bounded import bounded
from api_shim.changes import apply_common, refuse_nulls, schedules_of, set_schedule
from api_shim.checks import merged, query_that_reads, referred
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, CallerDep, Change, ChangeDep, ReadingDep, ShimDep
from api_shim.grants import DATASET_USES, check_use, sources_for
from api_shim.paging import LISTED, Page, SortedPage, count
from api_shim.rejects import RejectOut, RejectPage, rejected_rows
from api_shim.runs import Execution, Order, WorkDep, accepted, succeeded
from api_shim.schemas.base import refusals
from api_shim.schemas.datasets import (
    DatasetChange,
    DatasetCreate,
    DatasetOut,
    DatasetPreview,
    ExtractIn,
    ExtractOut,
    HistoryOut,
    PreviewOut,
    RowLimit,
)
from api_shim.schemas.executions import Accepted
from api_shim.shim import Shim
from dataops_defs.adapters.storage.roots import check_path
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import DatasetRow, SourceRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.tokens import Role
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.dataset import DEFAULT_BUCKET
from dataops_defs.domain.drift import SchemaPolicy
from dataops_defs.domain.extraction import TYPES_OF_SOURCE, Extraction, ExtractionType, extraction
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import FULL, RunKind
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Conflict, Forbidden
from dataops_defs.flows.extract_dataset import extraction_of

router = APIRouter(prefix="/api/v1/dataops/datasets", tags=["dataops: datasets"], dependencies=PROTECTED)
NEVER_NULL = ("name", "source_id", "extraction", "status", "schema_policy")


class DatasetPage(SortedPage):
    """Filters of the list."""

    source_id: str | None = None
    app: str | None = None


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_datasets(page: Annotated[DatasetPage, Query()], session: ReadingDep, response: Response) -> list[DatasetOut]:
    """All datasets, newest first."""
    rows, total = Datasets(session).page(**page.arguments(source_id=page.source_id, app=page.app))
    count(response, total)
    schedules = schedules_of(session, rows)
    return [DatasetOut.of(row, schedules.get(row.id), now()) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_dataset(body: DatasetCreate, change: ChangeDep) -> DatasetOut:
    """Define what is extracted from a source."""
    source = _source(change, body.source_id)
    wanted = _checked(change.shim, source, body.extraction.as_printed() if body.extraction else None)
    storage = body.storage.given() if body.storage else {}
    row = DatasetRow(
        name=body.name,
        source_id=source.id,
        extraction=wanted.as_json(),
        storage=_storage({}, storage, body.app),
        status=DefinitionStatus(body.status),
        schema_policy=SchemaPolicy(body.schema_policy),
        app=body.app,
        description=body.description,
        owner=body.owner,
    )
    Datasets(change.session).add(row)
    if body.schedule is not None:
        set_schedule(change, "dataset", row, body.schedule.given())
    change.define("dataset.create", row)
    return _shown(change.session, row)


@router.post("/preview", responses=refusals(), response_model=PreviewOut)
async def preview_unsaved_dataset(body: DatasetPreview, shim: ShimDep, caller: CallerDep) -> Preview:
    """Look at the first rows before anything is saved."""
    source, wanted = await run_in_threadpool(_to_look_into, shim, caller, body)
    return await bounded(lambda: shim.platform.open(source).preview(wanted, body.limit))


@router.get("/{dataset_id}", responses=refusals(404), response_model_exclude_none=True)
def get_dataset(dataset_id: str, session: ReadingDep) -> DatasetOut:
    """One dataset."""
    return _shown(session, Datasets(session).get(dataset_id))


@router.patch(
    "/{dataset_id}", responses=refusals(404, 409), response_model_exclude_none=True, dependencies=[DATASET_USES]
)
def change_dataset(dataset_id: str, body: DatasetChange, change: ChangeDep) -> DatasetOut:
    """Change a dataset; ``status: paused`` holds its schedule back."""
    datasets = Datasets(change.session)
    row = datasets.get(dataset_id, lock=True)
    given = body.given()
    refuse_nulls(given, NEVER_NULL)
    if "name" in given:
        datasets.rename(row, given["name"])
    if "source_id" in given or "extraction" in given:
        _read_otherwise(change, row, body)
    if "schema_policy" in given:
        row.schema_policy = SchemaPolicy(given["schema_policy"])
    if "storage" in given:
        row.storage = _storage(row.storage, given["storage"] or {}, row.app)
    apply_common(change, "dataset", row, given)
    change.define("dataset.update", row, {"fields": sorted(given)})
    return _shown(change.session, row)


@router.delete("/{dataset_id}", status_code=204, responses=refusals(404, 409), dependencies=[DATASET_USES])
def delete_dataset(dataset_id: str, change: ChangeDep, deletion: DeletionDep) -> None:
    """Delete a dataset that nothing is built on; its raw copies stay unless they are dropped too, its history stays."""
    deletion.of(Datasets(change.session).get(dataset_id, lock=True))


@router.post(
    "/{dataset_id}/extract",
    dependencies=[DATASET_USES],
    response_model=ExtractOut,
    responses={**refusals(404, 409, 502, 503), 202: {"model": Accepted, "description": "It goes on"}},
)
async def extract_dataset(dataset_id: str, work: WorkDep, body: ExtractIn | None = None) -> JSONResponse:
    """Extract into the raw store. Waits for the end, 25 seconds at most; ``Prefer: respond-async`` does not wait.

    Of an incremental dataset what is new is read, or with ``full`` all rows. A dry run reads the source and counts, and
    keeps nothing.
    """
    given = body or ExtractIn()
    wishes = given.parameters() | ({FULL: True} if given.full else {})

    def order(session: Session) -> Order:
        row = Datasets(session).get(dataset_id)
        return Order(RunKind.EXTRACT, row.id, row.name, "dataset.extract", wishes)

    return await work.carry_out(order, _extracted, accepted)


@router.post(
    "/{dataset_id}/schema/accept",
    responses=refusals(404, 409),
    response_model_exclude_none=True,
    dependencies=[DATASET_USES],
)
def accept_schema(dataset_id: str, change: ChangeDep) -> DatasetOut:
    """Accept columns that have changed: a copy in quarantine becomes current; under ``freeze`` the next extraction may
    have them.
    """
    datasets = Datasets(change.session)
    row = datasets.get(dataset_id, lock=True)
    waiting = dict(row.waiting or {})
    if "uri" in waiting and not change.shim.platform.raw_store.exists(waiting["uri"]):
        raise Conflict(f"The copy of '{row.name}' that waits is gone from the raw store; extract the dataset again")
    datasets.accept(row)
    detail = {"name": row.name, "drift": waiting["drift"], "s3Path": waiting.get("uri")}
    change.note("dataset.schema.accept", row.id, detail)
    change.session.flush()
    return _shown(change.session, row)


@router.get("/{dataset_id}/preview", responses=refusals(404), response_model=PreviewOut, dependencies=[DATASET_USES])
async def preview_dataset(dataset_id: str, shim: ShimDep, caller: CallerDep, limit: RowLimit = 5) -> Preview:
    """The first rows that its source gives now."""
    source, wanted = await run_in_threadpool(_saved, shim, caller, dataset_id)
    return await bounded(lambda: shim.platform.open(source).preview(wanted, limit))


@router.get("/{dataset_id}/history", responses={**refusals(404), **LISTED}, response_model_exclude_none=True)
def dataset_history(
    dataset_id: str, page: Annotated[Page, Query()], session: ReadingDep, response: Response
) -> list[HistoryOut]:
    """Its extractions, newest first."""
    row = Datasets(session).get(dataset_id)
    runs = Runs(session)
    count(response, runs.count_history(row.id))
    return [HistoryOut.of(each) for each in runs.history(row.id, limit=page.limit, offset=page.offset)]


@router.get("/{dataset_id}/rejects", responses={**refusals(404, 503), **LISTED}, dependencies=[DATASET_USES])
def list_rejects(
    dataset_id: str, page: Annotated[RejectPage, Query()], session: ReadingDep, shim: ShimDep, response: Response
) -> list[RejectOut]:
    """Rows that an extraction could not read, newest extraction first."""
    return rejected_rows(shim, Datasets(session).get(dataset_id).id, page, response)


def _source(change: Change, source_id: str) -> SourceRow:
    source = referred(sources_for(change.session, change.shim, change.caller), source_id, "sourceId")
    check_use(change.session, change.caller, source.id)
    return source


def _checked(shim: Shim, source: SourceRow, given: Mapping[str, Any] | None) -> Extraction:
    kind = SourceType(source.type)
    wanted = extraction(given or {"type": str(TYPES_OF_SOURCE[kind])}, kind)
    if wanted.type is ExtractionType.SQL:
        query_that_reads(shim.settings, kind, wanted.query or "", "extraction.query")
    if wanted.path is not None:
        check_path(shim.settings.roots, wanted.path, field="extraction.path")
    return wanted


def _storage(kept: Mapping[str, Any], given: Mapping[str, Any], app: str) -> dict[str, Any]:
    storage = merged(kept, given)
    return {"bucket": storage.get("bucket") or DEFAULT_BUCKET, "prefix": storage.get("prefix") or app}


def _read_otherwise(change: Change, row: DatasetRow, body: DatasetChange) -> None:
    source = _source(change, body.source_id or row.source_id)
    row.source_id = source.id
    wanted = body.extraction.as_printed() if body.extraction else row.extraction
    reads = _checked(change.shim, source, wanted).as_json()
    if reads != row.extraction or body.source_id is not None:
        row.waiting = row.accepted = None  # they were columns of what was read before
    row.extraction = reads


def _shown(session: Session, row: DatasetRow) -> DatasetOut:
    return DatasetOut.of(row, Schedules(session).of(row.id), now())


def _to_look_into(shim: Shim, caller: Caller, body: DatasetPreview) -> tuple[Source, Extraction]:
    with shim.platform.catalogue() as session:
        sources = sources_for(session, shim, caller)
        row = referred(sources, body.source_id, "sourceId")
        wanted = _checked(shim, row, body.extraction.as_printed() if body.extraction else None)
        if wanted.method != "GET" and caller.role < Role.EDITOR:
            raise Forbidden("What a POST does is up to the API; this takes an editor's token")
        return sources.opened(row), wanted


def _saved(shim: Shim, caller: Caller, dataset_id: str) -> tuple[Source, Extraction]:
    with shim.platform.catalogue() as session:
        row = Datasets(session).get(dataset_id)
        sources = sources_for(session, shim, caller)
        return sources.opened(sources.get(row.source_id)), extraction_of(row)


def _extracted(execution: Execution) -> ExtractOut:
    return ExtractOut.of(succeeded(execution, Family.DATAOPS).steps[-1])
