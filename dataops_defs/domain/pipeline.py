"""A pipeline graph: nodes that stand for sources, datasets and mappings, edges that say what comes first."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Drawn = Mapping[str, Any]
"""A node or an edge in the form of document 004."""


class NodeType(StrEnum):
    """What a node stands for."""

    SOURCE = "source"
    DATASET = "dataset"
    MAPPING = "mapping"


REFERENCE = {NodeType.SOURCE: "sourceId", NodeType.DATASET: "datasetId", NodeType.MAPPING: "mappingId"}


class DefinitionStatus(StrEnum):
    """Whether schedules may fire a definition (``active``), it is unfinished, held back, or set aside."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ERROR = "error"


@dataclass(frozen=True)
class Node:
    """One node: its id in the graph, the catalogue id of what it stands for, and the nodes that come before it."""

    id: str
    type: NodeType
    subject_id: str
    after: tuple[str, ...] = ()
