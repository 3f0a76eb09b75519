"""One consistent picture of all definitions, small enough to travel with every run: what Dagster builds assets from."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dataops_defs.catalogue.import_rows import ImportTargetRow
from dataops_defs.catalogue.models import (
    DatamartRow,
    DatasetRow,
    EtlPipelineRow,
    MappingRow,
    ObjectTypeRow,
    PipelineRow,
    ScheduleRow,
    SourceRow,
)
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.watch_rows import WatchRow

Snapshot = dict[str, list[dict[str, Any]]]

NAMED = ("id", "name", "slug", "app", "description", "owner")
FIELDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "sources": (SourceRow, (*NAMED, "type", "status")),
    "datasets": (DatasetRow, (*NAMED, "source_id", "extraction", "storage", "status")),
    "object_types": (ObjectTypeRow, (*NAMED, "schema", "key_field", "store")),
    "mappings": (MappingRow, (*NAMED, "dataset_id", "object_type_id", "mappings", "sync", "status")),
    "pipelines": (PipelineRow, (*NAMED, "nodes", "edges", "status")),
    "etl_pipelines": (
        EtlPipelineRow,
        (*NAMED, "mode", "enabled", "target_table", "source_query", "source_id", "cursor_column", "upstream"),
    ),
    "datamarts": (
        DatamartRow,
        (*NAMED, "schema", "query", "type", "refresh_strategy", "upstream", "columns", "lineage", "versioned"),
    ),
    "watches": (
        WatchRow,
        (*NAMED, "folder", "patterns", "recursive", "target_schema", "target_table", "enabled", "auto_import"),
    ),
    "import_targets": (ImportTargetRow, ("id", "name", "app", "format", "schema", "table", "watch_id")),
    "triggers": (TriggerRow, (*NAMED, "type", "etl_pipeline_id", "graph_id")),
    "schedules": (
        ScheduleRow,
        ("id", "name", "subject_kind", "subject_id", "cron", "timezone", "enabled"),
    ),
}
# Every process of Dagster holds all assets: a folder of ten thousand files has tables enough to fill their memory.
MOST = {"import_targets": 2_000}


def read_snapshot(session: Session) -> Snapshot:
    """All definitions as plain values, read in one repeatable-read transaction; of some kinds only the newest."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return {kind: _rows(session, row, names, MOST.get(kind)) for kind, (row, names) in FIELDS.items()}


def _rows(session: Session, row: Any, names: tuple[str, ...], most: int | None) -> list[dict[str, Any]]:
    query = select(*(getattr(row, name) for name in names)).order_by(row.id.desc()).limit(most)
    return [
        {
            name: str(value) if name in ("type", "status", "refresh_strategy", "mode", "format") else value
            for name, value in each.items()
        }
        for each in reversed(session.execute(query).mappings().all())
    ]
