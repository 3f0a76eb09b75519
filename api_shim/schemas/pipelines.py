"""Pipeline graphs and executions of document 004."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api_shim.schemas.base import (
    App,
    Description,
    Id,
    Name,
    Owner,
    Problem,
    Reply,
    Request,
    ScheduledOut,
    ScheduleIn,
)
from api_shim.schemas.datasets import Status
from api_shim.schemas.executions import ExecutionOut
from dataops_defs.catalogue.models import PipelineRow, ScheduleRow
from dataops_defs.domain.pipeline_templates import PipelineTemplate

AIRCRAFT: dict[str, Any] = {
    "name": "Aircraft Data Pipeline",
    "nodes": [
        {
            "id": "src-1",
            "type": "source",
            "data": {"sourceId": "0192f3a1-0000-7000-8000-000000000001"},
            "position": {"x": 0, "y": 100},
        },
        {
            "id": "ds-1",
            "type": "dataset",
            "data": {"datasetId": "0192f3a1-0000-7000-8000-000000000002"},
            "position": {"x": 300, "y": 100},
        },
        {
            "id": "map-1",
            "type": "mapping",
            "data": {"mappingId": "0192f3a1-0000-7000-8000-000000000004"},
            "position": {"x": 600, "y": 100},
        },
    ],
    "edges": [
        {"id": "e1", "source": "src-1", "target": "ds-1"},
        {"id": "e2", "source": "ds-1", "target": "map-1"},
    ],
}


class Position(Request):
    """Where a node stands on the canvas."""

    x: float = Field(default=0, allow_inf_nan=False)
    y: float = Field(default=0, allow_inf_nan=False)


class NodeData(Request):
    """What a node stands for: one of the three."""

    source_id: Id | None = None
    dataset_id: Id | None = None
    mapping_id: Id | None = None


class NodeIn(Request):
    """One node."""

    id: str = Field(min_length=1, max_length=100)
    type: str = Field(max_length=50, description="source, dataset or mapping")
    data: NodeData
    position: Position = Position()


class EdgeIn(Request):
    """What comes first, and what then."""

    id: str = Field(min_length=1, max_length=100)
    source: str = Field(max_length=100, description="Id of a node")
    target: str = Field(max_length=100, description="Id of a node")


class GraphIn(Request):
    """A graph that is not saved."""

    model_config = ConfigDict(json_schema_extra={"examples": [{name: AIRCRAFT[name] for name in ("nodes", "edges")}]})
    nodes: list[NodeIn]
    edges: list[EdgeIn]


class GraphOut(Reply):
    """Whether a graph can run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "valid": False,
                    "errors": [{"field": "edges.1.target", "message": "'map-2' is not a node of this graph"}],
                    "warnings": [],
                    "order": [],
                }
            ]
        }
    )
    valid: bool
    errors: list[Problem] = Field(description="Every problem, with its field: what saving it would be refused for")
    warnings: list[Problem] = Field(description="What may be meant so, and often is not")
    order: list[str] = Field(description="Ids of the nodes in the order of work; empty for a graph that cannot run")


class PipelineCreate(GraphIn):
    """A new pipeline graph."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name
    schedule: ScheduleIn | None = None
    status: Status = "active"
    app: App = "default"
    description: Description | None = None
    owner: Owner | None = None


class PipelineChange(Request):
    """A changed graph. Nodes and edges are replaced as a whole; ``status: paused`` holds its schedule back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "paused"}]})
    name: Name | None = None
    nodes: list[NodeIn] | None = None
    edges: list[EdgeIn] | None = None
    schedule: ScheduleIn | None = None
    status: Status | None = None
    description: Description | None = None
    owner: Owner | None = None


class PipelineOut(ScheduledOut):
    """A pipeline graph."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                AIRCRAFT
                | {
                    "id": "0192f3a1-0000-7000-8000-000000000006",
                    "slug": "aircraft_data_pipeline",
                    "status": "active",
                    "app": "default",
                    "createdAt": "2025-11-02T10:00:00.000Z",
                    "updatedAt": "2025-11-02T10:00:00.000Z",
                }
            ]
        }
    )
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    last_execution: ExecutionOut | None = Field(default=None, description="The newest; with its nodes outside of lists")

    @classmethod
    def of(
        cls, row: PipelineRow, schedule: ScheduleRow | None, moment: datetime, last: ExecutionOut | None = None
    ) -> "PipelineOut":
        """The form of a pipeline row, its schedule and its newest execution."""
        return cls.scheduled(row, schedule, moment, "nodes", "edges", last_execution=last)


class TemplateOut(Reply):
    """A graph to begin with. Give each node its ``data``, and it is a request for ``POST /pipelines``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "database-to-objects",
                    "name": "Database to objects",
                    "description": "Every night a query's rows become objects.",
                    "sourceTypes": ["postgres", "mysql"],
                    "nodes": [{"id": "src-1", "type": "source", "data": {}, "position": {"x": 0, "y": 100}}],
                    "edges": [],
                    "labels": {"src-1": "Database"},
                    "syncMode": "upsert",
                    "schedule": {"enabled": True, "cron": "0 2 * * *", "timezone": "UTC"},
                }
            ]
        }
    )
    id: str
    name: str
    description: str
    source_types: list[str]
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    labels: dict[str, str] = Field(description="What belongs into each node, by its id")
    sync_mode: str
    schedule: dict[str, Any] | None = None

    @classmethod
    def of(cls, template: PipelineTemplate) -> "TemplateOut":
        """The form of a template."""
        nodes = [
            {"id": each.id, "type": str(each.type), "data": {}, "position": {"x": each.x, "y": each.y}}
            for each in template.nodes
        ]
        edges = [{"id": f"e{n}", "source": a, "target": b} for n, (a, b) in enumerate(template.edges, start=1)]
        schedule = {"enabled": True, "cron": template.cron, "timezone": "UTC"} if template.cron else None
        return cls(
            id=template.id,
            name=template.name,
            description=template.description,
            source_types=[str(each) for each in template.source_types],
            nodes=nodes,
            edges=edges,
            labels={each.id: each.label for each in template.nodes},
            sync_mode=template.sync_mode,
            schedule=schedule,
        )
