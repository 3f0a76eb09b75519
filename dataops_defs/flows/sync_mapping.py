"""Sync a mapping: rows of a dataset become objects of a type, all or nothing for readers."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.adapters.sinks.objects import (
    ObjectSink,
    Published,
    StagedRow,
    count_objects,
    count_orphans,
    ensure_table,
)
from dataops_defs.adapters.warehouse.books import Entry, enter, keep_rejects, supersede_rejects
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import DatasetRow, MappingRow
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.mapping import PropertyMapping, Sync, SyncMode, property_mappings, sync_settings
from dataops_defs.domain.naming import AssetPath, dataset_key, mapping_key, object_type_key
from dataops_defs.domain.object_type import ObjectTable, ObjectType, table_of
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.shape_rows import RowShaper, Shaped, raw_rows, transforms_of
from dataops_defs.flows.work import Step, Work

BATCH_ROWS = 10_000
PREVIEW_ROWS = 10
DUPLICATE = "another row before it has the same key"
EXISTS = "an object with this key exists, and the mapping only appends"


@dataclass(frozen=True)
class Plan:
    """All that a sync needs to know, read once when it starts: later changes do not reach a run in flight."""

    mapping_id: str
    name: str
    key: AssetPath
    dataset_key: AssetPath
    raw_uri: str
    rows: int | None
    kind: ObjectType
    table: ObjectTable
    mappings: dict[str, PropertyMapping]
    sync: Sync
    parents: dict[str, ObjectType]

    @property
    def key_column(self) -> str:
        """The dataset's column that the objects' key comes from."""
        return self.mappings[self.kind.key_field].source_column


def sync_mapping(work: Work, mapping_id: str) -> Outcome:
    """Bring the dataset's newest raw copy into the objects of the mapping's type.

    A dataset that was never extracted is extracted first. Source: document 004, "Integration with Ontology".
    """
    with work.platform.catalogue() as session:
        row = Mappings(session).get(mapping_id)
        dataset = Datasets(session).get(row.dataset_id)
    if dataset.raw_uri is None:
        work.say(f"Dataset '{dataset.name}' has no raw copy yet; extracting it first")
        extract_dataset(work, dataset.id)
    plan = plan_of(work.platform, row)
    work.say(f"Syncing '{plan.name}' from {plan.raw_uri} into objects of type '{plan.kind.name}'")
    outcome = work.do(RunKind.SYNC, row.id, row.name, lambda step: _sync(work, step, plan))
    _note(work.platform, row.id, outcome.ledger)
    return outcome


def plan_of(platform: Platform, row: MappingRow) -> Plan:
    """What the mapping, its dataset and its object type say now."""
    with platform.catalogue() as session:
        types = ObjectTypes(session)
        dataset: DatasetRow = Datasets(session).get(row.dataset_id)
        kind = object_type_of(types.get(row.object_type_id))
        parents = {
            name: object_type_of(types.named(parent))
            for name, parent in kind.references.items()
            if types.by_slug(parent)
        }
    return Plan(
        mapping_id=row.id,
        name=row.name,
        key=mapping_key(row.app, row.slug),
        dataset_key=dataset_key(dataset.app, dataset.slug),
        raw_uri=dataset.raw_uri or "",
        rows=dataset.row_count,
        kind=kind,
        table=table_of(kind),
        mappings=property_mappings(row.mappings),
        sync=sync_settings(row.sync, kind),
        parents=parents,
    )


def _sync(work: Work, step: Step, plan: Plan) -> Outcome:
    step.expect(plan.rows)
    with work.warehouse("dataops sync") as connection:
        ensure_table(connection, plan.table)
        sink = ObjectSink(connection, plan.table, list(plan.mappings))
        entry = step.entry("mapping", plan.mapping_id, f"{plan.table.schema}.{plan.table.table}")
        intake = _Intake(work.platform, connection, entry, sink, plan)
        transforms = transforms_of(plan.mappings)
        with JavaScriptEngine(transforms) if transforms else nullcontext() as engine:
            shaper = RowShaper(plan.kind, plan.mappings, engine)
            for batch in _batches(work.platform, plan.raw_uri):
                intake.take(shaper.shape(batch, intake.read + 1), batch)
                step.progress(intake.read)
        intake.refuse(sink.set_duplicates_aside(), DUPLICATE, taken=True)
        complete = intake.rejected == 0
        done = sink.publish(plan.sync, plan.mapping_id, work.run_id, complete=complete)
        intake.refuse(done.clashes, EXISTS)
        ledger = intake.ledger(done)
        checks = [*_checks(plan, ledger, complete), *reference_checks(connection, plan)]
        outcome = outcome_of(
            plan, ledger, checks, intake.preview, intake.samples, count_objects(connection, plan.table)
        )
        enter(connection, entry, ledger, outcome.as_json())
    return outcome


class _Intake:
    """Rows on their way into staging: counted, the rejects kept, a few of both for the pages."""

    def __init__(self, platform: Platform, connection: Connection, entry: Entry, sink: ObjectSink, plan: Plan) -> None:
        self._platform, self._connection, self._entry = platform, connection, entry
        self._sink, self._plan = sink, plan
        self.read = 0
        self.rejected = 0
        self.samples: list[RejectedRow] = []
        self.preview: list[dict[str, Any]] = []
        supersede_rejects(connection, entry)

    def take(self, shaped: Shaped, batch: pa.RecordBatch) -> None:
        """Stage the good rows of a batch and keep its rejects."""
        self._keep(shaped.rejected)
        self._keep(self._as_they_came(self._sink.stage(shaped.numbers, shaped.columns), batch))
        self.read += batch.num_rows
        self.preview += shaped.objects[: PREVIEW_ROWS - len(self.preview)]

    def refuse(self, rows: Sequence[StagedRow], reason: str, *, taken: bool = False) -> None:
        """Keep staged rows that the sink took out again, as they came: the raw copy is looked through once more.

        Args:
            taken: whether the row must not come back with the same key.
        """
        if not rows:
            return
        key, column = self._plan.kind.key_field, self._plan.key_column
        keys = {row.number: str(row.content[key]) for row in rows}
        wanted, before = sorted(keys), 0
        for batch in _batches(self._platform, self._plan.raw_uri):
            after = before + batch.num_rows
            numbers = wanted[bisect_right(wanted, before) : bisect_right(wanted, after)]
            raw = raw_rows(batch, [number - before - 1 for number in numbers]) if numbers else []
            found = [
                RejectedRow(number, f"{key}: {reason}", column, row) for number, row in zip(numbers, raw, strict=True)
            ]
            self._keep(found, keys if taken else {})
            before = after

    def ledger(self, done: Published) -> Ledger:
        """The balance of the whole sync."""
        return Ledger(
            read=self.read,
            inserted=done.inserted,
            updated=done.updated,
            unchanged=done.unchanged,
            rejected=self.rejected,
            filtered=done.filtered,
            deleted=done.deleted,
        ).balanced()

    def _as_they_came(self, refused: Sequence[RejectedRow], batch: pa.RecordBatch) -> list[RejectedRow]:
        raw = raw_rows(batch, [each.number - self.read - 1 for each in refused]) if refused else []
        return [replace(each, raw=row) for each, row in zip(refused, raw, strict=True)]

    def _keep(self, rejected: Sequence[RejectedRow], taken_keys: Mapping[int, str] = {}) -> None:
        keep_rejects(self._connection, self._entry, rejected, taken_keys)
        self.rejected += len(rejected)
        self.samples += rejected[: PREVIEW_ROWS - len(self.samples)]


def _batches(platform: Platform, uri: str) -> Iterator[pa.RecordBatch]:
    _, batches = platform.raw_store.open(uri)
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


def _checks(plan: Plan, ledger: Ledger, complete: bool) -> list[Check]:
    replaced = Check(
        "replaced_completely",
        complete,
        "Objects the dataset no longer holds were deleted"
        if complete
        else f"Nothing was deleted: {ledger.rejected} rows were rejected, and their objects must not go with them",
        {"deleted": ledger.deleted, "rejected": ledger.rejected},
    )
    return [
        *([replaced] if plan.sync.mode is SyncMode.REPLACE else []),
        Check(
            "rows_accepted",
            ledger.rejected == 0,
            f"{ledger.rejected} of {ledger.read} rows were rejected; they are kept with their reasons",
            {"rejected": ledger.rejected, "read": ledger.read},
        ),
        Check(
            "ledger_balanced",
            True,
            f"All {ledger.read} rows of '{plan.name}' are accounted for",
            ledger.as_json(),
        ),
    ]


def reference_checks(connection: Connection, plan: Plan) -> Iterator[Check]:
    """A check for each property that references another object type."""
    for name, parent in plan.parents.items():
        if name in plan.mappings:
            empty, unknown = count_orphans(connection, plan.table, name, table_of(parent))
            yield Check(
                reference_check_name(name),
                empty + unknown == 0,
                f"{empty + unknown} objects of type '{plan.kind.name}' have no {parent.name}: "
                f"{empty} without a {name}, {unknown} with one that no {parent.name} has",
                {"withoutPartner": empty + unknown, "empty": empty, "unknown": unknown},
            )


def reference_check_name(property_name: str) -> str:
    """Name of the check that a property's values are keys of the type it references."""
    return f"reference_{property_name}"


def _note(platform: Platform, id: str, ledger: Ledger) -> None:
    with platform.catalogue() as session:
        row = Mappings(session).get(id, lock=True)
        row.last_synced_at = now()
        row.records_processed, row.records_failed = ledger.read, ledger.rejected
        row.records_succeeded = ledger.succeeded


def outcome_of(
    plan: Plan,
    ledger: Ledger,
    checks: Sequence[Check],
    preview: Sequence[dict[str, Any]],
    rejected: Sequence[RejectedRow],
    total: int,
    counts: Mapping[str, int] = {},
) -> Outcome:
    """What a write of the mapping did; ``total`` are the objects of its type."""
    types = plan.table.columns
    return Outcome(
        ledger=ledger,
        assets=[plan.key, object_type_key(plan.kind.app, plan.kind.slug)],
        uri=f"warehouse:{plan.table.schema}.{plan.table.table}",
        columns=[Column(name, types[name], name != plan.kind.key_field) for name in plan.mappings],
        preview=preview,
        checks=checks,
        rejected=rejected,
        lineage={name: [(plan.dataset_key, each.source_column)] for name, each in plan.mappings.items()},
        total_rows=total,
        counts=counts,
    )
