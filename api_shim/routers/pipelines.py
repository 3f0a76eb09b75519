"""Pipeline graphs: document 004, "Pipeline Visualization"."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api_shim.changes import apply_common, clear_schedule, refuse_nulls, schedules_of, set_schedule
from api_shim.dependencies import PROTECTED, Change, ChangeDep, ReadingDep
from api_shim.paging import LISTED, Page, SortedPage, count
from api_shim.runs import Execution, Order, WorkDep
from api_shim.schemas.base import refusals
from api_shim.schemas.executions import ExecutionOut
from api_shim.schemas.pipelines import (
    NodeIn,
    PipelineChange,
    PipelineCreate,
    PipelineOut,
    TemplateOut,
)
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import PipelineRow
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.run_lists import RunLists, Wanted
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.pipeline import REFERENCE, DefinitionStatus, NodeType, execution_order, nodes_of
from dataops_defs.domain.pipeline_templates import TEMPLATES
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import FieldProblem, Invalid

router = APIRouter(prefix="/api/v1/dataops/pipelines", tags=["dataops: pipelines"], dependencies=PROTECTED)
NEVER_NULL = ("name", "nodes", "edges", "status")


class PipelinePage(SortedPage):
    """Filters of the list."""

    app: str | None = None
    status: Literal["draft", "active", "paused", "error"] | None = None


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_pipelines(
    page: Annotated[PipelinePage, Query()], session: ReadingDep, response: Response
) -> list[PipelineOut]:
    """All pipelines, newest first."""
    rows, total = Pipelines(session).page(**page.arguments(app=page.app, status=page.status))
    count(response, total)
    schedules = schedules_of(session, rows)
    return [PipelineOut.of(row, schedules.get(row.id), now()) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_pipeline(body: PipelineCreate, change: ChangeDep) -> PipelineOut:
    """Draw a graph of sources, datasets and mappings."""
    nodes, edges = _checked(change, _documented(body.nodes), [each.given() for each in body.edges])
    row = PipelineRow(
        name=body.name,
        nodes=nodes,
        edges=edges,
        status=DefinitionStatus(body.status),
        app=body.app,
        description=body.description,
        owner=body.owner,
    )
    Pipelines(change.session).add(row)
    if body.schedule is not None:
        set_schedule(change, "pipeline", row, body.schedule.given())
    change.define("pipeline.create", row)
    return _shown(change.session, row)


@router.get("/templates", responses=refusals(), response_model_exclude_none=True)
def list_templates() -> list[TemplateOut]:
    """Graphs for common patterns, to be filled in."""
    return [TemplateOut.of(each) for each in TEMPLATES]


@router.get("/{pipeline_id}", responses=refusals(404), response_model_exclude_none=True)
def get_pipeline(pipeline_id: str, session: ReadingDep) -> PipelineOut:
    """One pipeline."""
    return _shown(session, Pipelines(session).get(pipeline_id))


@router.patch("/{pipeline_id}", responses=refusals(404, 409), response_model_exclude_none=True)
def change_pipeline(pipeline_id: str, body: PipelineChange, change: ChangeDep) -> PipelineOut:
    """Change a pipeline; ``status: paused`` holds its schedule back."""
    pipelines = Pipelines(change.session)
    row = pipelines.get(pipeline_id, lock=True)
    given = body.given()
    refuse_nulls(given, NEVER_NULL)
    if "name" in given:
        pipelines.rename(row, given["name"])
    if body.nodes is not None or body.edges is not None:
        nodes = row.nodes if body.nodes is None else _documented(body.nodes)
        edges = row.edges if body.edges is None else [each.given() for each in body.edges]
        row.nodes, row.edges = _checked(change, nodes, edges)
    apply_common(change, "pipeline", row, given)
    change.define("pipeline.update", row, {"fields": sorted(given)})
    return _shown(change.session, row)


@router.delete("/{pipeline_id}", status_code=204, responses=refusals(404, 409))
def delete_pipeline(pipeline_id: str, change: ChangeDep) -> None:
    """Delete a pipeline; its executions stay."""
    pipelines = Pipelines(change.session)
    row = pipelines.get(pipeline_id, lock=True)
    pipelines.remove(row)
    clear_schedule(change, row)
    change.define("pipeline.delete", row)


@router.post(
    "/{pipeline_id}/execute",
    response_model=ExecutionOut,
    responses={**refusals(404, 503), 202: {"model": ExecutionOut, "description": "It goes on"}},
)
async def execute_pipeline(pipeline_id: str, work: WorkDep) -> JSONResponse:
    """Do the work of every node. An execution that failed says so in its status and error, not in the HTTP status."""

    def order(session: Session) -> Order:
        row = Pipelines(session).get(pipeline_id)
        return Order(RunKind.PIPELINE, row.id, row.name, "pipeline.execute")

    return await work.carry_out(order, _executed, _executing)


@router.get("/{pipeline_id}/executions", responses={**refusals(404), **LISTED}, response_model_exclude_none=True)
def list_executions(
    pipeline_id: str, page: Annotated[Page, Query()], session: ReadingDep, response: Response
) -> list[ExecutionOut]:
    """Its executions with their progress, newest first."""
    row = Pipelines(session).get(pipeline_id)
    found, total = RunLists(session).page(Wanted(subject_id=row.id), limit=page.limit, offset=page.offset)
    count(response, total)
    return [ExecutionOut.listed(each) for each in found]


def _documented(nodes: Sequence[NodeIn]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "type": each.type,
            "data": each.data.model_dump(by_alias=True, exclude_none=True),
            "position": {"x": each.position.x, "y": each.position.y},
        }
        for each in nodes
    ]


def _checked(
    change: Change, nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    made = nodes_of(nodes)
    execution_order(made, edges)
    session = change.session
    repositories: dict[NodeType, Definitions[Any]] = {
        NodeType.SOURCE: Sources(session, change.shim.platform.keyring),
        NodeType.DATASET: Datasets(session),
        NodeType.MAPPING: Mappings(session),
    }
    problems = []
    stored = []
    for index, (node, given) in enumerate(zip(made, nodes, strict=True)):
        found = repositories[node.type].find(node.subject_id)
        if found is None:
            place = f"nodes.{index}.data.{REFERENCE[node.type]}"
            problems.append(FieldProblem(place, f"there is no {node.type} '{node.subject_id[:80]}'"))
        else:
            stored.append({**given, "data": {REFERENCE[node.type]: found.id}})
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
    return stored, [dict(edge) for edge in edges]


def _shown(session: Session, row: PipelineRow) -> PipelineOut:
    return PipelineOut.of(row, Schedules(session).of(row.id), now())


def _executed(execution: Execution) -> ExecutionOut:
    return ExecutionOut.of(execution.run, execution.steps)


def _executing(execution: Execution) -> ExecutionOut:
    reply = ExecutionOut.of(execution.run)
    reply.execution_id, reply.status_url = execution.run.id, execution.status_url
    return reply
