"""Which definitions of a snapshot cannot be loaded, and why: they are set aside, the rest loads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import (
    DatamartRow,
    DatasetRow,
    EtlPipelineRow,
    MappingRow,
    ObjectTypeRow,
    PipelineRow,
    SourceRow,
)
from dataops_defs.catalogue.snapshot import Snapshot
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.domain.extraction import extraction
from dataops_defs.domain.mapping import check_mapping, property_mappings, sync_settings
from dataops_defs.domain.object_type import ObjectType, check_object_type
from dataops_defs.domain.pipeline_graph import nodes_in_order
from dataops_defs.domain.schedule import schedule
from dataops_defs.domain.source import source_type
from dataops_defs.errors import DataOpsError, Invalid

ROWS: dict[str, type[Any]] = {
    "sources": SourceRow,
    "datasets": DatasetRow,
    "object_types": ObjectTypeRow,
    "mappings": MappingRow,
    "pipelines": PipelineRow,
    "etl_pipelines": EtlPipelineRow,
    "datamarts": DatamartRow,
    "watches": WatchRow,
    "triggers": TriggerRow,
}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """A definition that cannot be loaded."""

    kind: str
    id: str
    name: str
    slug: str
    reason: str


def find_problems(snapshot: Snapshot) -> list[Problem]:
    """Check every definition by the domain's rules; what is built on a broken one is broken too."""
    sound: dict[str, dict[str, Row]] = {kind: {} for kind in snapshot}
    problems = []
    for kind, check in CHECKS.items():
        for row in snapshot.get(kind, []):
            try:
                check(row, sound)
            except (DataOpsError, KeyError, TypeError, AttributeError, ValueError) as error:
                reason = str(error) if isinstance(error, DataOpsError) else f"its stored form is damaged ({error!r})"
                problems.append(Problem(kind, row["id"], row.get("name", ""), _slug(row), reason))
            else:
                sound[kind][row["id"]] = row
    return problems


def note_problems(session: Session, problems: list[Problem]) -> None:
    """Keep each reason with its row, for ``GET``; a row that is sound again loses it."""
    for kind, row in ROWS.items():
        broken = {each.id: each.reason for each in problems if each.kind == kind}
        session.execute(update(row).where(row.problem.is_not(None), row.id.not_in(broken)).values(problem=None))
        for id, reason in broken.items():
            session.execute(
                update(row).where(row.id == id, row.problem.is_distinct_from(reason)).values(problem=reason)
            )


def _slug(row: Row) -> str:
    return str(row.get("slug") or row.get("name") or row["id"])


def _need(sound: Mapping[str, Mapping[str, Row]], kind: str, id: str, noun: str) -> Row:
    found = sound[kind].get(id)
    if found is None:
        raise Invalid(f"the {noun} it is built on is missing or broken")
    return found


def _source(row: Row, _sound: Mapping[str, Mapping[str, Row]]) -> None:
    source_type(row["type"])


def _dataset(row: Row, sound: Mapping[str, Mapping[str, Row]]) -> None:
    source = _need(sound, "sources", row["source_id"], "source")
    extraction(row["extraction"], source_type(source["type"]))


def _object_type(row: Row, _sound: Mapping[str, Mapping[str, Row]]) -> None:
    check_object_type(row["schema"], row["key_field"], "postgres")


def _mapping(row: Row, sound: Mapping[str, Mapping[str, Row]]) -> None:
    _need(sound, "datasets", row["dataset_id"], "dataset")
    found = _need(sound, "object_types", row["object_type_id"], "object type")
    kind = ObjectType(
        found["id"], found["name"], found["slug"], found["app"], schema=found["schema"], key_field=found["key_field"]
    )
    check_mapping(property_mappings(row["mappings"]), kind, None)
    sync_settings(row["sync"], kind)


def _pipeline(row: Row, sound: Mapping[str, Mapping[str, Row]]) -> None:
    kinds = {"source": "sources", "dataset": "datasets", "mapping": "mappings"}
    for node in nodes_in_order(row["nodes"], row["edges"]):
        if node.subject_id not in sound[kinds[node.type]]:
            raise Invalid(f"node '{node.id}' stands for a {node.type} that is missing or broken")


def _etl_pipeline(row: Row, sound: Mapping[str, Mapping[str, Row]]) -> None:
    _nothing(row, sound)
    if row["source_id"] is not None:
        _need(sound, "sources", row["source_id"], "source")


def _nothing(row: Row, _sound: Mapping[str, Mapping[str, Row]]) -> None:
    if not row["slug"]:
        raise Invalid("it has no identifier")


def _trigger(row: Row, sound: Mapping[str, Mapping[str, Row]]) -> None:
    kind = "etl_pipelines" if row["etl_pipeline_id"] else "pipelines"
    _need(sound, kind, row["etl_pipeline_id"] or row["graph_id"], "pipeline")


def _schedule(row: Row, sound: Mapping[str, Mapping[str, Row]]) -> None:
    schedule(row)
    kinds = {
        "dataset": "datasets",
        "mapping": "mappings",
        "pipeline": "pipelines",
        "datamart": "datamarts",
        "trigger": "triggers",
    }
    if row["subject_id"] not in sound[kinds[row["subject_kind"]]]:
        raise Invalid(f"the {row['subject_kind']} it runs is missing or broken")


CHECKS: dict[str, Callable[[Row, Mapping[str, Mapping[str, Row]]], None]] = {
    "sources": _source,
    "datasets": _dataset,
    "object_types": _object_type,
    "mappings": _mapping,
    "pipelines": _pipeline,
    "etl_pipelines": _etl_pipeline,
    "datamarts": _nothing,
    "watches": _nothing,
    "triggers": _trigger,
    "schedules": _schedule,
}
