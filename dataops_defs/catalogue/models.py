"""The catalogue's tables: definitions, runs, tokens, audit."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from dataops_defs.catalogue.base import Identified, Json, JsonList, Named, Row, new_id, now
from dataops_defs.domain.datamart import DatamartType, RefreshStrategy
from dataops_defs.domain.drift import SchemaPolicy
from dataops_defs.domain.etl import EtlMode
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import RunKind, RunState


def _reference(target: str, ondelete: str | None = None) -> Mapped[str]:
    return mapped_column(Uuid(as_uuid=False), ForeignKey(target, ondelete=ondelete), index=True)


class SourceRow(Named, Row):
    """A source; ``secrets`` is sealed (see ``sealing``), ``connection`` holds the rest.

    ``secret_references`` says which settings are secrets by name, ``{field: {"secret": name, "approved": bool}}``. Of
    a ``restricted`` source its grants say who may see and use it, beside admins and the token that made it.
    """

    __tablename__ = "source"
    type: Mapped[str] = mapped_column(index=True)
    connection: Mapped[Json]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_fields: Mapped[str] = mapped_column(default="")
    secret_references: Mapped[Json] = mapped_column(default=dict)
    restricted: Mapped[bool] = mapped_column(default=False)
    creator_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("token.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(default="active")
    last_tested_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class DatasetRow(Named, Row):
    """A dataset and what its last extraction found.

    ``drift`` is that of the last extraction from ``columns``, which belong to ``raw_uri``. ``waiting`` are columns, and
    with ``quarantine`` a copy, that somebody may accept; ``accepted`` are columns that the next extraction may have;
    ``accepted_at`` is when a quarantined copy was last accepted. ``mark`` shows how far the source was read.
    """

    __tablename__ = "dataset"
    source_id: Mapped[str] = _reference("source.id")
    extraction: Mapped[Json]
    storage: Mapped[Json]
    status: Mapped[DefinitionStatus] = mapped_column(default=DefinitionStatus.ACTIVE)
    last_extracted_at: Mapped[datetime | None]
    raw_uri: Mapped[str | None]
    row_count: Mapped[int | None]
    columns: Mapped[JsonList | None]
    schema_policy: Mapped[SchemaPolicy] = mapped_column(default=SchemaPolicy.EVOLVE)
    drift: Mapped[Json | None]
    waiting: Mapped[Json | None]
    accepted: Mapped[JsonList | None]
    accepted_at: Mapped[datetime | None]
    mark: Mapped[str | None]


class ObjectTypeRow(Named, Row):
    """An object type of the ontology; ``version`` counts the schemas it has had."""

    __tablename__ = "object_type"
    schema: Mapped[Json] = mapped_column(JSON)  # as text: people read properties in the order they wrote them
    key_field: Mapped[str]
    store: Mapped[str] = mapped_column(default="postgres")
    version: Mapped[int] = mapped_column(default=1)


class MappingRow(Named, Row):
    """A mapping and the counts of its last sync; the elements of the list ``explode`` become objects, if it is set."""

    __tablename__ = "mapping"
    dataset_id: Mapped[str] = _reference("dataset.id")
    object_type_id: Mapped[str] = _reference("object_type.id")
    mappings: Mapped[Json] = mapped_column(JSON)
    explode: Mapped[str | None]
    sync: Mapped[Json]
    status: Mapped[DefinitionStatus] = mapped_column(default=DefinitionStatus.ACTIVE)
    last_synced_at: Mapped[datetime | None]
    records_processed: Mapped[int | None]
    records_succeeded: Mapped[int | None]
    records_failed: Mapped[int | None]


class PipelineRow(Named, Row):
    """A pipeline graph."""

    __tablename__ = "pipeline"
    nodes: Mapped[JsonList]
    edges: Mapped[JsonList]
    status: Mapped[DefinitionStatus] = mapped_column(default=DefinitionStatus.ACTIVE)


class EtlPipelineRow(Named, Row):
    """An ETL pipeline of document 003. It stands where its newest run does: ``run_id``, None until it is asked for."""

    __tablename__ = "etl_pipeline"
    type: Mapped[str] = mapped_column(default="SQL")
    mode: Mapped[EtlMode]
    enabled: Mapped[bool] = mapped_column(default=True)
    target_table: Mapped[str]
    batch_size: Mapped[int]
    source_query: Mapped[str]
    source_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), ForeignKey("source.id"), index=True)
    cursor_column: Mapped[str]
    key_columns: Mapped[list[str]] = mapped_column(JSONB, default=list)
    lag_seconds: Mapped[int]
    upstream: Mapped[JsonList] = mapped_column(default=list)
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))


class DatamartRow(Named, Row):
    """A datamart and what its last refresh found.

    ``refresh_concurrently`` is how it is refreshed when nobody says otherwise. ``columns`` and ``lineage`` (output
    column -> pairs of asset key and column) are those of its query when they were last seen. A ``versioned`` one is a
    view on one of its versions, ``current_version_id``, and ``query`` is that version's.
    """

    __tablename__ = "datamart"
    schema: Mapped[str] = mapped_column(default="analytics")
    query: Mapped[str]
    type: Mapped[DatamartType] = mapped_column(default=DatamartType.TABLE)
    refresh_strategy: Mapped[RefreshStrategy] = mapped_column(default=RefreshStrategy.ON_DEMAND)
    upstream: Mapped[JsonList] = mapped_column(default=list)
    details: Mapped[Json] = mapped_column(default=dict)
    last_refreshed_at: Mapped[datetime | None]
    rows_count: Mapped[int] = mapped_column(BigInteger, default=0)
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    refresh_concurrently: Mapped[bool] = mapped_column(default=False)
    columns: Mapped[JsonList | None]
    lineage: Mapped[Json] = mapped_column(default=dict)
    last_error: Mapped[str | None]
    last_method: Mapped[str | None]
    versioned: Mapped[bool] = mapped_column(default=False)
    current_version_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))


class ScheduleRow(Identified, Row):
    """When a definition runs by itself: one row for each scheduled subject (DECISIONS 11).

    ``pending`` says that Dagster has not been told yet; otherwise Dagster's own state is the truth, and
    ``enabled`` mirrors it.
    """

    __tablename__ = "schedule"
    __table_args__ = (Index("uq_schedule_subject", "subject_kind", "subject_id", unique=True),)
    name: Mapped[str] = mapped_column(unique=True)
    subject_kind: Mapped[str]
    subject_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    cron: Mapped[str]
    timezone: Mapped[str] = mapped_column(default="UTC")
    enabled: Mapped[bool] = mapped_column(default=False)
    pending: Mapped[bool] = mapped_column(default=True)


class RunRow(Identified, Row):
    """One execution: the record that survives Dagster's event log.

    ``attempts`` counts launches handed to Dagster, the next not before ``launch_at``. ``epoch`` counts how often a
    worker began: it fences off earlier ones, whose lease ended at ``lease_until``. ``failed_launches`` and ``deaths``
    (of workers) count what went wrong since the run last got on.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_subject", "subject_id", "id"),
        Index("ix_run_open", "state", postgresql_where=text("finished_at IS NULL")),
        Index("ix_run_finished_at", "finished_at"),
        Index(
            "ix_run_trigger_id",
            "trigger_id",
            "id",
            postgresql_where=text("trigger_id IS NOT NULL"),
            postgresql_include=["state"],
        ),
    )
    kind: Mapped[RunKind]
    subject_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    subject_name: Mapped[str | None]
    state: Mapped[RunState] = mapped_column(default=RunState.QUEUED)
    trigger: Mapped[str] = mapped_column(default="rest")
    trigger_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    requested_by: Mapped[str | None]
    request_id: Mapped[str | None]
    parameters: Mapped[Json] = mapped_column(default=dict)
    dagster_run_id: Mapped[str | None] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    launch_at: Mapped[datetime] = mapped_column(default=now)
    launch_error: Mapped[str | None]
    failed_launches: Mapped[int] = mapped_column(default=0)
    epoch: Mapped[int] = mapped_column(default=0)
    deaths: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    timeout_seconds: Mapped[int | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    steps_total: Mapped[int | None]
    records_processed: Mapped[int] = mapped_column(default=0)
    records_succeeded: Mapped[int] = mapped_column(default=0)
    records_failed: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    error_code: Mapped[str | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    pause_requested: Mapped[bool] = mapped_column(default=False)
    result: Mapped[Json] = mapped_column(default=dict)


class RunStepRow(Identified, Row):
    """One piece of work inside an execution: an extraction, a sync, a refresh, an import.

    ``key`` names it within its run: a worker that continues the run finds its predecessor's steps by it. ``node_id``
    is the node of a pipeline graph that it is done for; ``dry_run`` says that it only told what would become of rows.
    """

    __tablename__ = "run_step"
    __table_args__ = (
        Index("ix_run_step_subject", "subject_id", "id"),
        Index("uq_run_step_run_id_key", "run_id", "key", unique=True),
    )
    run_id: Mapped[str] = _reference("run.id", ondelete="CASCADE")
    kind: Mapped[RunKind]
    subject_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    subject_name: Mapped[str]
    key: Mapped[str] = mapped_column(default=new_id)
    node_id: Mapped[str | None]
    dry_run: Mapped[bool] = mapped_column(default=False)
    state: Mapped[RunState] = mapped_column(default=RunState.RUNNING)
    finished_at: Mapped[datetime | None]
    ledger: Mapped[Json] = mapped_column(default=dict)
    rows_done: Mapped[int] = mapped_column(BigInteger, default=0)
    rows_total: Mapped[int | None] = mapped_column(BigInteger)
    batches_done: Mapped[int] = mapped_column(default=0)
    result: Mapped[Json] = mapped_column(default=dict)
    error: Mapped[str | None]


class TokenRow(Identified, Row):
    """An access token; only its hash is kept."""

    __tablename__ = "token"
    name: Mapped[str] = mapped_column(unique=True)
    hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    role: Mapped[str]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AuditRow(Row):
    """Who did what, and how it ended; written with the change itself. A trigger refuses to change or delete a line."""

    __tablename__ = "audit"
    __table_args__ = tuple(Index(f"ix_audit_{name}", name, "id") for name in ("actor", "action", "subject"))
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str | None]
    request_id: Mapped[str | None]
    outcome: Mapped[str] = mapped_column(default="done")
    detail: Mapped[Json] = mapped_column(default=dict)


class IdempotencyRow(Identified, Row):
    """The first request with an idempotency key and its sealed answer; ``status`` is None while it is at work."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("uq_idempotency_actor_key", "actor", "key", unique=True),)
    actor: Mapped[str]
    key: Mapped[str]
    request_hash: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[Json] = mapped_column(default=dict)
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    run_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))


class SnapshotRow(Row):
    """What a code location was built from, by the digest of its content: runs name it instead of carrying it."""

    __tablename__ = "definitions_snapshot"
    digest: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    kept_at: Mapped[datetime] = mapped_column(default=now, index=True)
