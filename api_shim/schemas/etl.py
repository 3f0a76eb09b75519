"""ETL pipelines of document 003: snake_case, strict in, typed out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool, StrictInt, WithJsonSchema

from api_shim.schemas.base import Description, Name, Problem, refusals
from dataops_defs.adapters.warehouse.checkpoint import Checkpoint
from dataops_defs.catalogue.etl_pipelines import EtlRun
from dataops_defs.catalogue.models import EtlPipelineRow
from dataops_defs.domain.etl import (
    DEFAULT_BATCH_SIZE,
    DEFAULT_CURSOR,
    DEFAULT_LAG_SECONDS,
    EtlConfig,
    EtlMode,
    EtlState,
    run_status,
)
from dataops_defs.domain.ledger import Ledger

MOST_ROWS = 100_000
MOST_KEYS = 32
A_YEAR = 31_536_000
FILM_DIM: dict[str, Any] = {
    "name": "film_dim_full",
    "description": "Full reload of film_dim",
    "type": "SQL",
    "mode": "full",
    "enabled": True,
    "target_table": "analytics.film_dim",
    "batch_size": 100,
    "source_query": "SELECT id AS film_id, title, rating FROM content.film_work",
}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Moment = Annotated[
    datetime,
    PlainSerializer(_iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-12-10T08:01:06.674452Z"]}),
]
Column = Annotated[str, Field(min_length=1, max_length=63)]
BatchSize = Annotated[StrictInt, Field(ge=1, le=MOST_ROWS, description="Rows of one transaction")]
Lag = Annotated[StrictInt, Field(ge=0, le=A_YEAR, description="How far back an incremental run reads again")]
Query = Annotated[str, Field(min_length=1, max_length=65_536)]
Keys = Annotated[list[Column], Field(max_length=MOST_KEYS)]
Target = Annotated[str, Field(min_length=1, max_length=130)]


class EtlRequest(BaseModel):
    """A request's body or query; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class EtlFailure(BaseModel):
    """The body of every refusal of this family; ``errors`` only on 422."""

    detail: str
    errors: list[Problem] | None = None


def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may refuse with these statuses."""
    return refusals(*statuses, model=EtlFailure)


class EtlPipelineCreate(EtlRequest):
    """A new ETL pipeline. ``cursor_column``, ``key_columns`` and ``lag_seconds`` matter to ``incremental``."""

    model_config = ConfigDict(json_schema_extra={"examples": [FILM_DIM]})
    name: Name
    description: Description | None = None
    type: Literal["SQL"] = "SQL"
    mode: Literal["full", "incremental"]
    enabled: StrictBool = True
    target_table: Target
    batch_size: BatchSize = DEFAULT_BATCH_SIZE
    source_query: Query
    source_id: str | None = Field(default=None, max_length=80, description="A PostgreSQL source; else the warehouse")
    cursor_column: Column = DEFAULT_CURSOR
    key_columns: Keys = []
    lag_seconds: Lag = DEFAULT_LAG_SECONDS


class EtlPipelineUpdate(EtlRequest):
    """What of an ETL pipeline shall change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"batch_size": 500, "enabled": False}]})
    name: Name | None = None
    description: Description | None = None
    type: Literal["SQL"] | None = None
    mode: Literal["full", "incremental"] | None = None
    enabled: StrictBool | None = None
    target_table: Target | None = None
    batch_size: BatchSize | None = None
    source_query: Query | None = None
    source_id: str | None = Field(default=None, max_length=80)
    cursor_column: Column | None = None
    key_columns: Keys | None = None
    lag_seconds: Lag | None = None


class EtlPipelineOut(BaseModel):
    """An ETL pipeline as the document prints it, and its newest run."""

    id: str
    name: str
    description: str | None
    type: str
    mode: EtlMode
    enabled: bool
    status: EtlState
    target_table: str
    batch_size: int
    run_id: str | None = Field(description="Its newest run; ask /api/v1/dataops/executions for its progress")

    @classmethod
    def of(cls, row: EtlPipelineRow, state: EtlState) -> "EtlPipelineOut":
        """The form of a row."""
        names = [name for name in cls.model_fields if name != "status"]
        return cls(status=state, **{name: getattr(row, name) for name in names})


class EtlRunOut(BaseModel):
    """One run. ``rows_written`` counts what the run committed: in full mode every row the target has from it."""

    id: str
    status: Literal["RUNNING", "SUCCESS", "FAILED"]
    started_at: Moment
    finished_at: Moment | None
    rows_read: int
    rows_written: int
    error_message: str | None
    rows_rejected: int

    @classmethod
    def of(cls, found: EtlRun) -> "EtlRunOut":
        """The form of a run's record."""
        run, step = found.run, found.step
        ledger = Ledger(**step.ledger) if step and step.ledger else Ledger()
        status = run_status(found.state)
        own = step if step is not None and run.subject_id is None else run
        return cls(
            id=run.id,
            status=status,
            started_at=run.started_at or run.created_at,
            finished_at=own.finished_at,
            rows_read=ledger.read,
            rows_written=written(ledger, full=_was_full(found)),
            error_message=(own.error or "The run failed") if status == "FAILED" else None,
            rows_rejected=ledger.rejected,
        )


