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
    Request,
    ScheduledOut,
    ScheduleIn,
)
from api_shim.schemas.datasets import Status
from dataops_defs.catalogue.models import PipelineRow, ScheduleRow

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


class PipelineCreate(Request):
    """A new pipeline graph."""

    model_config = ConfigDict(json_schema_extra={"examples": [AIRCRAFT]})
    name: Name
    nodes: list[NodeIn]
    edges: list[EdgeIn]
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

    @classmethod
    def of(cls, row: PipelineRow, schedule: ScheduleRow | None, moment: datetime) -> "PipelineOut":
        """The form of a pipeline row and its schedule."""
        return cls.scheduled(row, schedule, moment, "nodes", "edges")
