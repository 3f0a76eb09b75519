"""A dataset in Dagster: what its asset tells of the columns, and of what is new."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.defs.build import build_definitions, read_state
from tests.flows.extraction_scenes import TABLE, Orders
from tests.scenes import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def orders(world: World, operations_url: str) -> Orders:
    made = Orders(world, operations_url)
    made.sql(TABLE)
    made.put((1, "a", 1), (2, "b", 2))
    made.dataset(deletions="keys")
    return made


def materialize(orders: Orders, instance: dg.DagsterInstance) -> tuple[dict[str, Any], dict[str, Any]]:
    """One run of the asset: its metadata, and its checks by name."""
    with orders.world.platform.catalogue() as session:
        key = dg.AssetKey(["default", "raw", Datasets(session).get(orders.id).slug])
    job = build_definitions(read_state()).get_repository_def().get_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[key])
    assert result.success
    [event] = result.get_asset_materialization_events()
    metadata = {name: each.value for name, each in event.materialization.metadata.items()}
    return metadata, {each.check_name: each for each in result.get_asset_check_evaluations()}


class TestADatasetsAsset:
    def test_tells_how_far_its_source_was_read_and_which_columns_have_changed(
        self, orders: Orders, instance: dg.DagsterInstance
    ) -> None:
        metadata, checks = materialize(orders, instance)
        assert (metadata["incremental"], metadata["mark"]) == (False, "2025-01-02T00:00:00Z")
        assert "drift" not in metadata
        assert {name: each.passed for name, each in checks.items()} == {
            "schema_unchanged": True,
            "keys_match_source": True,
        }
        orders.sql("ALTER TABLE orders ADD note text")
        orders.sql("DELETE FROM orders WHERE id = 1")
        orders.sql("INSERT INTO orders VALUES (3, 'c', '2025-01-03Z', 'new')")

        metadata, checks = materialize(orders, instance)

        assert (metadata["incremental"], metadata["mark"]) == (False, "2025-01-03T00:00:00Z")
        assert (metadata["rows_inserted"], metadata["rows_unchanged"], metadata["rows_deleted"]) == (1, 1, 1)
        assert (metadata["dagster/row_count"], metadata["bytes"] > 0) == (2, True)
        assert metadata["drift"] == "- column 'note' is new (string)"
        check = checks["schema_unchanged"]
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert check.description == "column 'note' is new (string)"
        assert checks["keys_match_source"].passed
