"""Datamarts that follow the tables they read: asked for once for each change, in order, also for what was before."""

from collections.abc import Sequence

import dagster as dg
import pytest

from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.domain.datamart import RefreshStrategy
from tests.scenes import World

ORDERS, CUSTOMERS = (dg.AssetKey(["warehouse", "public", name]) for name in ("orders", "customers"))


def mart(name: str) -> dg.AssetKey:
    return dg.AssetKey(["warehouse", "analytics", name])


class Follower:
    """Dagster's own evaluation of conditions, tick by tick; what is asked for counts as done."""

    def __init__(self, world: World) -> None:
        self._defs = build_definitions(read_state())
        self._cursor: dg.AutomationConditionCursor | None = None
        self._instance = dg.DagsterInstance.ephemeral()

    def reload(self) -> None:
        self._defs = build_definitions(read_state())

    def written(self, *keys: dg.AssetKey) -> None:
        for key in keys:
            self._instance.report_runless_asset_event(dg.AssetMaterialization(key))

    def tick(self) -> set[dg.AssetKey]:
        done = dg.evaluate_automation_conditions(self._defs, self._instance, cursor=self._cursor)
        self._cursor = done.cursor
        wanted = {each.key for each in done.results if done.get_num_requested(each.key)}
        self.written(*sorted(wanted))
        return wanted

    def is_calm(self) -> bool:
        """Nothing more is asked for; here, where no run tells that both were refreshed in it, the upper one once."""
        return self.tick() <= {mart("above")} and not any(self.tick() for _ in range(2))


def define(world: World, name: str, upstream: Sequence[str], strategy: RefreshStrategy) -> None:
    places = [dict(zip(("schema", "table"), each.split("."), strict=True)) for each in upstream]
    with world.platform.catalogue() as session:
        Datamarts(session).add(DatamartRow(name=name, query="SELECT 1", refresh_strategy=strategy, upstream=places))


@pytest.fixture
def newcomer(world: World) -> Follower:
    """Nothing was looked at yet."""
    define(world, "both", ["public.orders", "public.customers"], RefreshStrategy.ON_COMMIT)
    define(world, "above", ["analytics.both", "public.orders"], RefreshStrategy.ON_COMMIT)
    define(world, "by_hand", ["public.orders"], RefreshStrategy.ON_DEMAND)
    return Follower(world)


@pytest.fixture
def follower(newcomer: Follower) -> Follower:
    newcomer.tick()
    return newcomer


def test_a_new_one_over_tables_that_were_never_written_waits_for_the_next_change(follower: Follower) -> None:
    assert follower.tick() == set()


def test_what_was_written_before_dagster_looked_for_the_first_time_is_not_lost(newcomer: Follower) -> None:
    newcomer.written(CUSTOMERS, mart("both"), CUSTOMERS)  # filled, and then written again: nobody has looked yet

    assert newcomer.tick() == {mart("both"), mart("above")}
    assert newcomer.is_calm()


def test_a_reload_of_the_definitions_asks_for_nothing(newcomer: Follower) -> None:
    newcomer.written(CUSTOMERS)
    newcomer.tick()
    assert newcomer.is_calm()

    newcomer.reload()

    assert newcomer.tick() == set()


def test_a_change_refreshes_it_and_what_is_built_on_it_once(follower: Follower) -> None:
    follower.written(CUSTOMERS)

    assert follower.tick() == {mart("both"), mart("above")}
    assert follower.is_calm()


def test_two_tables_that_change_together_refresh_it_once(follower: Follower) -> None:
    follower.written(ORDERS, CUSTOMERS, ORDERS)

    assert follower.tick() == {mart("both"), mart("above")}
    assert follower.is_calm()


def test_a_change_right_after_a_refresh_is_not_lost(follower: Follower) -> None:
    follower.written(ORDERS)
    follower.tick()
    follower.written(ORDERS)  # since that tick the datamarts were written, too

    assert follower.tick() == {mart("both"), mart("above")}
    assert follower.is_calm()


def test_a_table_that_nobody_is_known_to_write_is_no_reason_to_wait(follower: Follower) -> None:
    follower.written(ORDERS)  # and nothing was ever told of the customers

    assert mart("both") in follower.tick()


@pytest.mark.parametrize("table", ["Lin A", "заказы", "t$x", 'quo"ted', "a/b", "Kunden-Stamm"])
def test_a_table_of_any_name_refreshes_it(world: World, table: str) -> None:
    define(world, "both", [f"public.{table}", "public.customers"], RefreshStrategy.ON_COMMIT)
    follower = Follower(world)
    follower.tick()

    for key in (dg.AssetKey(["warehouse", "public", table]), CUSTOMERS):
        follower.written(key)

        assert follower.tick() == {mart("both")}
        follower.tick()


@pytest.mark.parametrize(
    ("one", "other"),
    [("public.a-b", "public.a_b"), ("public.Lin A", "public.Lin$A"), ("public.a_b", "public_a.b")],
)
def test_tables_of_names_that_are_alike_are_told_apart(world: World, one: str, other: str) -> None:
    define(world, "both", [one, other], RefreshStrategy.ON_COMMIT)
    follower = Follower(world)
    follower.tick()

    for each in (one, other):
        follower.written(dg.AssetKey(["warehouse", *each.split(".")]))

        assert follower.tick() == {mart("both")}
        follower.tick()


def test_a_refresh_by_hand_of_what_it_reads_counts_as_a_change(follower: Follower) -> None:
    follower.written(mart("both"))

    assert follower.tick() == {mart("above")}
