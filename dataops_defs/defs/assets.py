"""Catalogue rows as assets that can be materialised: one factory for each kind of definition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dataops_defs.adapters.sql.layout import laid_out
from dataops_defs.defs.metadata import check_result, materialization_metadata, query_metadata
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.running import work_of_asset
from dataops_defs.defs.specs import Row, asset_key, common, upstream_inputs
from dataops_defs.domain import naming
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.next_copy import KEYS_CHECK
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.refresh_datamart import refresh_datamart
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.schema_gate import CHECK as SCHEMA_CHECK
from dataops_defs.flows.sync_mapping import reference_check_name, sync_mapping
from dataops_defs.flows.work import Work

Flow = Callable[[Work, str], Outcome]
ROWS_ACCEPTED = "No row was rejected by a transform, the object type's schema or PostgreSQL"
REPLACED_COMPLETELY = "Objects that the dataset no longer holds were deleted; not while rows are rejected"
SCHEMA_UNCHANGED = "The columns are those that were accepted before"
KEYS_MATCH_SOURCE = "The copy has the keys that its source has"
LEDGER_BALANCED = "Every row that was read is accounted for"
# Once for all that was written upstream since the last time, in the order of the graph. Not while something upstream
# is still at work; tables that nobody is known to write are no reason to wait. What was written upstream since the last
# tick counts, even if the datamart was refreshed since then: nobody can tell which of the two came first. So does what
# was written before Dagster looks at it for the first time, which a reload of the code location is not.
_WRITTEN = dg.AutomationCondition.any_deps_updated()
_WRITTEN_BEFORE = dg.AutomationCondition.initial_evaluation() & dg.AutomationCondition.any_deps_match(
    ~dg.AutomationCondition.missing()
)
_REFRESHED = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
ON_COMMIT = (
    (_WRITTEN | _WRITTEN_BEFORE).since(_REFRESHED & ~_WRITTEN)
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("on_commit")


def dataset_asset(row: Row, source: Row) -> dg.AssetsDefinition:
    """A dataset: materialising it extracts the source into the raw store."""
    given = row["extraction"].get("query") or row["extraction"].get("path")
    read = f".\n\n```\n{given}\n```" if given else ""
    by_keys = row["extraction"].get("incremental", {}).get("deletions") == "keys"
    keys = {KEYS_CHECK: KEYS_MATCH_SOURCE} if by_keys else {}
    return _runnable(
        row,
        "dataset",
        naming.dataset_key(row["app"], row["slug"]),
        extract_dataset,
        deps=[naming.source_key(source["app"], source["slug"])],
        kinds={source["type"], "parquet"},
        description=f"Extract of {source['type']} source '{source['name']}' into the raw store{read}",
        checks={SCHEMA_CHECK: SCHEMA_UNCHANGED, **keys},
    )


def mapping_asset(row: Row, dataset: Row, kind: Row) -> dg.AssetsDefinition:
    """A mapping: materialising it syncs the dataset's rows into objects, and checks them."""
    references = {
        reference_check_name(name): f"Every {name} is the key of an object of type '{each['x-references']}'"
        for name, each in kind["schema"]["properties"].items()
        if "x-references" in each and name in row["mappings"]
    }
    replaced = {"replaced_completely": REPLACED_COMPLETELY} if row["sync"].get("mode") == "replace" else {}
    lines = [
        f"| {name} | {each['sourceColumn']} | {each.get('transform') or ''} |" for name, each in row["mappings"].items()
    ]
    table = "\n".join(["| property | column | transform |", "|---|---|---|", *lines])
    return _runnable(
        row,
        "mapping",
        naming.mapping_key(row["app"], row["slug"]),
        sync_mapping,
        deps=[naming.dataset_key(dataset["app"], dataset["slug"])],
        kinds={"postgres", "javascript"},
        description=f"Sync of dataset '{dataset['name']}' into objects of type '{kind['name']}'.\n\n{table}",
        checks={"rows_accepted": ROWS_ACCEPTED, "ledger_balanced": LEDGER_BALANCED, **replaced, **references},
    )


def etl_asset(row: Row, upstream: Sequence[naming.AssetPath]) -> dg.AssetsDefinition:
    """An ETL pipeline: materialising it is a run, which can be paused, and goes on where it was."""
    return _runnable(
        row,
        "etl_pipeline",
        naming.etl_key(row["app"], row["slug"]),
        run_etl,
        deps=list(upstream),
        kinds={"postgres", "sql"},
        description=f"{row['mode']} load into `{row['target_table']}`\n\n```sql\n{laid_out(row['source_query'])}\n```",
        checks={"rows_accepted": "No row was rejected by the target", "ledger_balanced": LEDGER_BALANCED},
    )


def datamart_asset(row: Row, upstream: Sequence[naming.AssetPath]) -> dg.AssetsDefinition | dg.AssetSpec:
    """A datamart: materialising it fills its table again; ``on_commit`` follows its upstream tables.

    What a versioned one shows is published over REST, version by version: here it is shown, and not materialised.
    """
    path = naming.table_key(row["schema"], row["slug"])
    description = f"{row['description'] or 'Datamart'}\n\n```sql\n{laid_out(row['query'])}\n```"
    kind = DatamartType.VIEW if row.get("versioned") else row["type"]
    kinds, metadata = {"postgres", str(kind)}, query_metadata(row)
    if row.get("versioned"):
        return dg.AssetSpec(
            asset_key(path),
            deps=[asset_key(each) for each in upstream],
            description=description,
            kinds=kinds,
            metadata=metadata,
            **common(row, "datamart"),
        )
    return _runnable(
        row,
        "datamart",
        path,
        refresh_datamart,
        deps=list(upstream),
        kinds=kinds,
        description=description,
        checks={"ledger_balanced": LEDGER_BALANCED},
        automation_condition=ON_COMMIT if row["refresh_strategy"] == "on_commit" else None,
        metadata=metadata,
    )


def _runnable(
    row: Row,
    noun: str,
    path: naming.AssetPath,
    flow: Flow,
    *,
    deps: Sequence[naming.AssetPath],
    kinds: set[str],
    description: str,
    checks: Mapping[str, str] = {},
    automation_condition: dg.AutomationCondition[Any] | None = None,
    metadata: Mapping[str, Any] = {},
) -> dg.AssetsDefinition:
    key, subject_id = asset_key(path), row["id"]
    if row["description"] and noun != "datamart":
        description = f"{row['description']}\n\n{description}"

    @dg.asset(  # type: ignore[untyped-decorator]
        key=key,
        ins=upstream_inputs(deps),
        kinds=kinds,
        description=description,
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=told) for name, told in checks.items()],
        automation_condition=automation_condition,
        metadata=dict(metadata),
        op_tags={"dataops/subject_id": subject_id},
        **common(row, noun),
    )
    def body(context: dg.AssetExecutionContext, platform: PlatformResource) -> Iterator[dg.MaterializeResult[None]]:
        with work_of_asset(context, platform.open()) as work:
            outcome = flow(work, subject_id)
        metadata = materialization_metadata(outcome)
        for other in outcome.assets[1:]:
            context.log_event(dg.AssetMaterialization(asset_key(other), metadata=metadata))
        yield dg.MaterializeResult(
            metadata=metadata, check_results=[check_result(each) for each in _expected(outcome.checks, checks)]
        )

    made: dg.AssetsDefinition = body
    return made


def _expected(done: Sequence[Check], names: Iterable[str]) -> list[Check]:
    by_name = {check.name: check for check in done}
    missing = "Not evaluated: the definition changed since this location was loaded"
    return [by_name.get(name, Check(name, False, missing)) for name in names]
