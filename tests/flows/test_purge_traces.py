"""What runs leave for their own continuation goes when none of them can need it any more."""

from datetime import UTC, datetime, timedelta

from dataops_defs.catalogue.kept_snapshots import KeptSnapshots
from dataops_defs.catalogue.models import SnapshotRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.purge_traces import purge_traces
from tests.scenes import World

NOW = datetime.now(UTC)


def days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def snapshots(world: World, *ages: int) -> list[str]:
    with world.platform.catalogue() as session:
        made = [KeptSnapshots(session).keep({"age": age}) for age in ages]
        for digest, age in zip(made, ages, strict=True):
            session.get_one(SnapshotRow, digest).kept_at = days_ago(age)
    return made


def kept(world: World) -> set[str]:
    with world.platform.catalogue() as session:
        return {row.digest for row in session.query(SnapshotRow)}


class TestSnapshots:
    def test_that_were_replaced_long_ago_go(self, world: World) -> None:
        oldest, replaced_lately, newest = snapshots(world, 40, 30, 2)

        purge_traces(world.platform, NOW)

        assert kept(world) == {replaced_lately, newest}
        assert oldest not in kept(world)

    def test_stay_while_a_run_that_may_need_them_is_open(self, world: World) -> None:
        made = snapshots(world, 40, 30, 2)
        with world.platform.catalogue() as session:
            Runs(session).request(RunKind.ASSETS, None, "paused for a month").created_at = days_ago(31)

        purge_traces(world.platform, NOW)

        assert kept(world) == set(made)


class TestFences:
    def test_of_ended_runs_go_after_a_while(self, world: World) -> None:
        work = world.work()
        extract_dataset(work, world.dataset(world.csv("a.csv", "a\n1\n")))
        with world.platform.catalogue() as session:
            Runs(session).get(work.run_id).finished_at = NOW
        assert world.sql("SELECT count(*) FROM dataops.fence") == [(1,)]

        assert purge_traces(world.platform, NOW) == (0, 0)
        assert purge_traces(world.platform, NOW + timedelta(days=30))[1] == 1
