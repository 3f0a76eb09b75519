"""A dry run tells what the run itself would do, count for count, and leaves nothing behind, however it ends."""

from typing import Any

import psycopg2
import pytest

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.models import MappingRow, RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import DRY_RUN, MAX_WORKERS, RunKind, RunState
from dataops_defs.errors import NodesFailed, RunPaused
from dataops_defs.flows import sync_mapping as syncing
from dataops_defs.flows.execute_pipeline import execute_pipeline
from dataops_defs.flows.outbox import settle_books
from dataops_defs.flows.sync_mapping import sync_mapping
from tests.flows.graph_scenes import Death, Fleet, at_node, copies, die, fleet, traces
from tests.scenes import World


@pytest.fixture
def graph(world: World) -> Fleet:
    return fleet(world)


def rehearse(graph: Fleet, run: str | None = None) -> str:
    """A dry run from its request to its end."""
    run = run or graph.request(**{DRY_RUN: True})
    work = graph.worker(run, dry_run=True)
    try:
        execute_pipeline(work, graph.pipeline)
        state = RunState.SUCCEEDED
    except NodesFailed:
        state = RunState.FAILED
    ended(graph, run, state, work.lease.epoch)
    return run


def ended(graph: Fleet, run: str, state: RunState, epoch: int) -> None:
    graph.finish(run, state)
    with graph.world.platform.catalogue() as session:
        settle_books(graph.world.platform, session, run, epoch)


def ledgers(graph: Fleet, run: str) -> dict[str, dict[str, int]]:
    return {each.node.node_id: each.step.ledger for each in graph.nodes(run) if each.step}


def run_it(graph: Fleet) -> str:
    run = graph.request()
    graph.execute(run)
    graph.finish(run, RunState.SUCCEEDED)
    return run


