"""Whether a pipeline graph can run, told problem by problem with its field, and the order its nodes run in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from dataops_defs.domain.pipeline import REFERENCE, Drawn, Node, NodeType
from dataops_defs.errors import FieldProblem, Invalid

MAX_NODES = 500
MAX_EDGES = 5_000
# What follows a mapping waits for its objects: a mapping that refers to them, a dataset that reads them.
FEEDS = {
    (NodeType.SOURCE, NodeType.DATASET),
    (NodeType.DATASET, NodeType.MAPPING),
    (NodeType.MAPPING, NodeType.MAPPING),
    (NodeType.MAPPING, NodeType.DATASET),
}
Problems = Iterator[FieldProblem]


@dataclass(frozen=True)
class Subjects:
    """What the catalogue knows of the things a graph's nodes stand for, by their ids.

    Args:
        sources: those that exist.
        source_of: the source that each dataset reads.
        dataset_of: the dataset that each mapping reads.
    """

    sources: frozenset[str]
    source_of: Mapping[str, str]
    dataset_of: Mapping[str, str]

    def has(self, kind: NodeType, id: str) -> bool:
        """Whether there is such a thing."""
        known = {NodeType.SOURCE: self.sources, NodeType.DATASET: self.source_of, NodeType.MAPPING: self.dataset_of}
        return id in known[kind]

    def origin_of(self, kind: NodeType, id: str) -> str | None:
        """What a dataset or a mapping reads; None where there is no such thing."""
        return {NodeType.DATASET: self.source_of, NodeType.MAPPING: self.dataset_of}[kind].get(id)


def nodes_in_order(nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> list[Node]:
    """The nodes in an order that respects the edges; nodes free of one another keep their printed order.

    Raises:
        Invalid: the graph cannot run; names every problem (see `graph_problems`).
    """
    refuse(graph_problems(nodes, edges))
    before = _before(nodes, edges)
    by_id = {node["id"]: node for node in nodes}
    return [
        Node(id, NodeType(by_id[id]["type"]), _subject(by_id[id]) or "", tuple(before[id]))
        for id in TopologicalSorter(before).static_order()
    ]


def refuse(problems: Sequence[FieldProblem]) -> None:
    """Raise Invalid with all problems, if there are any; its sentence is the first one's."""
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Invalid(f"{problems[0].field}: {problems[0].message}{more}", problems)


