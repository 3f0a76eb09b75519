"""Catalogue rows as Dagster assets: one factory for each kind of definition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dataops_defs.defs.metadata import check_result, materialization_metadata, query_metadata
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.running import work_of_asset
from dataops_defs.domain import naming
from dataops_defs.domain.etl import EtlTarget
from dataops_defs.domain.object_type import dynamodb_table
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.next_copy import KEYS_CHECK
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.refresh_datamart import refresh_datamart
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.schema_gate import CHECK as SCHEMA_CHECK
from dataops_defs.flows.sync_mapping import reference_check_name, sync_mapping
from dataops_defs.flows.work import Work

Row = Mapping[str, Any]
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


def source_spec(row: Row) -> dg.AssetSpec:
    """A source: an external asset upstream of its datasets."""
    return dg.AssetSpec(
        _key(naming.source_key(row["app"], row["slug"])),
        description=row["description"] or f"{row['type']} source '{row['name']}'",
        kinds={row["type"]},
        **_common(row, "source"),
    )


def dataset_asset(row: Row, source: Row) -> dg.AssetsDefinition:
    """A dataset: materialising it extracts the source into the raw store."""
    read = row["extraction"].get("query") or row["extraction"].get("path") or "the source's file"
    by_keys = row["extraction"].get("incremental", {}).get("deletions") == "keys"
    keys = {KEYS_CHECK: KEYS_MATCH_SOURCE} if by_keys else {}
    return _runnable(
        row,
        "dataset",
        naming.dataset_key(row["app"], row["slug"]),
        extract_dataset,
        deps=[naming.source_key(source["app"], source["slug"])],
        kinds={source["type"], "parquet"},
        description=f"Extract of {source['type']} source '{source['name']}' into the raw store.\n\n```\n{read}\n```",
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


def object_type_spec(row: Row, writers: Sequence[Row]) -> dg.AssetSpec:
    """The objects of a type: one asset downstream of every mapping that writes them."""
    outside = dynamodb_table(row["store"])
    return dg.AssetSpec(
        _key(naming.object_type_key(row["app"], row["slug"])),
        deps=[_key(naming.mapping_key(each["app"], each["slug"])) for each in writers],
        description=row["description"] or f"Objects of type '{row['name']}', matched by {row['key_field']}",
        kinds={"dynamodb" if outside else "postgres", "table"},
        metadata={
            "dagster/table_name": outside or f"warehouse.objects.{row['slug']}",
            "json_schema": dg.MetadataValue.json(dict(row["schema"])),
        },
        **_common(row, "object_type"),
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
        description=f"{row['mode']} load into `{row['target_table']}`\n\n```sql\n{row['source_query']}\n```",
        checks={"rows_accepted": "No row was rejected by the target", "ledger_balanced": LEDGER_BALANCED},
    )


def etl_target_spec(target: EtlTarget, writers: Sequence[Row]) -> dg.AssetSpec:
    """What ETL pipelines write: one asset downstream of all that write it."""
    index = target.schema is None
    return dg.AssetSpec(
        _key(naming.target_key(target.schema, target.name)),
        deps=[_key(naming.etl_key(each["app"], each["slug"])) for each in writers],
        description=f"Written by {', '.join(each['name'] for each in writers)}",
        kinds={"elasticsearch"} if index else {"postgres", "table"},
        metadata={} if index else {"dagster/table_name": f"warehouse.{target}"},
        group_name=writers[0]["app"],
    )


def datamart_asset(row: Row, upstream: Sequence[naming.AssetPath]) -> dg.AssetsDefinition | dg.AssetSpec:
    """A datamart: materialising it fills its table again; ``on_commit`` follows its upstream tables.

    What a versioned one shows is published over REST, version by version: here it is shown, and not materialised.
    """
    path = naming.table_key(row["schema"], row["slug"])
    description = f"{row['description'] or 'Datamart'}\n\n```sql\n{row['query']}\n```"
    kinds, metadata = {"postgres", "view" if row["type"] == "view" else "table"}, query_metadata(row)
    if row.get("versioned"):
        return dg.AssetSpec(
            _key(path),
            deps=[_key(each) for each in upstream],
            description=description,
            kinds=kinds,
            metadata=metadata,
            **_common(row, "datamart"),
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


def watch_spec(row: Row) -> dg.AssetSpec:
    """A watched folder: an external asset upstream of the tables that its files go to."""
    patterns = ", ".join(f"`{each['pattern']}`" for each in row["patterns"])
    imported = "imported" if row["auto_import"] else "only detected"
    return dg.AssetSpec(
        _key(naming.watch_key(row["app"], row["slug"])),
        description=row["description"] or f"Files {patterns} of the folder `{row['folder']}` are {imported}",
        kinds={"file"},
        **_common(row, "watch"),
    )


def gathered_spec(row: Row) -> dg.AssetSpec:
    """The table that a watched folder's files are gathered in."""
    return dg.AssetSpec(
        _key(naming.table_key(row["target_schema"], row["target_table"])),
        deps=[_key(naming.watch_key(row["app"], row["slug"]))],
        description=f"Imported from new files in the watched folder '{row['name']}'",
        kinds={"postgres", "table"},
        metadata={"dagster/table_name": f"warehouse.{row['target_schema']}.{row['target_table']}"},
        **_common(row, "watch"),
    )


