"""Pipeline graphs and executions of document 004."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from api_shim.schemas.base import App, Description, Id, Moment, Name, Owner, Reply, Request, ScheduleIn, ScheduleOut
from api_shim.schemas.datasets import Status
from dataops_defs.catalogue.models import PipelineRow, RunRow, RunStepRow, ScheduleRow
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind

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


class PipelineOut(Reply):
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
    id: str
    name: str
    slug: str
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    schedule: ScheduleOut | None = None
    status: str
    app: str
    description: str | None = None
    owner: str | None = None
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, row: PipelineRow, schedule: ScheduleRow | None, moment: datetime) -> "PipelineOut":
        """The form of a pipeline row and its schedule."""
        same = ("id", "name", "slug", "nodes", "edges", "app", "description", "owner", "created_at", "updated_at")
        return cls(
            **{name: getattr(row, name) for name in same},
            status=str(row.status),
            schedule=ScheduleOut.of(schedule, moment) if schedule else None,
        )


class StepOut(Reply):
    """One piece of work of an execution."""

    kind: str
    subject_id: str
    name: str
    status: str
    started_at: Moment
    completed_at: Moment | None = None
    rows_done: int
    ledger: dict[str, int]
    uri: str | None = None
    checks: list[dict[str, Any]] = []
    error: str | None = None

    @classmethod
    def of(cls, row: RunStepRow) -> "StepOut":
        """The form of a step row."""
        return cls(
            kind=str(row.kind),
            subject_id=row.subject_id,
            name=row.subject_name,
            status=DATAOPS_WORDS[row.state],
            started_at=row.created_at,
            completed_at=row.finished_at,
            rows_done=row.rows_done,
            ledger=row.ledger,
            uri=row.result.get("uri"),
            checks=row.result.get("checks", []),
            error=row.error,
        )


class ExecutionOut(Reply):
    """An execution; ``startedAt`` is when it was asked for while it waits. Status: running, completed, failed,
    cancelled."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f3a1-0000-7000-8000-000000000007",
                    "pipelineId": "0192f3a1-0000-7000-8000-000000000006",
                    "kind": "pipeline",
                    "status": "completed",
                    "startedAt": "2025-11-02T10:00:00.000Z",
                    "completedAt": "2025-11-02T10:00:04.000Z",
                    "recordsProcessed": 1234,
                    "recordsSucceeded": 1230,
                    "recordsFailed": 4,
                    "cancelRequested": False,
                    "trigger": "rest",
                }
            ]
        }
    )
    id: str
    pipeline_id: str | None = None
    kind: str
    subject_id: str | None = None
    name: str | None = None
    status: str
    started_at: Moment
    completed_at: Moment | None = None
    records_processed: int
    records_succeeded: int
    records_failed: int
    error: str | None = None
    error_code: str | None = None
    cancel_requested: bool
    trigger: str
    requested_by: str | None = None
    dagster_run_id: str | None = None
    execution_id: str | None = Field(default=None, description="On 202 only: the same as id")
    status_url: str | None = Field(default=None, description="On 202 only")
    steps: list[StepOut] | None = None

    @classmethod
    def of(cls, row: RunRow, steps: list[RunStepRow] | None = None) -> "ExecutionOut":
        """The form of a run record."""
        same = ("id", "subject_id", "records_processed", "records_succeeded", "records_failed", "error")
        return cls(
            **{name: getattr(row, name) for name in (*same, "error_code", "cancel_requested", "trigger")},
            pipeline_id=row.subject_id if row.kind is RunKind.PIPELINE else None,
            kind=str(row.kind),
            name=row.subject_name,
            status=DATAOPS_WORDS[row.state],
            started_at=row.started_at or row.created_at,
            completed_at=row.finished_at,
            requested_by=row.requested_by,
            dagster_run_id=row.dagster_run_id,
            steps=None if steps is None else [StepOut.of(each) for each in steps],
        )


class Accepted(Reply):
    """Work that goes on: ask ``statusUrl`` how it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "executionId": "0192f3a1-0000-7000-8000-000000000007",
                    "statusUrl": "/api/v1/dataops/executions/0192f3a1-0000-7000-8000-000000000007",
                    "status": "running",
                }
            ]
        }
    )
    execution_id: str
    status_url: str
    status: str


class HistoryOut(Reply):
    """One extraction of a dataset, whatever run it was part of."""

    execution_id: str
    status: str
    started_at: Moment
    completed_at: Moment | None = None
    records: int | None = None
    rejected: int | None = None
    s3_path: str | None = Field(default=None, alias="s3Path")
    error: str | None = None

    @classmethod
    def of(cls, row: RunStepRow) -> "HistoryOut":
        """The form of a step row."""
        return cls(
            execution_id=row.run_id,
            status=DATAOPS_WORDS[row.state],
            started_at=row.created_at,
            completed_at=row.finished_at,
            records=row.ledger.get("inserted"),
            rejected=row.ledger.get("rejected"),
            s3_path=row.result.get("uri"),
            error=row.error,
        )
