"""Pipeline graphs: every problem is named with its field, and the order of work respects every edge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.pipeline_graph import (
    MAX_EDGES,
    MAX_NODES,
    Subjects,
    graph_problems,
    graph_warnings,
    nodes_in_order,
    subject_problems,
)
from dataops_defs.domain.pipeline_run import NodeState, shown_state
from dataops_defs.domain.run import RunState
from dataops_defs.errors import Invalid


def node(id: str, kind: str = "mapping", subject: str | None = None) -> dict[str, Any]:
    return {"id": id, "type": kind, "data": {f"{kind}Id": subject or f"subject-{id}"}}


def edge(source: str, target: str) -> dict[str, Any]:
    return {"id": f"{source}-{target}", "source": source, "target": target}


def named(problems: Any) -> dict[str, str]:
    return {each.field: each.message for each in problems}


def has_cycle(pairs: list[tuple[int, int]]) -> bool:
    """Whether some node can be reached from itself."""
    reach = set(pairs)
    for middle in range(10):
        reach |= {(a, b) for a, m in reach if m == middle for n, b in reach if n == middle}
    return any(a == b for a, b in reach)


class TestTheOrderOfExecution:
    def test_follows_source_dataset_mapping(self) -> None:
        nodes = [node("m", "mapping"), node("d", "dataset"), node("s", "source")]
        order = nodes_in_order(nodes, [edge("s", "d"), edge("d", "m")])
        assert [each.id for each in order] == ["s", "d", "m"]
        assert [each.after for each in order] == [(), ("s",), ("d",)]

    def test_what_follows_a_mapping_waits_for_its_objects(self) -> None:
        nodes = [node("late"), node("reads_objects", "dataset"), node("early")]
        order = nodes_in_order(nodes, [edge("early", "late"), edge("early", "reads_objects")])
        assert [each.id for each in order] == ["early", "late", "reads_objects"]

    @given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
    def test_every_edge_points_forward_or_the_graph_is_refused(self, pairs: set[tuple[int, int]]) -> None:
        nodes = [node(str(number)) for number in range(10)]
        edges = [edge(str(a), str(b)) for a, b in pairs]
        if has_cycle(list(pairs)):
            with pytest.raises(Invalid, match="cycle"):
                nodes_in_order(nodes, edges)
            return
        order = [each.id for each in nodes_in_order(nodes, edges)]
        assert sorted(order) == sorted(each["id"] for each in nodes)
        assert all(order.index(str(a)) < order.index(str(b)) for a, b in pairs)


class TestWhatIsRefused:
    def test_cycles_are_named_node_by_node_and_so_is_a_node_that_leads_to_itself(self) -> None:
        nodes = [node(id) for id in "abcxyz"]
        edges = [edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("x", "y"), edge("y", "x"), edge("z", "z")]

        told = sorted(each.message for each in graph_problems(nodes, edges))

        assert [each.field for each in graph_problems(nodes, edges)] == ["edges"] * 3
        assert told[0] in {
            f"the graph has a cycle: {circle}" for circle in ("a → b → c → a", "b → c → a → b", "c → a → b → c")
        }
        assert told[1] in {f"the graph has a cycle: {circle}" for circle in ("x → y → x", "y → x → y")}
        assert told[2] == "the graph has a cycle: z → z"

    def test_all_problems_are_told_at_once_each_with_its_field(self) -> None:
        nodes = [
            node("a", "source"),
            node("a", "dataset"),
            node("m"),
            node("twin", subject="subject-m"),
            {"id": "w", "type": "wing", "data": {}},
            {"id": "d", "type": "dataset", "data": {"mappingId": "m"}},
        ]
        edges = [
            edge("a", "ghost"),
            {**edge("m", "twin"), "id": "a-ghost"},
            edge("m", "twin"),
            edge("nobody", "nowhere"),
        ]

        assert named(graph_problems(nodes, edges)) == {
            "nodes.1.id": "node 0 has the id 'a' too",
            "nodes.3.data.mappingId": "node 'm' stands for the same mapping: one node is enough",
            "nodes.4.type": "must be one of: source, dataset, mapping",
            "nodes.5.data.datasetId": "is required",
            "nodes.5.data.mappingId": "a dataset node stands for its datasetId only",
            "edges.0.target": "'ghost' is not a node of this graph",
            "edges.1.id": "edge 0 has the id 'a-ghost' too",
            "edges.2": "edge 1 leads from 'm' to 'twin' too",
            "edges.3.source": "'nobody' is not a node of this graph",
            "edges.3.target": "'nowhere' is not a node of this graph",
        }
        with pytest.raises(Invalid, match=r"nodes\.1\.id: .* \(and 9 more\)") as refusal:
            nodes_in_order(nodes, edges)
        assert len(refusal.value.fields) == 10

    @pytest.mark.parametrize(
        ("origin", "target"),
        [
            ("source", "mapping"),
            ("source", "source"),
            ("dataset", "source"),
            ("dataset", "dataset"),
            ("mapping", "source"),
        ],
    )
    def test_an_edge_between_what_does_not_feed_one_another(self, origin: str, target: str) -> None:
        problems = graph_problems([node("a", origin), node("b", target)], [edge("a", "b")])

        assert named(problems) == {"edges.0": f"a {origin} does not feed a {target}"}

    def test_a_graph_of_nothing_or_of_too_much(self) -> None:
        assert named(graph_problems([], [])) == {"nodes": "must hold at least one node"}
        many = [node(str(number)) for number in range(MAX_NODES + 1)]
        assert named(graph_problems(many, [])) == {"nodes": "must not be more than 500"}
        edges = [edge("1", "2")] * (MAX_EDGES + 1)
        assert named(graph_problems(many[:10], edges)) == {"edges": "must not be more than 5000"}

    def test_the_largest_graph_is_ordered(self) -> None:
        nodes = [node(str(number)) for number in range(MAX_NODES)]
        chain = [edge(str(number), str(number - 1)) for number in range(1, MAX_NODES)]
        assert [each.id for each in nodes_in_order(nodes, chain)] == [str(n) for n in reversed(range(MAX_NODES))]


class TestWhatNodesStandFor:
    SUBJECTS = Subjects(
        sources=frozenset({"S1", "S2"}), source_of={"D1": "S1", "D2": "S2"}, dataset_of={"M1": "D1", "M2": "D2"}
    )
    NODES = (
        node("s1", "source", "S1"),
        node("s2", "source", "S2"),
        node("d1", "dataset", "D1"),
        node("m1", "mapping", "M1"),
        node("m2", "mapping", "M2"),
    )

    def test_must_be_there(self) -> None:
        nodes = [*self.NODES, node("gone", "dataset", "D9"), node("odd", "wing")]

        assert named(subject_problems(nodes, [edge("gone", "m1")], self.SUBJECTS)) == {
            "nodes.5.data.datasetId": "there is no dataset 'D9'"
        }

    def test_must_read_what_leads_to_it(self) -> None:
        edges = [edge("s1", "d1"), edge("s2", "d1"), edge("d1", "m1"), edge("d1", "m2"), edge("m2", "m1")]

        assert named(subject_problems(self.NODES, edges, self.SUBJECTS)) == {
            "edges.1": "dataset 'd1' does not read the source of 's2'",
            "edges.3": "mapping 'm2' does not read the dataset of 'd1'",
        }

    def test_alone_is_allowed_and_warned_of(self) -> None:
        warned = graph_warnings(self.NODES, [edge("s1", "d1"), edge("d1", "m1"), edge("m1", "m2")])

        assert list(named(warned).items()) == [
            ("nodes.1", "'s2' is connected to nothing"),
            ("nodes.4", "no dataset leads to 'm2': it syncs the newest raw copy its dataset has"),
        ]
        assert graph_warnings([node("d1", "dataset")], []) == []


class TestTheStateOfANode:
    @pytest.mark.parametrize(
        ("noted", "run", "shown"),
        [
            ("waiting", "queued", "waiting"),
            ("waiting", "running", "waiting"),
            ("waiting", "paused", "waiting"),
            ("waiting", "cancelling", "waiting"),
            ("waiting", "cancelled", "cancelled"),
            ("waiting", "failed", "skipped"),
            ("waiting", "timed_out", "skipped"),
            ("running", "running", "running"),
            ("running", "pausing", "running"),
            ("running", "paused", "paused"),
            ("running", "queued", "waiting"),
            ("running", "starting", "waiting"),
            ("running", "cancelled", "cancelled"),
            ("running", "failed", "failed"),
            ("running", "timed_out", "failed"),
            ("completed", "cancelled", "completed"),
            ("failed", "queued", "failed"),
            ("skipped", "failed", "skipped"),
        ],
    )
    def test_follows_from_what_was_noted_and_from_the_execution(self, noted: str, run: str, shown: str) -> None:
        assert shown_state(NodeState(noted), RunState(run)) == shown