def imported_spec(row: Row, watch: Row | None) -> dg.AssetSpec:
    """A table that imports of a file have made; downstream of the watched folder where one has found it."""
    name, ours = f"{row['schema']}.{row['table']}", row["format"] == "postgres"
    return dg.AssetSpec(
        _key(naming.import_key(row["format"], row["schema"], row["table"])),
        deps=[_key(naming.watch_key(watch["app"], watch["slug"]))] if watch else [],
        description="Imported from a file" + (f" of the watched folder '{watch['name']}'" if watch else ""),
        kinds={row["format"], "table"},
        metadata={"dagster/table_name": f"{'warehouse' if ours else row['format']}.{name}"},
        group_name=row["app"],
        tags={"dataops/id": row["id"], "dataops/kind": "import_target"},
    )


def problem_spec(kind: str, name: str, slug: str, reason: str) -> dg.AssetSpec:
    """A definition that was set aside, shown with its reason."""
    return dg.AssetSpec(
        _key(naming.problem_key(kind, slug)),
        description=f"**Set aside:** the {kind.replace('_', ' ')} entry '{name}' cannot be loaded: {reason}",
        group_name="set_aside",
        metadata={"reason": reason},
        tags={"dataops/set_aside": "true"},
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
    key, subject_id = _key(path), row["id"]
    if row["description"] and noun != "datamart":
        description = f"{row['description']}\n\n{description}"

    @dg.asset(  # type: ignore[untyped-decorator]
        key=key,
        deps=[_key(each) for each in deps],
        kinds=kinds,
        description=description,
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=told) for name, told in checks.items()],
        automation_condition=automation_condition,
        metadata=dict(metadata),
        op_tags={"dataops/subject_id": subject_id},
        **_common(row, noun),
    )
    def body(context: dg.AssetExecutionContext, platform: PlatformResource) -> Iterator[dg.MaterializeResult[None]]:
        with work_of_asset(context, platform.open()) as work:
            outcome = flow(work, subject_id)
        metadata = materialization_metadata(outcome)
        for other in outcome.assets[1:]:
            context.log_event(dg.AssetMaterialization(_key(other), metadata=metadata))
        yield dg.MaterializeResult(
            metadata=metadata, check_results=[check_result(each) for each in _expected(outcome.checks, checks)]
        )

    made: dg.AssetsDefinition = body
    return made


def _expected(done: Sequence[Check], names: Iterable[str]) -> list[Check]:
    by_name = {check.name: check for check in done}
    missing = "Not evaluated: the definition changed since this location was loaded"
    return [by_name.get(name, Check(name, False, missing)) for name in names]


def _key(path: naming.AssetPath) -> dg.AssetKey:
    return dg.AssetKey(list(path))


def _common(row: Row, noun: str) -> dict[str, Any]:
    return {
        "group_name": row["app"],
        "tags": {"dataops/id": row["id"], "dataops/kind": noun},
        "owners": _owners(row["owner"]),
    }


def _owners(owner: str | None) -> list[str]:
    """Dagster takes an e-mail address or ``team:name``; any other owner becomes a team."""
    if not owner:
        return []
    if "@" in owner and " " not in owner and "." in owner.rpartition("@")[2]:
        return [owner]
    return [f"team:{naming.slug(owner.removeprefix('team:'), 'owner')}"]
