"""Triggers of document 000; snake_case, as printed."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, model_serializer

from api_shim.schemas.base import Id, Moment, Name
from api_shim.schemas.datamarts import Snake
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.pipeline_registry import Pipeline
from dataops_defs.catalogue.trigger_history import Counts, executed_at
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import public_id, status_of
from dataops_defs.domain.schedule import Schedule
from dataops_defs.domain.trigger import EMAIL, HISTORY_WORDS, PARAMETERS, TriggerType
from dataops_defs.flows.trigger_orders import public_run_id

Parameters = dict[str, JsonValue]
CREATE: dict[str, Any] = {
    "name": "daily_customer_sync",
    "pipeline_id": "pipe_customer_sync_001",
    "trigger_type": "cron",
    "cron_schedule": "0 2 * * *",
    "enabled": True,
    "parameters": {"date": "{{ execution_date }}", "full_refresh": False},
}
MANUAL: dict[str, Any] = {
    "parameters": {"date": "2024-06-30", "full_refresh": True, "notification_email": "data-team@company.com"}
}
TEMPLATES = (
    "Texts may hold {{ execution_date }}, {{ execution_datetime }}, {{ previous_execution_date }}, {{ run_id }},"
    " {{ trigger_name }}, {{ pipeline_name }}; of file triggers {{ file_path }} and {{ file_name }}, of webhooks"
    ' {{ payload.a.b }}; with | days(-1), | hours(2), | format("%Y%m%d"), | default("none").'
    " full_refresh: true has everything read again; notification_email gets mail when the run has ended"
)
LISTED: dict[str, Any] = {
    "trigger_id": "trigger_abc123",
    "name": "daily_customer_sync",
    "pipeline_id": "pipe_customer_sync_001",
    "trigger_type": "cron",
    "cron_schedule": "0 2 * * *",
    "status": "active",
    "last_execution": "2024-06-30T02:00:15Z",
    "next_execution": "2024-07-01T02:00:00Z",
    "execution_count": 127,
    "success_rate": 0.96,
}


class FileWanted(BaseModel):
    """Which files fire a file trigger: those below a folder whose name matches a pattern."""

    model_config = ConfigDict(extra="forbid")
    folder_path: str = Field(min_length=1, max_length=4096)
    patterns: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default=["*"], min_length=1, max_length=20, examples=[["*.csv", "*.xlsx"]]
    )
    recursive: StrictBool = False


class TriggerCreate(BaseModel):
    """A new trigger. Source: document 000, "Create Trigger"."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CREATE]})
    name: Name
    pipeline_id: str = Field(min_length=1, max_length=200, description="The id or the name of a pipeline")
    trigger_type: TriggerType
    cron_schedule: str | None = Field(default=None, max_length=100, description="Five fields; of a cron trigger")
    enabled: StrictBool = Field(default=True, description="False: it is made paused")
    parameters: Parameters = Field(default_factory=dict, description=TEMPLATES)
    timezone: str = Field(default="UTC", max_length=60, description="IANA name; in which ticks and dates are told")
    file: FileWanted | None = Field(default=None, description="Of a file trigger")


