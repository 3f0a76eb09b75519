"""Executions: their answers, and those of work that goes on. Source: document 004, "Data Model"."""

from typing import Any

from pydantic import ConfigDict, Field

from api_shim.schemas.base import Moment, Reply
from dataops_defs.catalogue.models import RunRow, RunStepRow
from dataops_defs.domain.run import DATAOPS_WORDS, RunKind


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
