"""Suggestions for mappings: which property may a column become? A bounded read; nothing is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from api_shim.auth import Caller
from api_shim.bounded import bounded
from api_shim.checks import not_found_is, referred
from api_shim.dependencies import PROTECTED, CallerDep, ShimDep
from api_shim.grants import check_use, sources_for
from api_shim.schemas.base import refusals
from api_shim.schemas.suggestions import SuggestIn, SuggestOut
from api_shim.shim import Shim
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import DatasetRow
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.columns import Preview
from dataops_defs.errors import FieldProblem, Invalid, SourceError, SourceUnavailable, TooLarge
from dataops_defs.flows.extract_dataset import extraction_of
from dataops_defs.matching.fields import SourceField, Suggestion, TargetField
from dataops_defs.matching.request import sources_of, sources_of_rows, targets_of, targets_of_schema

router = APIRouter(prefix="/api/v1/dataops/mappings", tags=["dataops: mappings"], dependencies=PROTECTED)
SAMPLES = 20
SECONDS_FOR_SAMPLES, SECONDS = 8.0, 20.0
# One of each pair says what the columns are, and what the properties are.
FORMS = (("datasetId", "columns"), ("objectType", "properties"))


@dataclass(frozen=True)
class _Asked:
    """Both sides; the columns of a saved dataset are better known after a ``look`` at its first rows."""

    columns: list[SourceField]
    properties: list[TargetField]
    look: Callable[[], Preview] | None = None


@router.post("/suggest", responses=refusals(503), response_model=SuggestOut)
async def suggest_mapping(body: SuggestIn, shim: ShimDep, caller: CallerDep) -> dict[str, Any]:
    """Rank the properties that each column may become, with confidence and reasons."""
    _check_forms(body)
    asked = await run_in_threadpool(_asked, shim, caller, body)
    columns = await _seen(asked)
    try:
        return {"suggestions": await bounded(lambda: _suggestions(columns, asked.properties), SECONDS)}
    except SourceUnavailable:
        raise TooLarge(f"This takes longer than {SECONDS:.0f} seconds; send fewer columns or properties") from None


def _check_forms(body: SuggestIn) -> None:
    given = body.model_dump(by_alias=True, exclude_none=True, include={"dataset_id", "object_type"})
    given |= {name: True for name in ("columns", "properties") if getattr(body, name) is not None}
    wrong = [form for form in FORMS if sum(name in given for name in form) != 1]
    problems = [FieldProblem(saved, f"give either {saved} or {unsaved}") for saved, unsaved in wrong]
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)


def _asked(shim: Shim, caller: Caller, body: SuggestIn) -> _Asked:
    columns = sources_of([each.model_dump() for each in body.columns or ()])
    properties = targets_of([each.model_dump() for each in body.properties or ()])
    look = None
    with shim.platform.catalogue() as session:
        if body.object_type is not None:
            with not_found_is("objectType"):
                properties = targets_of_schema(ObjectTypes(session).named(body.object_type).schema)
        if body.dataset_id is not None:
            row = referred(Datasets(session), body.dataset_id, "datasetId")
            check_use(session, caller, row.source_id)
            columns = sources_of(row.columns or ())
            look = _look(shim, sources_for(session, shim, caller), row)
    return _Asked(columns, properties, look)


def _look(shim: Shim, sources: Sources, row: DatasetRow) -> Callable[[], Preview]:
    source, extraction = sources.opened(sources.get(row.source_id)), extraction_of(row)
    return lambda: shim.platform.open(source).preview(extraction, SAMPLES)


async def _seen(asked: _Asked) -> list[SourceField]:
    """The columns that the source gives now, with samples; those of the last extraction when it does not answer."""
    if asked.look is None:
        return asked.columns
    try:
        seen = await bounded(asked.look, SECONDS_FOR_SAMPLES)
    except SourceError:
        if not asked.columns:
            raise
        return asked.columns
    return sources_of_rows(seen.columns, seen.rows)


def _suggestions(columns: Sequence[SourceField], properties: Sequence[TargetField]) -> list[Suggestion]:
    # Here, so that a server nobody asks for suggestions starts without these libraries.
    from dataops_defs.adapters.embeddings import embed
    from dataops_defs.matching.suggest import suggest

    return suggest(columns, properties, embed)
