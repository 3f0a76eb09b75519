"""What Dagster's pages show people of definitions and runs: kinds, descriptions, names, and nothing that is gone."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import TagType, get_tag_type

from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow, RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.domain.datamart import DatamartType
from dataops_defs.domain.leftover import LEFTOVERS, Leftover, LeftoverKind
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.outbox import launch_of
from dataops_defs.instance.worker import Process, Worker
from tests.defs.test_jobs_and_assets import PLANES, run_job
from tests.scenes import World

QUERY = "SELECT c.id, c.name, count(o.id) AS n FROM customers c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id"
AS_LIKED = (
    "SELECT\n  1\n  AS n -- as I like it, and longer than a line of eighty letters, which is where long ones begin"
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def datamart(world: World, **more: Any) -> str:
    with world.platform.catalogue() as session:
        return Datamarts(session).add(DatamartRow(**{"name": "mart", "query": "SELECT 1 AS n", **more})).id


def key(name: str = "mart") -> dg.AssetKey:
    return dg.AssetKey(["warehouse", "analytics", name])


def node(path: dg.AssetKey) -> Any:
    return build_definitions(read_state()).resolve_asset_graph().get(path)


class TestADatamart:
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ({"type": DatamartType.MATERIALIZED_VIEW}, "materialized_view"),
            ({"type": DatamartType.VIEW}, "view"),
            ({"type": DatamartType.TABLE}, "table"),
            ({"type": DatamartType.TABLE, "versioned": True}, "view"),
        ],
    )
    def test_is_of_the_kind_that_postgresql_keeps(self, world: World, values: dict[str, Any], kind: str) -> None:
        datamart(world, **values)

        assert set(node(key()).kinds) == {"postgres", kind}

    def test_shows_a_long_line_of_sql_clause_by_clause(self, world: World) -> None:
        datamart(world, query=QUERY)

        lines = node(key()).description.splitlines()

        assert {"FROM customers AS c", "GROUP BY"} <= set(lines)

    @pytest.mark.parametrize("query", ["SELECT 1   AS n", AS_LIKED])
    def test_shows_other_sql_as_it_was_written(self, world: World, query: str) -> None:
        datamart(world, query=query)

        assert query in node(key()).description


class TestADataset:
    def test_shows_what_it_reads_where_that_is_told(self, world: World) -> None:
        world.dataset(world.csv("planes.csv", PLANES), "Planes")
        shop = world.source("Shop", "postgres", host="db")
        world.dataset(shop, "Orders", type="sql", query="TABLE orders")

        assert "```" not in node(dg.AssetKey(["default", "raw", "planes"])).description
        assert "```\nTABLE orders\n```" in node(dg.AssetKey(["default", "raw", "orders"])).description


class TestARun:
    def test_of_assets_is_named_by_them(self, world: World, instance: dg.DagsterInstance) -> None:
        datamart(world)
        datamart(world, name="other")
        definitions = build_definitions(read_state())
        job = definitions.resolve_implicit_global_asset_job_def()

        for selection in ([key()], [key(), key("other")]):
            assert job.execute_in_process(instance=instance, asset_selection=selection).success

        with world.platform.catalogue() as session:
            names = [row.subject_name for row in session.query(RunRow).order_by(RunRow.id)]
        assert names == ["warehouse/analytics/mart", "warehouse/analytics/mart and 1 more"]

    def test_that_a_request_asked_for_names_who_asked(self, world: World) -> None:
        id = datamart(world)
        with world.platform.catalogue() as session:
            asked = Runs(session).request(RunKind.REFRESH, id, "mart", requested_by="Ann")
            by_itself = Runs(session).request(RunKind.REFRESH, id, "mart", requested_by="cron:x", trigger="cron")

            assert launch_of(asked, 60).tags["user"] == "Ann"
            assert "user" not in launch_of(by_itself, 60).tags

    def test_hides_what_only_launchers_read(self) -> None:
        assert {get_tag_type(tag) for tag in Worker.here(Process(1, 1)).as_tags()} == {TagType.HIDDEN}


class TestWhatWasDropped:
    def test_is_no_longer_listed(self, world: World, instance: dg.DagsterInstance) -> None:
        ids = {name: datamart(world, name=name) for name in ("mart", "other")}
        for id in ids.values():
            assert run_job("refresh_datamart", instance, subject_id=id).success
        leftover = Leftover(
            LeftoverKind.DATAMART, ids["mart"], "mart", "analytics.mart", asset=("warehouse", "analytics", "mart")
        )
        with world.platform.catalogue() as session:
            Datamarts(session).remove(Datamarts(session).get(ids["mart"]))
            run = (
                Runs(session)
                .request(RunKind.DROP, ids["mart"], "mart", parameters={LEFTOVERS: [leftover.as_json()]})
                .id
            )

        assert run_job("drop_data", instance, subject_id=ids["mart"], run_id=run).success

        assert instance.all_asset_keys() == [key("other")]
