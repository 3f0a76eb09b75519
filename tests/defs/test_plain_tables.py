"""Tables of the warehouse that definitions read and nothing here makes: they are shown, so that lineage is."""

from typing import Any

import dagster as dg
from pydantic import SecretStr

from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.selection import Selected
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.tables_read import tables_read
from tests.scenes import World

ORDERS = dg.AssetKey(["warehouse", "public", "orders"])
MART = dg.AssetKey(["warehouse", "analytics", "mart"])


def datamart(world: World, *tables: str, name: str = "mart") -> None:
    upstream = [{"schema": schema, "table": table} for schema, _, table in (each.partition(".") for each in tables)]
    with world.platform.catalogue() as session:
        Datamarts(session).add(DatamartRow(name=name, query="SELECT 1 AS n", upstream=upstream))


def graph(**more: Any) -> Any:
    return build_definitions({**read_state(), **more}).resolve_asset_graph()


class TestATableThatADatamartReads:
    def test_is_an_asset_upstream_of_it_with_its_columns(self, world: World) -> None:
        world.sql("CREATE TABLE public.orders (id int NOT NULL, amount numeric(10, 2))")
        datamart(world, "public.orders")

        found = graph()

        node = found.get(ORDERS)
        assert ORDERS in found.get(MART).parent_keys
        assert (node.group_name, set(node.kinds)) == ("warehouse", {"postgres", "table"})
        assert node.description == "A table of the warehouse that nothing here makes"
        columns = node.metadata["dagster/column_schema"].columns
        assert [(each.name, each.type, each.constraints.nullable) for each in columns] == [
            ("id", "integer", False),
            ("amount", "numeric(10,2)", True),
        ]

    def test_that_is_not_there_is_shown_and_says_so(self, world: World) -> None:
        datamart(world, "public.orders")

        node = graph().get(ORDERS)

        assert "Not there" in (node.description or "")
        assert "dagster/column_schema" not in node.metadata

    def test_of_which_nothing_is_known_is_shown_too(self, world: World) -> None:
        datamart(world, "public.orders")

        node = graph(tables=None).get(ORDERS)

        assert node.description == "A table of the warehouse that nothing here makes"

    def test_that_another_definition_makes_is_shown_by_that_one(self, world: World) -> None:
        datamart(world, "public.orders")
        datamart(world, "analytics.mart", name="above")

        found = graph()

        assert "warehouse" not in {found.get(key).group_name for key in found.get_all_asset_keys() - {ORDERS}}
        assert MART in found.executable_asset_keys

    def test_is_not_built_in_a_worker_that_refreshes_the_datamart(self, world: World) -> None:
        datamart(world, "public.orders")

        built = build_definitions(read_state(), Selected.of_run("__ASSET_JOB", [("warehouse", "analytics", "mart")]))

        [orders] = [spec for spec in built.resolve_all_asset_specs() if spec.key == ORDERS]
        assert orders.description is None


def test_a_warehouse_that_does_not_answer_hinders_no_loading(world: World) -> None:
    datamart(world, "public.orders")
    nowhere = SecretStr("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    away = Platform(world.platform.settings.model_copy(update={"warehouse_url": nowhere}))

    assert tables_read(away, read_state()) is None
