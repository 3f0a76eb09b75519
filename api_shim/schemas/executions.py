"""Executions: their answers, and those of work that goes on. Source: document 004, "Data Model"."""

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, Field, StrictBool

from api_shim.schemas.base import Moment, Reply, Request
from api_shim.schemas.execution_nodes import NodeOut
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.catalogue.run_lists import ListedRun
from dataops_defs.catalogue.run_nodes import NodeOfRun
from dataops_defs.domain.progress import percent, share_of_rows
from dataops_defs.domain.run import DATAOPS_WORDS, DRY_RUN, WAITING, RunKind, RunState
from dataops_defs.flows.rehearsal import is_dry

AS_THEY_STAND = (
    *("id", "subject_id", "records_processed", "records_succeeded", "records_failed", "error", "error_code"),
    *("cancel_requested", "trigger", "requested_by", "dagster_run_id"),
)
PERCENT: Any = Field(default=None, ge=0, le=100, description="Only where it is known; 100 when it has succeeded")


class WorkIn(Request):
    """How work is to be done; the whole body may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dryRun": True}]})
    dry_run: StrictBool = Field(default=False, description="Only tell what would become of each row; keep nothing")

    def parameters(self) -> dict[str, Any]:
        """The same as parameters of an execution."""
        return {DRY_RUN: True} if self.dry_run else {}


class RejectedOut(Reply):
    """A row that a dry run would reject."""

    row_number: int
    column: str | None = None
    reason: str
    raw: dict[str, Any]


class StepOut(Reply):
    """One piece of work of an execution."""

    kind: str
    subject_id: str
    name: str
    node_id: str | None = Field(default=None, description="The node of the pipeline graph that it is done for")
    status: str
    state: str
    started_at: Moment
    completed_at: Moment | None = None
    rows_done: int
    rows_total: int | None = None
    batches_done: int
    percent: float | None = PERCENT
    ledger: dict[str, int]
    uri: str | None = None
    checks: list[dict[str, Any]] = []
    rejects: list[RejectedOut] | None = Field(
        default=None, description="Of a dry run a few, 20 at most, for those who may use the source; none is kept"
    )
    error: str | None = None

    @classmethod
    def of(cls, row: RunStepRow) -> "StepOut":
        """The form of a step row."""
        return cls(
            kind=str(row.kind),
            subject_id=row.subject_id,
            name=row.subject_name,
            node_id=row.node_id,
            status=DATAOPS_WORDS[row.state],
            state=str(row.state),
            started_at=row.created_at,
            completed_at=row.finished_at,
            rows_done=row.rows_done,
            rows_total=row.rows_total,
            batches_done=row.batches_done,
            percent=percent_of(row),
            ledger=row.ledger,
            uri=None if row.dry_run else row.result.get("uri"),
            checks=row.result.get("checks", []),
            rejects=row.result.get("rejects") if row.dry_run else None,
            error=row.error,
        )


class ProgressOut(Reply):
    """How far an execution is. What cannot be known is left out."""

    rows_done: int
    rows_total: int | None = Field(default=None, description="Once every step has begun and knows its rows")
    batches_done: int
    steps_done: int
    steps_total: int | None = None
    percent: float | None = PERCENT
    seconds_left: float | None = Field(
        default=None, ge=0, description="At the pace since the start, interruptions included; while it runs"
    )
    rows_per_second: float | None = None


class ExecutionOut(Reply):
    """An execution; ``startedAt`` is when it was asked for while it waits.

    Status: running, paused, completed, failed, cancelled. State, the exact word: queued, starting, running, pausing,
    paused, succeeded, failed, cancelling, cancelled, timed_out.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f3a1-0000-7000-8000-000000000007",
                    "pipelineId": "0192f3a1-0000-7000-8000-000000000006",
                    "kind": "pipeline",
                    "dryRun": False,
                    "status": "completed",
                    "startedAt": "2025-11-02T10:00:00.000Z",
                    "completedAt": "2025-11-02T10:00:04.000Z",
                    "recordsProcessed": 1234,
                    "recordsSucceeded": 1230,
                    "recordsFailed": 4,
                    "cancelRequested": False,
                    "trigger": "rest",
                    "state": "succeeded",
                    "workersUsed": 1,
                    "progress": {
                        "rowsDone": 1234,
                        "rowsTotal": 1234,
                        "batchesDone": 2,
                        "stepsDone": 2,
                        "stepsTotal": 2,
                        "percent": 100.0,
                        "rowsPerSecond": 308.5,
                    },
                }
            ]
        }
    )
    id: str
    pipeline_id: str | None = None
    kind: str
    dry_run: bool = Field(default=False, description="It only told what would be done, and kept nothing")
    subject_id: str | None = None
    name: str | None = None
    status: str
    state: str
    progress: ProgressOut | None = Field(default=None, description="In lists, events and where one is asked for")
    waiting_since: Moment | None = Field(default=None, description="While nobody has begun with it")
    launch_error: str | None = Field(default=None, description="Why it still waits, where that is known")
    workers_used: int | None = Field(default=None, description="Above 1: it was continued after a pause or a death")
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
    nodes: list[NodeOut] | None = Field(default=None, description="Of a pipeline, where one is asked for and in events")
    steps: list[StepOut] | None = None

    @classmethod
    def of(
        cls, row: RunRow, steps: Sequence[RunStepRow] | None = None, nodes: Sequence[NodeOfRun] | None = None
    ) -> "ExecutionOut":
        """The form of a run record."""
        waits = row.state in WAITING
        return cls(
            **{name: getattr(row, name) for name in AS_THEY_STAND},
            pipeline_id=row.subject_id if row.kind is RunKind.PIPELINE else None,
            kind=str(row.kind),
            dry_run=is_dry(row),
            name=row.subject_name,
            status=DATAOPS_WORDS[row.state],
            state=str(row.state),
            waiting_since=row.created_at if waits and row.started_at is None else None,
            launch_error=row.launch_error if waits else None,
            workers_used=row.epoch or None,
            started_at=row.started_at or row.created_at,
            completed_at=row.finished_at,
            nodes=None if nodes is None else [NodeOut.of(each) for each in nodes],
            steps=None if steps is None else [StepOut.of(each) for each in steps],
        )

    @classmethod
    def listed(
        cls,
        found: ListedRun,
        steps: Sequence[RunStepRow] | None = None,
        nodes: Sequence[NodeOfRun] | None = None,
    ) -> "ExecutionOut":
        """The form that tells the progress: that of lists, of events with nodes, of one execution with steps too."""
        made = cls.of(found.run, steps, nodes)
        made.progress = ProgressOut.model_validate(found.progress)
        return made


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


def percent_of(step: RunStepRow) -> float | None:
    """How far a step is; None where that is not known."""
    share = 1.0 if step.state is RunState.SUCCEEDED else share_of_rows(step.rows_done, step.rows_total)
    return None if share is None else percent(share, step.state)
