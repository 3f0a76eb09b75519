"""A pipeline graph at work: what becomes of each node, whatever becomes of the others, the worker or the pipeline."""

import pytest

from dataops_defs.catalogue.models import PipelineRow, RunRow
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.errors import NodesFailed, RunPaused, RunStopped
from dataops_defs.flows.execute_pipeline import execute_pipeline
from tests.flows.graph_scenes import PLANES, Death, Fleet, at_node, die, fleet
from tests.scenes import World

ALL = ("s1", "s2", "d1", "d2", "m1", "m2", "m3")


@pytest.fixture
def graph(world: World) -> Fleet:
    return fleet(world)


def ask(graph: Fleet, run: str, order: str) -> None:
    with graph.world.platform.catalogue() as session:
        getattr(RunControl(session), order)(run)


class TestNodes:
    def test_wait_then_work_then_are_completed_with_their_counts(
        self, graph: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = graph.request()
        assert set(graph.states(run).values()) == {"waiting"}
        seen: list[dict[str, str]] = []
        at_node(monkeypatch, "m1", lambda: seen.append(graph.states(run)))

        graph.execute(run)

        assert seen[0]["d1"] == "completed"
        assert (seen[0]["m1"], seen[0]["m3"]) == ("running", "waiting")
        assert graph.states(run) == dict.fromkeys(ALL, "completed")
        nodes = {each.node.node_id: each for each in graph.nodes(run)}
        assert nodes["s1"].step is None
        assert nodes["s1"].node.finished_at is not None
        step = nodes["m1"].step
        assert step is not None
        assert (step.rows_done, step.ledger["inserted"], step.ledger["rejected"]) == (3, 2, 1)
        assert all(each.node.started_at <= each.node.finished_at for each in nodes.values())  # type: ignore[operator]

    def test_wait_while_the_worker_has_only_just_begun(self, graph: Fleet) -> None:
        run = graph.request()
        graph.worker(run)
        assert graph.states(run) == dict.fromkeys(ALL, "waiting")

    def test_of_a_run_that_dagster_started_name_the_pipeline(self, graph: Fleet) -> None:
        run = graph.request()
        graph.execute(run)
        with graph.world.platform.catalogue() as session:
            row = session.get_one(RunRow, run)
        assert (row.subject_name, row.steps_total) == ("Fleet", 5)


class TestANodeThatFails:
    def test_skips_what_depends_on_it_and_nothing_else(self, graph: Fleet) -> None:
        (graph.world.files / "planes.csv").unlink()
        run = graph.request()

        with pytest.raises(NodesFailed) as failed:
            graph.execute(run)

        assert graph.states(run) == {
            "s1": "failed",
            "d1": "skipped",
            "m1": "skipped",
            "m3": "skipped",
            "s2": "completed",
            "d2": "completed",
            "m2": "completed",
        }
        assert str(failed.value).startswith("1 of 7 nodes failed: 's1': ")
        assert str(failed.value).endswith("; 3 that depend on them were skipped")
        nodes = {each.node.node_id: each for each in graph.nodes(run)}
        assert "planes.csv" in (nodes["s1"].error or "")
        assert nodes["s1"].node.error_code == "SOURCE_ERROR"
        assert nodes["m3"].error == "Skipped, for 'm1' did not complete"
        assert graph.world.sql("SELECT count(*) FROM objects.airline") == [(2,)]

    def test_by_an_error_nobody_foresaw_tells_its_kind_only(
        self, graph: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaks() -> None:
            raise RuntimeError("password=hunter2")

        at_node(monkeypatch, "m2", breaks)
        run = graph.request()

        with pytest.raises(NodesFailed, match="RuntimeError"):
            graph.execute(run)

        found = {each.node.node_id: each for each in graph.nodes(run)}
        assert "hunter2" not in (found["m2"].error or "")
        assert graph.states(run)["m1"] == "completed"

    def test_is_not_tried_again_by_the_next_worker(self, graph: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        (graph.world.files / "planes.csv").unlink()

        with monkeypatch.context() as patch:
            at_node(patch, "d2", die)
            run = graph.request()
            with pytest.raises(Death):
                graph.execute(run)
        graph.dies(run)
        (graph.world.files / "planes.csv").write_text(PLANES)

        with pytest.raises(NodesFailed):
            graph.execute(run)

        assert graph.states(run)["s1"] == "failed"
        assert graph.states(run)["m2"] == "completed"

    def test_keeps_a_step_of_its_own_where_others_read_the_same_dataset(
        self, graph: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with graph.world.platform.catalogue() as session:
            row: PipelineRow = Pipelines(session).get(graph.pipeline)
            row.nodes, row.edges = [node for node in row.nodes if node["id"] in ("m1", "m3")], []
        (graph.world.files / "planes.csv").unlink()
        run = graph.request()

        with monkeypatch.context() as patch:
            at_node(patch, "m3", die)
            with pytest.raises(Death):
                graph.execute(run)
        graph.dies(run)

        with pytest.raises(NodesFailed, match="2 of 2 nodes failed"):
            graph.execute(run)

        with graph.world.platform.catalogue() as session:
            steps = [(step.node_id, step.state) for step in Runs(session).steps(run)]
        assert steps == [("m1", RunState.FAILED), ("m3", RunState.FAILED)]


class TestAnExecutionThatIsInterrupted:
    def test_paused_and_resumed_goes_on_at_the_node_it_was_at(
        self, graph: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = graph.request()
        with monkeypatch.context() as patch:
            at_node(patch, "d2", lambda: ask(graph, run, "pause"))
            work = graph.worker(run)
            with pytest.raises(RunPaused):
                execute_pipeline(work, graph.pipeline)
        with graph.world.platform.catalogue() as session:
            assert Runs(session).pause(run, work.lease.epoch)
        paused = graph.states(run)
        done = [node for node in ALL if paused[node] == "completed"]

        assert paused["d2"] == "paused"
        assert done
        assert {paused[node] for node in ALL if node not in (*done, "d2")} == {"waiting"}
        ask(graph, run, "resume")
        assert graph.states(run) == paused | {"d2": "waiting"}

        graph.execute(run)

        assert graph.states(run) == dict.fromkeys(ALL, "completed")
        with graph.world.platform.catalogue() as session:
            steps = [(step.node_id, step.state) for step in Runs(session).steps(run)]
        assert sorted(steps) == [(node, RunState.SUCCEEDED) for node in ALL if node[0] != "s"]

    def test_paused_between_two_nodes_has_none_at_work(self, graph: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        run = graph.request()
        at_node(monkeypatch, "s1", lambda: ask(graph, run, "pause"))

        with pytest.raises(RunPaused):
            graph.execute(run)
        ask(graph, run, "resume")

        assert graph.states(run) == {node: "completed" if node == "s1" else "waiting" for node in ALL}

    def test_cancelled_shows_which_node_it_was_at(self, graph: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        run = graph.request()
        at_node(monkeypatch, "m1", lambda: ask(graph, run, "cancel"))

        with pytest.raises(RunStopped):
            graph.execute(run)

        assert graph.states(run)["m1"] == "running"
        graph.finish(run, RunState.CANCELLED)
        states = graph.states(run)
        assert (states["d1"], states["m1"], states["m3"]) == ("completed", "cancelled", "cancelled")

    def test_cancelled_before_it_began_has_no_nodes_to_show(self, graph: Fleet) -> None:
        run = graph.request()
        ask(graph, run, "cancel")
        with pytest.raises(KeyError):
            graph.nodes(run)

    @pytest.mark.parametrize("at", ["s1", "d1", "m1", "m3"])
    def test_killed_is_continued_and_each_node_done_once(
        self, graph: Fleet, monkeypatch: pytest.MonkeyPatch, at: str
    ) -> None:
        run = graph.request()

        with monkeypatch.context() as patch:
            at_node(patch, at, die)
            with pytest.raises(Death):
                graph.execute(run)
        assert graph.states(run)[at] == "running"
        graph.dies(run)
        assert graph.states(run)[at] == "waiting"

        graph.execute(run)

        assert graph.states(run) == dict.fromkeys(ALL, "completed")
        assert graph.world.sql("SELECT count(*) FROM dataops.ledger WHERE run_id = %s", run) == [(5,)]

    def test_given_up_tells_why_at_the_node_it_was_at(self, graph: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        run = graph.request()
        at_node(monkeypatch, "d1", die)
        with pytest.raises(Death):
            graph.execute(run)
        graph.finish(run, RunState.FAILED, "its worker died")

        nodes = {each.node.node_id: each for each in graph.nodes(run)}
        assert (str(nodes["d1"].state), nodes["d1"].error) == ("failed", "its worker died")
        assert (str(nodes["m1"].state), nodes["m1"].error) == ("skipped", None)


class TestThePipeline:
    def test_changed_or_deleted_meanwhile_does_not_change_what_runs(
        self, graph: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = graph.request()

        def redraw_and_die() -> None:
            with graph.world.platform.catalogue() as session:
                row: PipelineRow = Pipelines(session).get(graph.pipeline)
                row.nodes, row.edges = row.nodes[:1], []
            raise Death

        with monkeypatch.context() as patch:
            at_node(patch, "d1", redraw_and_die)
            with pytest.raises(Death):
                graph.execute(run)
        graph.dies(run)
        with graph.world.platform.catalogue() as session:
            pipelines = Pipelines(session)
            pipelines.remove(pipelines.get(graph.pipeline))

        graph.execute(run)

        assert graph.states(run) == dict.fromkeys(ALL, "completed")