class ManualRun(BaseModel):
    """A run that is asked for by hand. Source: document 000, "Manual Trigger"."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [MANUAL]})
    parameters: Parameters = Field(default_factory=dict, description=TEMPLATES)
    trigger_id: Id | None = Field(
        default=None, description="A trigger of this pipeline: its parameters are the defaults, its history has the run"
    )


class TriggerShown(Snake):
    """What every form of a trigger has; what was added to the document's fields is left out where there is none."""

    @model_serializer(mode="wrap")
    def _without(self, handler: Callable[[Self], dict[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None or name not in ADDED}


ADDED = ("file", "webhook_url", "secret", "paused_at", "last_skip")


class Skip(Snake):
    """The last occasion that was passed over, and why."""

    at: Moment
    reason: str


class TriggerOut(TriggerShown):
    """A trigger and what became of its runs; ``success_rate`` is that of the ended ones, 0 to 1, and 0 without any."""

    model_config = ConfigDict(json_schema_extra={"examples": [LISTED]})
    trigger_id: str
    name: str
    pipeline_id: str
    trigger_type: TriggerType
    cron_schedule: str | None
    status: str
    last_execution: Moment | None
    next_execution: Moment | None
    execution_count: int
    success_rate: float
    created_at: Moment
    timezone: str
    parameters: Parameters
    file: FileWanted | None = None
    webhook_url: str | None = None
    paused_at: Moment | None = None
    last_skip: Skip | None = None

    @classmethod
    def of(cls, row: TriggerRow, pipeline: Pipeline, cron: str | None, counts: Counts, moment: datetime) -> Self:
        """The form of a row; ``cron`` is that of its schedule."""
        skip = Skip(at=row.skipped_at, reason=row.skip_reason or "") if row.skipped_at else None
        return cls(
            trigger_id=public_id(row.id),
            name=row.name,
            pipeline_id=shown_pipeline(row, pipeline),
            trigger_type=row.type,
            cron_schedule=cron,
            status=str(status_of(row)),
            last_execution=counts.last,
            next_execution=next_execution(row, cron, moment),
            execution_count=counts.runs,
            success_rate=counts.success_rate,
            created_at=row.created_at,
            timezone=row.timezone,
            parameters=row.parameters,
            file=FileWanted(**row.file) if row.file else None,
            paused_at=row.paused_at,
            last_skip=skip,
        )


class TriggerCreated(TriggerShown):
    """The answer to a creation. ``secret`` is told here only: it signs what is sent to ``webhook_url``."""

    trigger_id: str
    name: str
    pipeline_id: str
    trigger_type: TriggerType
    cron_schedule: str | None
    next_execution: Moment | None
    status: str
    created_at: Moment
    timezone: str
    parameters: Parameters
    file: FileWanted | None = None
    webhook_url: str | None = None
    secret: str | None = Field(default=None, description="whsec_ and the signing key in base64; it is not shown again")


class TriggerList(Snake):
    """Triggers, the oldest first."""

    triggers: list[TriggerOut]
    total: int


class TriggerPaused(Snake):
    """A paused trigger."""

    trigger_id: str
    status: str
    paused_at: Moment


class TriggerResumed(Snake):
    """A trigger that fires again."""

    trigger_id: str
    status: str
    next_execution: Moment | None


class TriggerDeleted(Snake):
    """A trigger that is gone; its runs stay among the executions."""

    trigger_id: str
    status: str = "deleted"
    deleted_at: Moment


class NewSecret(Snake):
    """A webhook's new secret; the old one counts no more."""

    trigger_id: str
    webhook_url: str
    secret: str


class Notification(Snake):
    """Who gets mail when the run has ended; ``problem`` says why nobody will, as things are."""

    email: str
    problem: str | None = None


class RunStarted(Snake):
    """A run that was asked for; ``parameters`` are those it works with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": "run_xyz789",
                    "pipeline_id": "pipe_customer_sync_001",
                    "status": "running",
                    "started_at": "2024-06-30T12:05:00Z",
                    "parameters": {"date": "2024-06-30", "full_refresh": True},
                }
            ]
        }
    )
    run_id: str
    pipeline_id: str
    status: str
    started_at: Moment
    parameters: Parameters
    status_url: str
    notification: Notification | None = None


class WebhookTaken(Snake):
    """A delivery that was taken: by this request, or by an earlier one of the same id (``duplicate``)."""

    run_id: str
    trigger_id: str
    pipeline_id: str
    status: str
    started_at: Moment
    duplicate: bool


class HistoryEntry(Snake):
    """One execution; ``duration_seconds`` is that so far while it runs."""

    execution_id: str
    executed_at: Moment
    status: str = Field(description="success, failed, cancelled or running")
    duration_seconds: float
    rows_processed: int
    run_id: str
    trigger: str
    error: str | None = None

    @classmethod
    def of(cls, run: RunRow, moment: datetime) -> Self:
        """The form of an execution."""
        began = executed_at(run)
        return cls(
            execution_id=f"exec_{run.id.replace('-', '')}",
            executed_at=began,
            status=HISTORY_WORDS[run.state],
            duration_seconds=round(max(0.0, ((run.finished_at or moment) - began).total_seconds()), 3),
            rows_processed=run.records_processed,
            run_id=public_run_id(run.id),
            trigger=run.trigger,
            error=run.error,
        )


class TriggerHistory(Snake):
    """Executions, newest first; the totals are of all of them."""

    trigger_id: str
    history: list[HistoryEntry]
    total_executions: int
    success_rate: float


def shown_pipeline(row: TriggerRow, pipeline: Pipeline) -> str:
    """A pipeline as the trigger was given it: by its name, as that is now, or by its id."""
    return pipeline.row.name if row.by_name else pipeline.row.id


def next_execution(row: TriggerRow, cron: str | None, moment: datetime) -> datetime | None:
    """The next tick of a cron trigger that fires."""
    return Schedule(cron, row.timezone).next_after(moment) if cron and row.paused_at is None else None


def shown_parameters(run: RunRow) -> Parameters:
    """The parameters that an execution works with; the address that is told of its end is none of them."""
    return {name: value for name, value in run.parameters.get(PARAMETERS, {}).items() if name != EMAIL}
