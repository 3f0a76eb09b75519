"""Assets that are shown and not materialised: sources, folders, and tables that something else fills."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from dataops_defs.defs.metadata import column_schema
from dataops_defs.domain import naming
from dataops_defs.domain.columns import Column
from dataops_defs.domain.etl import EtlTarget
from dataops_defs.domain.object_type import dynamodb_table

Row = Mapping[str, Any]


def asset_key(path: naming.AssetPath) -> dg.AssetKey:
    """A path as Dagster's key."""
    return dg.AssetKey(list(path))


def upstream_inputs(paths: Iterable[naming.AssetPath]) -> dict[str, dg.AssetIn]:
    """Of an op: assets that come before it, and of which nothing is handed to it."""
    return {naming.plain_name(each): dg.AssetIn(key=asset_key(each), dagster_type=dg.Nothing) for each in paths}


def source_spec(row: Row) -> dg.AssetSpec:
    """A source: an external asset upstream of its datasets."""
    return dg.AssetSpec(
        asset_key(naming.source_key(row["app"], row["slug"])),
        description=row["description"] or f"{row['type']} source '{row['name']}'",
        kinds={row["type"]},
        **common(row, "source"),
    )


def object_type_spec(row: Row, writers: Sequence[Row]) -> dg.AssetSpec:
    """The objects of a type: one asset downstream of every mapping that writes them."""
    outside = dynamodb_table(row["store"])
    return dg.AssetSpec(
        asset_key(naming.object_type_key(row["app"], row["slug"])),
        deps=[asset_key(naming.mapping_key(each["app"], each["slug"])) for each in writers],
        description=row["description"] or f"Objects of type '{row['name']}', matched by {row['key_field']}",
        kinds={"dynamodb" if outside else "postgres", "table"},
        metadata={
            "dagster/table_name": outside or f"warehouse.objects.{row['slug']}",
            "json_schema": dg.MetadataValue.json(dict(row["schema"])),
        },
        **common(row, "object_type"),
    )


def etl_target_spec(target: EtlTarget, writers: Sequence[Row]) -> dg.AssetSpec:
    """What ETL pipelines write: one asset downstream of all that write it."""
    index = target.schema is None
    return dg.AssetSpec(
        asset_key(naming.target_key(target.schema, target.name)),
        deps=[asset_key(naming.etl_key(each["app"], each["slug"])) for each in writers],
        description=f"Written by {', '.join(each['name'] for each in writers)}",
        kinds={"elasticsearch"} if index else {"postgres", "table"},
        metadata={} if index else {"dagster/table_name": f"warehouse.{target}"},
        group_name=writers[0]["app"],
    )


def watch_spec(row: Row) -> dg.AssetSpec:
    """A watched folder: an external asset upstream of the tables that its files go to."""
    patterns = ", ".join(f"`{each['pattern']}`" for each in row["patterns"])
    imported = "imported" if row["auto_import"] else "only detected"
    return dg.AssetSpec(
        asset_key(naming.watch_key(row["app"], row["slug"])),
        description=row["description"] or f"Files {patterns} of the folder `{row['folder']}` are {imported}",
        kinds={"file"},
        **common(row, "watch"),
    )


def gathered_spec(row: Row) -> dg.AssetSpec:
    """The table that a watched folder's files are gathered in."""
    return dg.AssetSpec(
        asset_key(naming.table_key(row["target_schema"], row["target_table"])),
        deps=[asset_key(naming.watch_key(row["app"], row["slug"]))],
        description=f"Imported from new files in the watched folder '{row['name']}'",
        kinds={"postgres", "table"},
        metadata={"dagster/table_name": f"warehouse.{row['target_schema']}.{row['target_table']}"},
        **common(row, "watch"),
    )


def imported_spec(row: Row, watch: Row | None) -> dg.AssetSpec:
    """A table that imports of a file have made; downstream of the watched folder where one has found it."""
    name, ours = f"{row['schema']}.{row['table']}", row["format"] == "postgres"
    return dg.AssetSpec(
        asset_key(naming.import_key(row["format"], row["schema"], row["table"])),
        deps=[asset_key(naming.watch_key(watch["app"], watch["slug"]))] if watch else [],
        description="Imported from a file" + (f" of the watched folder '{watch['name']}'" if watch else ""),
        kinds={row["format"], "table"},
        metadata={"dagster/table_name": f"{'warehouse' if ours else row['format']}.{name}"},
        group_name=row["app"],
        tags={"dataops/id": row["id"], "dataops/kind": "import_target"},
    )


def plain_table_spec(path: naming.AssetPath, columns: Sequence[Column] | None) -> dg.AssetSpec:
    """A table that is read and that nothing here makes, so that its readers have their lineage.

    Args:
        columns: None where they are not known; empty where no such table was there.
    """
    there = columns is None or len(columns) > 0
    missing = "**Not there** when this location was loaded: what reads it fails until somebody makes it"
    return dg.AssetSpec(
        asset_key(path),
        description="A table of the warehouse that nothing here makes" if there else missing,
        kinds={"postgres", "table"},
        metadata={
            "dagster/table_name": ".".join(path),
            **({"dagster/column_schema": column_schema(columns)} if columns else {}),
        },
        group_name=naming.WAREHOUSE,
    )


def problem_spec(kind: str, name: str, slug: str, reason: str) -> dg.AssetSpec:
    """A definition that was set aside, shown with its reason."""
    return dg.AssetSpec(
        asset_key(naming.problem_key(kind, slug)),
        description=f"**Set aside:** the {kind.replace('_', ' ')} entry '{name}' cannot be loaded: {reason}",
        group_name="set_aside",
        metadata={"reason": reason},
        tags={"dataops/set_aside": "true"},
    )


def common(row: Row, noun: str) -> dict[str, Any]:
    """What all assets of definitions have: group, tags, owners."""
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
