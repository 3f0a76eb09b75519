"""Sync a mapping: rows of a dataset become objects of a type, all or nothing for readers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dataops_defs.adapters.memory import give_back
from dataops_defs.adapters.objects.sink import EXISTS, ObjectSink, Published
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.mapping import (
    OnConflict,
    Sync,
    SyncMode,
    root_of,
)
from dataops_defs.domain.naming import AssetPath, object_type_key
from dataops_defs.domain.paths import located
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.intake import Intake, batches_of
from dataops_defs.flows.object_store import open_sink
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.rehearsal import copy_of
from dataops_defs.flows.shape_rows import RowShaper
from dataops_defs.flows.sync_plan import Plan, plan_of
from dataops_defs.flows.work import Step, Work

BATCHES_BETWEEN_GIVING_BACK = 10


def sync_mapping(work: Work, mapping_id: str) -> Outcome:
    """Bring the dataset's newest raw copy into the objects of the mapping's type.

    A dataset that was never extracted is extracted first. A dry run reads the copy that it has extracted itself, if
    any, and keeps nothing. Source: document 004, "Integration with Ontology".
    """
    with work.platform.catalogue() as session:
        row = Mappings(session).get(mapping_id)
        dataset = Datasets(session).get(row.dataset_id)
    rehearsed = copy_of(work.platform, work.run_id, dataset.id) if work.dry_run else None
    if dataset.raw_uri is None and rehearsed is None:
        work.say(f"Dataset '{dataset.name}' has no raw copy yet; extracting it first")
        extracted = extract_dataset(work, dataset.id)
        rehearsed = extracted if work.dry_run else None
    plan = plan_of(work.platform, row)
    if rehearsed is not None:
        plan = replace(plan, raw_uri=rehearsed.uri, rows=rehearsed.total_rows)
    work.say(f"Syncing '{plan.name}' from {plan.raw_uri} into objects of type '{plan.kind.name}'")
    outcome = work.do(RunKind.SYNC, row.id, row.name, lambda step: _sync(work, step, plan))
    if not work.dry_run:
        _note(work.platform, row.id, outcome.ledger)
    return outcome


def _sync(work: Work, step: Step, plan: Plan) -> Outcome:
    step.expect(plan.rows)
    with work.warehouse("dataops sync") as connection:
        entry = step.entry("mapping", plan.mapping_id, plan.kind.address)
        sink = open_sink(work, connection, entry, plan.kind, plan.properties)
        with RowShaper(plan.kind, plan.mappings, plan.explode) as shaper:
            intake = Intake(work.platform, connection, entry, sink, plan, shaper)
            for number, batch in enumerate(batches_of(work.platform, plan), start=1):
                intake.take(batch)
                step.progress(intake.rows)
                if number % BATCHES_BETWEEN_GIVING_BACK == 0:
                    give_back()
        intake.refuse(sink.set_duplicates_aside(), taken=True)
        complete = intake.rejected == 0
        published = sink.publish(plan.sync, plan.mapping_id, work.run_id, complete=complete, rehearse=work.dry_run)
        done = passing_over(plan.sync, published)
        intake.refuse(done.refused)
        ledger = intake.ledger(done)
        checks = [*_checks(plan, ledger, complete and not done.refused), *reference_checks(sink, plan)]
        outcome = outcome_of(plan, ledger, checks, intake.preview, intake.samples, sink.count())
        enter(connection, entry, ledger, outcome.as_json())
    return outcome


def passing_over(sync: Sync, done: Published) -> Published:
    """What an append that skips refused for keys that exist is passed over: that is what skipping asks for."""
    if (sync.mode, sync.on_conflict) != (SyncMode.APPEND, OnConflict.SKIP):
        return done
    kept = [row for row in done.refused if row.reason != EXISTS]
    return replace(done, filtered=done.filtered + len(done.refused) - len(kept), refused=kept)


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


def reference_checks(sink: ObjectSink, plan: Plan) -> Iterator[Check]:
    """A check for each property that references another object type."""
    for name, parent in plan.parents.items():
        found = sink.orphans(name, parent) if name in plan.mappings else None
        if found is not None:
            empty, unknown = found
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
    total: int | None,
    counts: Mapping[str, int] = {},
) -> Outcome:
    """What a write of the mapping did; ``total`` are the objects of its type, where they can be counted."""
    types = plan.table.columns
    return Outcome(
        ledger=ledger,
        assets=[plan.key, object_type_key(plan.kind.app, plan.kind.slug)],
        uri=plan.kind.address if plan.kind.dynamodb_table else f"warehouse:{plan.kind.address}",
        columns=[Column(name, types[name], name != plan.kind.key_field) for name in plan.properties],
        preview=preview,
        checks=checks,
        rejected=rejected,
        lineage=_lineage(plan),
        total_rows=total,
        counts=counts,
    )


def _lineage(plan: Plan) -> dict[str, list[tuple[AssetPath, str]]]:
    """By property the columns that it comes from."""
    found: dict[str, list[tuple[AssetPath, str]]] = {}
    for name, each in plan.mappings.items():
        at = located(each.source_column, plan.columns)
        came_from = (plan.dataset_key, at.column if at else each.source_column)
        if came_from not in found.setdefault(root_of(name), []):
            found[root_of(name)].append(came_from)
    return found
