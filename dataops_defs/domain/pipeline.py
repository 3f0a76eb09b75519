"""A pipeline graph: nodes that stand for sources, datasets and mappings, edges that say what comes first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dataops_defs.errors import FieldProblem, Invalid

MAX_NODES = 500


class NodeType(StrEnum):
    """What a node stands for."""

    SOURCE = "source"
    DATASET = "dataset"
    MAPPING = "mapping"


REFERENCE = {NodeType.SOURCE: "sourceId", NodeType.DATASET: "datasetId", NodeType.MAPPING: "mappingId"}
FEEDS = {(NodeType.SOURCE, NodeType.DATASET), (NodeType.DATASET, NodeType.MAPPING)}


class DefinitionStatus(StrEnum):
    """Whether schedules may fire a definition (``active``), it is unfinished, held back, or set aside."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"


@dataclass(frozen=True)
class Node:
    """One node: its id in the graph, and the catalogue id of what it stands for."""

    id: str
    type: NodeType
    subject_id: str


def nodes_of(nodes: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Read the nodes from their documented form; shape only, no cross-checks.

    Raises:
        Invalid: a type or reference that is not there.
    """
    made = []
    for index, node in enumerate(nodes):
        try:
            kind = NodeType(node["type"])
        except ValueError:
            raise Invalid.field(f"nodes.{index}.type", f"must be one of: {', '.join(NodeType)}") from None
        subject = node.get("data", {}).get(REFERENCE[kind])
        if not subject:
            raise Invalid.field(f"nodes.{index}.data.{REFERENCE[kind]}", "is required")
        made.append(Node(node["id"], kind, subject))
    return made


def execution_order(nodes: Sequence[Node], edges: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Nodes in an order that respects the edges; nodes free of one another keep their printed order.

    Raises:
        Invalid: no nodes, equal ids, an edge to nowhere or between kinds that do not feed one another, a cycle.
    """
    by_id = {node.id: node for node in nodes}
    problems = _graph_problems(nodes, edges, by_id)
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
    sorter: TopologicalSorter[str] = TopologicalSorter({node.id: [] for node in nodes})
    for edge in edges:
        sorter.add(edge["target"], edge["source"])
    try:
        return [by_id[node_id] for node_id in sorter.static_order()]
    except CycleError as cycle:
        circle = " → ".join(reversed(cycle.args[1]))
        raise Invalid.field("edges", f"the graph has a cycle: {circle}") from None


def _graph_problems(
    nodes: Sequence[Node], edges: Sequence[Mapping[str, Any]], by_id: Mapping[str, Node]
) -> list[FieldProblem]:
    if not nodes:
        return [FieldProblem("nodes", "must hold at least one node")]
    if len(nodes) > MAX_NODES:
        return [FieldProblem("nodes", f"must not be more than {MAX_NODES}")]
    if len(by_id) < len(nodes):
        return [FieldProblem("nodes", "two nodes have the same id")]
    return [
        FieldProblem(f"edges.{index}", reason)
        for index, edge in enumerate(edges)
        if (reason := _edge_problem(edge, by_id))
    ]


def _edge_problem(edge: Mapping[str, Any], by_id: Mapping[str, Node]) -> str | None:
    for end in ("source", "target"):
        if edge[end] not in by_id:
            return f"{end} '{str(edge[end])[:60]}' is not a node of this graph"
    pair = (by_id[edge["source"]].type, by_id[edge["target"]].type)
    # An edge from a mapping orders work: what it leads to waits for the mapping's objects.
    if pair not in FEEDS and pair[0] is not NodeType.MAPPING and edge["source"] != edge["target"]:
        return f"a {pair[0]} does not feed a {pair[1]}"
    return None
