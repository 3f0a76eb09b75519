"""Pipeline graphs: document 004, "Pipeline Visualization"."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api_shim.auth import Caller
from api_shim.changes import apply_common, refuse_nulls, schedules_of, set_schedule
from api_shim.deleting import DeletionDep
from api_shim.dependencies import PROTECTED, CallerDep, Change, ChangeDep, ReadingDep
from api_shim.grants import PIPELINE_USES, check_use
from api_shim.paging import LISTED, Page, SortedPage, count
from api_shim.runs import Execution, Order, WorkDep
from api_shim.schemas.base import Problem, refusals
from api_shim.schemas.executions import ExecutionOut, WorkIn
from api_shim.schemas.pipelines import (
    EdgeIn,
    GraphIn,
    GraphOut,
    NodeIn,
    PipelineChange,
    PipelineCreate,
    PipelineOut,
    TemplateOut,
)
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.grants import Reads
from dataops_defs.catalogue.models import PipelineRow
from dataops_defs.catalogue.pipelines import Pipelines, subjects_of
from dataops_defs.catalogue.run_lists import RunLists, Wanted
from dataops_defs.catalogue.run_nodes import RunNodes
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.domain.pipeline import REFERENCE, DefinitionStatus, Drawn, NodeType
from dataops_defs.domain.pipeline_graph import (
    graph_problems,
    graph_warnings,
    nodes_in_order,
    refuse,
    subject_problems,
)
from dataops_defs.domain.pipeline_templates import TEMPLATES
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import FieldProblem

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
    newest = {
        run.subject_id: ExecutionOut.listed(each)
        for each in RunLists(session).newest_of([row.id for row in rows])
        if (run := each.run)
    }
    return [PipelineOut.of(row, schedules.get(row.id), now(), newest.get(row.id)) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_pipeline(body: PipelineCreate, change: ChangeDep) -> PipelineOut:
    """Draw a graph of sources, datasets and mappings."""
    nodes, edges = _nodes(body.nodes), _edges(body.edges)
    _refuse(change, nodes, edges)
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


@router.post("/validate", responses=refusals())
def validate_graph(body: GraphIn, session: ReadingDep, caller: CallerDep) -> GraphOut:
    """Whether a graph could be saved and run; names every problem with its field, and saves nothing."""
    nodes, edges = _nodes(body.nodes), _edges(body.edges)
    problems = _problems(session, caller, nodes, edges)
    return GraphOut(
        valid=not problems,
        errors=[Problem.model_validate(each) for each in problems],
        warnings=[Problem.model_validate(each) for each in graph_warnings(nodes, edges)],
        order=[] if problems else [node.id for node in nodes_in_order(nodes, edges)],
    )


@router.get("/templates", responses=refusals(), response_model_exclude_none=True)
def list_templates() -> list[TemplateOut]:
    """Graphs for common patterns, to be filled in."""
    return [TemplateOut.of(each) for each in TEMPLATES]


@router.get("/{pipeline_id}", responses=refusals(404), response_model_exclude_none=True)
def get_pipeline(pipeline_id: str, session: ReadingDep) -> PipelineOut:
    """One pipeline, with its newest execution and how each node of that is."""
    return _shown(session, Pipelines(session).get(pipeline_id))


@router.patch(
    "/{pipeline_id}", responses=refusals(404, 409), response_model_exclude_none=True, dependencies=[PIPELINE_USES]
)
def change_pipeline(pipeline_id: str, body: PipelineChange, change: ChangeDep) -> PipelineOut:
    """Change a pipeline; ``status: paused`` holds its schedule back."""
    pipelines = Pipelines(change.session)
    row = pipelines.get(pipeline_id, lock=True)
    given = body.given()
    refuse_nulls(given, NEVER_NULL)
    if "name" in given:
        pipelines.rename(row, given["name"])
    if body.nodes is not None or body.edges is not None:
        nodes = row.nodes if body.nodes is None else _nodes(body.nodes)
        edges = row.edges if body.edges is None else _edges(body.edges)
        _refuse(change, nodes, edges)
        row.nodes, row.edges = nodes, edges
    apply_common(change, "pipeline", row, given)
    change.define("pipeline.update", row, {"fields": sorted(given)})
    return _shown(change.session, row)


@router.delete("/{pipeline_id}", status_code=204, responses=refusals(404, 409), dependencies=[PIPELINE_USES])
def delete_pipeline(pipeline_id: str, change: ChangeDep, deletion: DeletionDep) -> None:
    """Delete a pipeline that no trigger runs; its executions stay."""
    deletion.of(Pipelines(change.session).get(pipeline_id, lock=True))


@router.post(
    "/{pipeline_id}/execute",
    dependencies=[PIPELINE_USES],
    response_model=ExecutionOut,
    responses={**refusals(404, 503), 202: {"model": ExecutionOut, "description": "It goes on"}},
)
async def execute_pipeline(
    pipeline_id: str, work: WorkDep, caller: CallerDep, body: WorkIn | None = None
) -> JSONResponse:
    """Do the work of every node, in the order of the edges.

    A node that fails keeps those that depend on it from running; the others are done. An execution with a failed node
    is `failed`, its error names them, and so does each node in `nodes`; the HTTP status does not.

    A dry run does all of it and keeps nothing: the `ledger` of each node tells what would be inserted, updated, left
    alone, deleted and rejected, its step in `steps` shows some of the rows that would be rejected. Each node is counted
    against what is there now, not against what the nodes before it would have written.
    """

    def order(session: Session) -> Order:
        row = Pipelines(session).get(pipeline_id)
        given = body or WorkIn()
        if given.dry_run:
            check_use(session, caller, *Reads(session).rows(*_readers(row.nodes)))
        return Order(RunKind.PIPELINE, row.id, row.name, "pipeline.execute", given.parameters())

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


def _nodes(given: Sequence[NodeIn]) -> list[dict[str, Any]]:
    """Nodes as they are stored: each with the reference of its type only."""
    return [
        {
            "id": each.id,
            "type": each.type,
            "data": _reference(each),
            "position": {"x": each.position.x, "y": each.position.y},
        }
        for each in given
    ]


def _reference(node: NodeIn) -> dict[str, str]:
    name = REFERENCE[NodeType(node.type)] if node.type in set(NodeType) else ""
    given: dict[str, str] = node.data.model_dump(by_alias=True, exclude_none=True)
    return {name: as_uuid(given[name]) or given[name]} if name in given else {}


def _readers(nodes: Sequence[Drawn]) -> list[list[str]]:
    """Ids of the datasets and of the mappings of a graph."""
    kinds = (NodeType.DATASET, NodeType.MAPPING)
    return [[node["data"][REFERENCE[kind]] for node in nodes if node["type"] == kind] for kind in kinds]


def _edges(given: Sequence[EdgeIn]) -> list[dict[str, Any]]:
    return [each.given() for each in given]


def _refuse(change: Change, nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> None:
    refuse(_problems(change.session, change.caller, nodes, edges))
    check_use(change.session, change.caller, *Reads(change.session).nodes(nodes))


def _problems(session: Session, caller: Caller, nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> list[FieldProblem]:
    found = graph_problems(nodes, edges)
    return found + subject_problems(nodes, edges, subjects_of(session, nodes, caller.holder))


def _shown(session: Session, row: PipelineRow) -> PipelineOut:
    last = None
    for found in RunLists(session).newest_of([row.id]):
        last = ExecutionOut.listed(found, nodes=RunNodes(session).of([found.run]).get(found.run.id))
    return PipelineOut.of(row, Schedules(session).of(row.id), now(), last)


def _executed(execution: Execution) -> ExecutionOut:
    return ExecutionOut.of(execution.run, execution.steps, execution.nodes)


def _executing(execution: Execution) -> ExecutionOut:
    reply = ExecutionOut.of(execution.run, nodes=execution.nodes)
    reply.execution_id, reply.status_url = execution.run.id, execution.status_url
    return reply