def graph_problems(nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> list[FieldProblem]:
    """Everything that keeps the graph itself from running, whatever its nodes stand for."""
    if not nodes:
        return [FieldProblem("nodes", "must hold at least one node")]
    if len(nodes) > MAX_NODES:
        return [FieldProblem("nodes", f"must not be more than {MAX_NODES}")]
    if len(edges) > MAX_EDGES:
        return [FieldProblem("edges", f"must not be more than {MAX_EDGES}")]
    return [*_node_problems(nodes), *_edge_problems(nodes, edges), *_cycles(nodes, edges)]


def subject_problems(nodes: Sequence[Drawn], edges: Sequence[Drawn], subjects: Subjects) -> list[FieldProblem]:
    """Nodes that stand for what is not there, and edges from what their target does not read.

    Nodes and edges that are wrong by themselves are left to `graph_problems`.
    """
    problems, sound = [], {}
    for index, node in enumerate(nodes):
        kind, subject = _kind(node), _subject(node)
        if kind is None or subject is None:
            continue
        if subjects.has(kind, subject):
            sound[node["id"]] = (kind, subject)
        else:
            problems.append(_at_node(index, kind, f"there is no {kind} '{subject[:80]}'"))
    for index, edge in enumerate(edges):
        origin, target = sound.get(edge["source"]), sound.get(edge["target"])
        if origin is None or target is None or NodeType.MAPPING is origin[0] or (origin[0], target[0]) not in FEEDS:
            continue
        if subjects.origin_of(*target) != origin[1]:
            told = f"{target[0]} '{edge['target']}' does not read the {origin[0]} of '{edge['source']}'"
            problems.append(FieldProblem(f"edges.{index}", told))
    return problems


def graph_warnings(nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> list[FieldProblem]:
    """What may be meant so, and often is not."""
    ends = {edge[end] for edge in edges for end in ("source", "target")}
    fed = {edge["target"] for edge in edges if edge["source"] in _ids(nodes, NodeType.DATASET)}
    warnings = []
    for index, node in enumerate(nodes):
        if len(nodes) > 1 and node["id"] not in ends:
            warnings.append(FieldProblem(f"nodes.{index}", f"'{node['id']}' is connected to nothing"))
        elif _kind(node) is NodeType.MAPPING and node["id"] not in fed:
            told = f"no dataset leads to '{node['id']}': it syncs the newest raw copy its dataset has"
            warnings.append(FieldProblem(f"nodes.{index}", told))
    return warnings


def _node_problems(nodes: Sequence[Drawn]) -> Problems:
    first_of: dict[str, int] = {}
    first_with: dict[tuple[NodeType, str], str] = {}
    for index, node in enumerate(nodes):
        kind, subject = _kind(node), _subject(node)
        if first_of.setdefault(node["id"], index) != index:
            yield FieldProblem(f"nodes.{index}.id", f"node {first_of[node['id']]} has the id '{node['id']}' too")
        if kind is None:
            yield FieldProblem(f"nodes.{index}.type", f"must be one of: {', '.join(NodeType)}")
        elif subject is None:
            yield _at_node(index, kind, "is required")
        elif (twin := first_with.setdefault((kind, subject), node["id"])) != node["id"]:
            yield _at_node(index, kind, f"node '{twin}' stands for the same {kind}: one node is enough")
        if kind is not None:
            for other in sorted(({*REFERENCE.values()} - {REFERENCE[kind]}) & node["data"].keys()):
                yield FieldProblem(
                    f"nodes.{index}.data.{other}", f"a {kind} node stands for its {REFERENCE[kind]} only"
                )


def _edge_problems(nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> Problems:
    kinds = {node["id"]: _kind(node) for node in nodes}
    drawn: dict[tuple[str, str], int] = {}
    named: dict[str, int] = {}
    for index, edge in enumerate(edges):
        pair = (edge["source"], edge["target"])
        for end in ("source", "target"):
            if edge[end] not in kinds:
                yield FieldProblem(f"edges.{index}.{end}", f"'{str(edge[end])[:60]}' is not a node of this graph")
        if (id := edge.get("id")) is not None and named.setdefault(id, index) != index:
            yield FieldProblem(f"edges.{index}.id", f"edge {named[id]} has the id '{id}' too")
        if drawn.setdefault(pair, index) != index:
            yield FieldProblem(f"edges.{index}", f"edge {drawn[pair]} leads from '{pair[0]}' to '{pair[1]}' too")
        fed = (kinds.get(pair[0]), kinds.get(pair[1]))
        if None not in fed and pair[0] != pair[1] and fed not in FEEDS:
            yield FieldProblem(f"edges.{index}", f"a {fed[0]} does not feed a {fed[1]}")


def _cycles(nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> Problems:
    """Cycles that share no node, each named node by node: with all of them mended, others may show."""
    before = _before(nodes, edges)
    while True:
        try:
            TopologicalSorter(before).prepare()
        except CycleError as found:
            circle: list[str] = found.args[1]
            yield FieldProblem("edges", f"the graph has a cycle: {' → '.join(circle)}")
            before = {
                id: [each for each in ids if each not in circle] for id, ids in before.items() if id not in circle
            }
        else:
            return


def _before(nodes: Sequence[Drawn], edges: Sequence[Drawn]) -> dict[str, list[str]]:
    """For each node the nodes that lead to it; edges to nowhere are left out."""
    before: dict[str, list[str]] = {node["id"]: [] for node in nodes}
    for edge in edges:
        if edge["source"] in before and edge["target"] in before:
            before[edge["target"]].append(edge["source"])
    return before


def _kind(node: Drawn) -> NodeType | None:
    return NodeType(node["type"]) if node["type"] in set(NodeType) else None


def _subject(node: Drawn) -> str | None:
    kind = _kind(node)
    return (node.get("data", {}).get(REFERENCE[kind]) or None) if kind else None


def _ids(nodes: Sequence[Drawn], kind: NodeType) -> set[str]:
    return {node["id"] for node in nodes if _kind(node) is kind}


def _at_node(index: int, kind: NodeType, told: str) -> FieldProblem:
    return FieldProblem(f"nodes.{index}.data.{REFERENCE[kind]}", told)
