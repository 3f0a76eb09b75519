"""Datasets with nested values, and mappings of them."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.flows.extract_dataset import extract_dataset
from tests.scenes import World

TEXT = {"type": "string"}


def imported(world: World, table: pa.Table, name: str = "things") -> str:
    """A dataset whose newest raw copy is this table."""
    dataset = world.dataset(world.csv(f"{name}.csv", "a\n1\n"), name)
    extract_dataset(world.work(), dataset)
    replaced(world, dataset, table)
    return dataset


def replaced(world: World, dataset: str, table: pa.Table) -> None:
    copy = world.platform.raw_store.write("raw", f"{dataset}/{id(table)}.parquet", table.schema, table.to_batches())
    with world.platform.catalogue() as session:
        row = Datasets(session).get(dataset, lock=True)
        row.raw_uri, row.row_count = copy.uri, table.num_rows
        row.columns = [{"name": each.name, "type": str(each.type), "nullable": True} for each in table.schema]


def mapped(
    world: World,
    dataset: str,
    properties: Mapping[str, Any],
    columns: Mapping[str, Any],
    explode: str | None = None,
    key: str = "id",
    **sync: str,
) -> str:
    kind = world.object_type("thing", key, properties, required=[key])
    made = world.mapping(dataset, kind, columns, **sync)
    with world.platform.catalogue() as session:
        Mappings(session).get(made, lock=True).explode = explode
    return made


def objects(world: World, *names: str) -> list[tuple[Any, ...]]:
    listed = ", ".join(f'"{name}"' for name in names)
    return list(world.sql(f"SELECT {listed} FROM objects.thing ORDER BY 1"))