class TestADryRun:
    def test_counts_what_the_run_then_does_and_leaves_nothing(self, graph: Fleet) -> None:
        before = traces(graph.world)

        told = rehearse(graph)

        assert traces(graph.world) == before
        assert copies(graph.world) == []
        assert set(graph.states(told).values()) == {"completed"}
        assert ledgers(graph, told) == ledgers(graph, run_it(graph))

    def test_counts_updates_deletions_and_what_stays_against_the_objects_there_are(self, graph: Fleet) -> None:
        world = graph.world
        with world.platform.catalogue() as session:
            session.get_one(MappingRow, graph.ids["m2"]).sync = {"mode": "replace", "keyField": "code"}
        run_it(graph)
        (world.files / "airlines.csv").write_text("code,label\nAA,American Airlines\nDL,Delta\n")
        before = traces(world)

        told = rehearse(graph)

        assert traces(world) == before
        counts = ledgers(graph, told)["m2"]
        assert {name: counts[name] for name in ("read", "inserted", "updated", "unchanged", "deleted")} == {
            "read": 2,
            "inserted": 1,
            "updated": 1,
            "unchanged": 0,
            "deleted": 1,
        }
        assert ledgers(graph, told)["m1"]["unchanged"] == 2
        assert ledgers(graph, told) == ledgers(graph, run_it(graph))

    def test_shows_what_it_would_reject_and_keeps_none(self, graph: Fleet) -> None:
        (graph.world.files / "planes.csv").write_text("tailnum,year\nX\x01\ud7ff,2001\n" + "Y,1\n" * 30)

        told = rehearse(graph)

        with graph.world.platform.catalogue() as session:
            step = next(step for step in Runs(session).steps(told) if step.node_id == "m1")
        assert step.dry_run
        assert step.ledger["rejected"] == 31
        assert 1 < len(step.result["rejects"]) <= 20
        assert step.result["rejects"][0]["rowNumber"] == 1
        assert step.result["rejects"][1]["raw"] == {"tailnum": "Y", "year": 1}
        assert graph.world.sql("SELECT count(*) FROM dataops.reject") == [(0,)]

    def test_of_one_mapping_reads_the_copy_there_is(self, graph: Fleet) -> None:
        run_it(graph)
        (graph.world.files / "planes.csv").unlink()
        before = traces(graph.world)
        with graph.world.platform.catalogue() as session:
            run = Runs(session).request(RunKind.SYNC, graph.ids["m1"], "m", parameters={DRY_RUN: True}).id

        outcome = sync_mapping(graph.worker(run, dry_run=True), graph.ids["m1"])

        assert (outcome.ledger.read, outcome.ledger.unchanged) == (3, 2)
        assert traces(graph.world) == before

    def test_says_where_a_mapping_before_it_would_write_the_same_objects(self, graph: Fleet) -> None:
        with graph.world.platform.catalogue() as session:
            first = session.get_one(MappingRow, graph.ids["m1"])
            third = session.get_one(MappingRow, graph.ids["m3"])
            third.object_type_id, third.mappings, third.sync = first.object_type_id, first.mappings, first.sync
            name = first.name

        told = rehearse(graph)

        with graph.world.platform.catalogue() as session:
            step = next(step for step in Runs(session).steps(told) if step.node_id == "m3")
        assert ledgers(graph, told)["m3"]["inserted"] == 2
        [warned] = [each for each in step.result["checks"] if each["name"] == "counted_with_what_precedes"]
        assert (warned["passed"], name in warned["description"]) == (False, True)

    def test_that_fails_leaves_nothing_either(self, graph: Fleet) -> None:
        (graph.world.files / "airlines.csv").write_bytes(b"\x00\x01\x02\xff" * 50)
        before = traces(graph.world)

        told = rehearse(graph)

        assert graph.states(told)["s2" if graph.states(told)["s2"] == "failed" else "d2"] == "failed"
        assert graph.states(told)["m1"] == "completed"
        assert traces(graph.world) == before

    def test_blocks_no_reader_of_the_objects(self, graph: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        run_it(graph)
        (graph.world.files / "airlines.csv").write_text("code,label\nAA,Changed\nDL,Delta\n")
        seen: list[Any] = []
        enter = syncing.enter

        def read_meanwhile(*arguments: Any) -> None:
            enter(*arguments)
            other = psycopg2.connect(libpq_url(graph.world.platform.settings.url("warehouse")))
            with other, other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'; SELECT count(*), max(name) FROM objects.airline")
                seen.append(cursor.fetchone())
            other.close()

        monkeypatch.setattr(syncing, "enter", read_meanwhile)

        rehearse(graph)

        assert seen == [(2, "United")] * 3


class TestADryRunThatIsInterrupted:
    def dies_at(self, graph: Fleet, node: str, run: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            at_node(patch, node, die)
            with pytest.raises(Death):
                execute_pipeline(graph.worker(run, dry_run=True), graph.pipeline)

    def test_by_a_kill_goes_on_from_the_copies_it_has_made(self, graph: Fleet) -> None:
        before = traces(graph.world)
        run = graph.request(**{DRY_RUN: True})
        self.dies_at(graph, "m1", run)
        made = copies(graph.world)
        assert made
        graph.dies(run)
        (graph.world.files / "planes.csv").write_text("tailnum,year\n")

        rehearse(graph, run)

        assert ledgers(graph, run)["m1"]["read"] == 3
        assert traces(graph.world) == before

    def test_again_and_again_leaves_nothing_when_it_is_given_up(self, graph: Fleet) -> None:
        before = traces(graph.world)
        run = graph.request(**{DRY_RUN: True})
        for _ in range(MAX_WORKERS):
            self.dies_at(graph, "m3", run)
            with graph.world.platform.catalogue() as session:  # what it got done counts for nothing here
                row = session.get_one(RunRow, run)
                row.deaths = max(row.deaths, row.epoch - 1)
            graph.dies(run)

        with graph.world.platform.catalogue() as session:
            assert session.get_one(RunRow, run).state is RunState.FAILED
        assert traces(graph.world) == before

    def test_by_a_pause_keeps_its_copies_until_it_is_ended(self, graph: Fleet) -> None:
        run = graph.request(**{DRY_RUN: True})

        def pause() -> None:
            with graph.world.platform.catalogue() as session:
                RunControl(session).pause(run)

        work = graph.worker(run, dry_run=True)
        with pytest.MonkeyPatch.context() as patch:
            at_node(patch, "m1", pause)
            with pytest.raises(RunPaused):
                execute_pipeline(work, graph.pipeline)
        with graph.world.platform.catalogue() as session:
            assert Runs(session).pause(run, work.lease.epoch)
            settle_books(graph.world.platform, session, run, work.lease.epoch)
        assert copies(graph.world)
        with graph.world.platform.catalogue() as session:
            RunControl(session).resume(run)

        rehearse(graph, run)

        assert copies(graph.world) == []
        assert set(graph.states(run).values()) == {"completed"}
