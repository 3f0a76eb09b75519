from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.pipeline import Node, NodeType, execution_order, nodes_of
from dataops_defs.errors import Invalid


def node(id: str, kind: str = "mapping") -> Node:
    return Node(id, NodeType(kind), f"subject-{id}")


def edge(source: str, target: str) -> dict[str, Any]:
    return {"id": f"{source}-{target}", "source": source, "target": target}


def has_cycle(pairs: list[tuple[int, int]]) -> bool:
    """Whether some node can be reached from itself."""
    reach = set(pairs)
    for middle in range(10):
        reach |= {(a, b) for a, m in reach if m == middle for n, b in reach if n == middle}
    return any(a == b for a, b in reach)


class TestTheOrderOfExecution:
    def test_follows_source_dataset_mapping(self) -> None:
        nodes = [node("m", "mapping"), node("d", "dataset"), node("s", "source")]
        order = execution_order(nodes, [edge("s", "d"), edge("d", "m")])
        assert [each.id for each in order] == ["s", "d", "m"]

    def test_a_mapping_may_wait_for_another_mapping(self) -> None:
        order = execution_order([node("late"), node("early")], [edge("early", "late")])
        assert [each.id for each in order] == ["early", "late"]

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
    def test_every_edge_points_forward_or_the_graph_is_refused(self, pairs: list[tuple[int, int]]) -> None:
        nodes = [node(str(number)) for number in range(10)]
        edges = [edge(str(a), str(b)) for a, b in pairs]
        if has_cycle(pairs):
            with pytest.raises(Invalid, match="cycle"):
                execution_order(nodes, edges)
            return
        order = [each.id for each in execution_order(nodes, edges)]
        assert sorted(order) == sorted(each.id for each in nodes)
        assert all(order.index(str(a)) < order.index(str(b)) for a, b in pairs)


class TestWhatIsRefused:
    def test_a_cycle_is_named(self) -> None:
        with pytest.raises(Invalid, match=r"a → b → a|b → a → b"):
            execution_order([node("a"), node("b")], [edge("a", "b"), edge("b", "a")])

    def test_an_edge_to_nowhere(self) -> None:
        with pytest.raises(Invalid) as refusal:
            execution_order([node("a")], [edge("a", "ghost")])
        assert refusal.value.fields[0].field == "edges.0"
        assert "ghost" in refusal.value.fields[0].message

    def test_a_source_does_not_feed_a_mapping(self) -> None:
        with pytest.raises(Invalid, match="a source does not feed a mapping"):
            execution_order([node("s", "source"), node("m")], [edge("s", "m")])

    def test_equal_ids_and_empty_graphs(self) -> None:
        with pytest.raises(Invalid, match="same id"):
            execution_order([node("a"), node("a")], [])
        with pytest.raises(Invalid, match="at least one node"):
            execution_order([], [])

    def test_a_node_that_stands_for_nothing(self) -> None:
        with pytest.raises(Invalid) as refusal:
            nodes_of([{"id": "x", "type": "dataset", "data": {}}])
        assert refusal.value.fields[0].field == "nodes.0.data.datasetId"