def written(ledger: Ledger, *, full: bool) -> int:
    """Rows that a run wrote: in full mode those that stayed as they were are part of the load too."""
    return ledger.inserted + ledger.updated + (ledger.unchanged if full else 0)


def _was_full(found: EtlRun) -> bool:
    kept = found.run.parameters.get("pipeline", {})
    config = kept.get(found.step.subject_id) if found.step else None
    return config is None or EtlConfig.from_json(config).mode is EtlMode.FULL


class EtlStateOut(BaseModel):
    """Where a pipeline stands, and how far its load is."""

    pipeline_id: str
    status: EtlState
    mode: EtlMode
    enabled: bool
    run_id: str | None
    run_status: str | None = Field(description="null, like started_at, while the run is only asked for")
    started_at: Moment | None
    finished_at: Moment | None
    rows_read: int = Field(description="Of this run, as far as committed")
    rows_written: int
    rows_rejected: int
    load_position: int = Field(description="Rows of the load that are committed; the next worker begins after them")
    load_rows: int | None = Field(description="Rows of the load; null before this run has read the query")
    percent: float | None
    last_commit_at: Moment | None
    cursor_column: str | None = Field(description="Of an incremental pipeline")
    cursor_value: str | None = Field(description="Up to where an incremental pipeline has brought everything over")
    workers_used: int = Field(description="Above 1: the run was continued after a pause or a death")
    waits_because: str | None
    error_message: str | None

    @classmethod
    def of(
        cls, row: EtlPipelineRow, state: EtlState, found: EtlRun | None, checkpoint: Checkpoint | None
    ) -> "EtlStateOut":
        """The form of a pipeline, its newest run and the checkpoint beside its data."""
        run = EtlRunOut.of(found) if found is not None and found.has_begun else None
        record = None if found is None else found.run
        load = checkpoint if found is not None and checkpoint is not None and _works_at(found, checkpoint) else None
        return cls(
            pipeline_id=row.id,
            status=state,
            mode=row.mode,
            enabled=row.enabled,
            run_id=row.run_id,
            run_status=run.status if run else None,
            started_at=run.started_at if run else None,
            finished_at=run.finished_at if run else None,
            rows_read=run.rows_read if run else 0,
            rows_written=run.rows_written if run else 0,
            rows_rejected=run.rows_rejected if run else 0,
            load_position=load.position if load else 0,
            load_rows=load.rows if load else None,
            percent=_percent(load),
            last_commit_at=load.changed_at if load else None,
            cursor_column=row.cursor_column if row.mode is EtlMode.INCREMENTAL else None,
            cursor_value=checkpoint.mark if checkpoint and row.mode is EtlMode.INCREMENTAL else None,
            workers_used=record.epoch if record else 0,
            waits_because=record.launch_error if record and not record.state.ended else None,
            error_message=run.error_message if run else None,
        )


def _works_at(found: EtlRun, load: Checkpoint) -> bool:
    """Whether a load is this run's: one that it has read itself, or that it goes on with after an earlier run."""
    if load.run_id != found.run.id or load.spooled_at is None or found.run.started_at is None:
        return False
    goes_on = load.spool is not None and not _was_full(found)
    return goes_on or load.spooled_at >= found.run.started_at


def _percent(load: Checkpoint | None) -> float | None:
    if load is None:
        return None
    return round(100 * load.position / load.rows, 1) if load.rows else 100.0


class RangeOut(BaseModel):
    """A range of keys on both sides: from ``low`` to below ``high``, null where it has no end."""

    low: str | None
    high: str | None
    nulls: bool = Field(description="The rows whose key is empty")
    rows_source: int
    rows_target: int
    hash_source: str = Field(description="The same for the same rows in any order")
    hash_target: str
    equal: bool


class DifferenceOut(BaseModel):
    """A key whose rows differ."""

    key: dict[str, Any]
    kind: str = Field(description="missing (in the target), extra (in it only), different, multiplicity")
    rows_source: int
    rows_target: int
    columns: list[str] = Field(description="Of a row that is different: those that are")


class ReconciliationOut(BaseModel):
    """A pipeline's query beside its target, at this moment."""

    pipeline_id: str
    source: str
    target: str
    in_sync: bool
    rows_source: int
    rows_target: int
    key_columns: list[str]
    columns: list[str]
    ranges: list[RangeOut]
    differences: list[DifferenceOut]
    differences_total: int | None = Field(description="null where not all that differs was looked into")
    truncated: bool
    notes: list[str]
    checked_at: str
    seconds: float
