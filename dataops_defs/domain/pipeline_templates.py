"""Pipeline graphs that many begin with; whoever takes one says which source, dataset and mapping each node is.

Source: document 004, "Pipeline Visualization", point 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dataops_defs.domain.pipeline import NodeType
from dataops_defs.domain.source import SourceType

STEP_X, STEP_Y, FIRST_Y = 300, 150, 100
COLUMNS = {NodeType.SOURCE: 0, NodeType.DATASET: 1, NodeType.MAPPING: 2}


@dataclass(frozen=True)
class PlannedNode:
    """A node that stands for nothing yet; ``label`` tells what belongs there."""

    id: str
    type: NodeType
    label: str
    x: int
    y: int


@dataclass(frozen=True)
class PipelineTemplate:
    """A graph to fill in.

    Args:
        source_types: kinds of sources it is meant for.
        edges: pairs of node ids, first what comes first.
        sync_mode: what its mappings commonly sync with.
    """

    id: str
    name: str
    description: str
    source_types: Sequence[SourceType]
    nodes: Sequence[PlannedNode]
    edges: Sequence[tuple[str, str]]
    sync_mode: str
    cron: str | None = None


def _node(id: str, label: str, row: float = 0) -> PlannedNode:
    kind = {"src": NodeType.SOURCE, "ds": NodeType.DATASET, "map": NodeType.MAPPING}[id.split("-")[0]]
    return PlannedNode(id, kind, label, COLUMNS[kind] * STEP_X, FIRST_Y + round(row * STEP_Y))


DATABASES = (SourceType.POSTGRES, SourceType.MYSQL)
FILES = (SourceType.CSV, SourceType.EXCEL, SourceType.S3)
TEMPLATES: Sequence[PipelineTemplate] = (
    PipelineTemplate(
        "database-to-objects",
        "Database to objects",
        "Every night a query's rows become objects; objects that have changed are updated.",
        DATABASES,
        (_node("src-1", "Database"), _node("ds-1", "Query"), _node("map-1", "Columns to properties")),
        (("src-1", "ds-1"), ("ds-1", "map-1")),
        "upsert",
        "0 2 * * *",
    ),
    PipelineTemplate(
        "file-to-objects",
        "File to objects",
        "A file that is delivered whole each time replaces the objects it holds.",
        FILES,
        (_node("src-1", "File, folder or bucket"), _node("ds-1", "Rows"), _node("map-1", "Columns to properties")),
        (("src-1", "ds-1"), ("ds-1", "map-1")),
        "replace",
    ),
    PipelineTemplate(
        "api-to-objects",
        "REST API to objects",
        "Every hour an API's records are added or updated.",
        (SourceType.API,),
        (_node("src-1", "REST API"), _node("ds-1", "Records"), _node("map-1", "Fields to properties")),
        (("src-1", "ds-1"), ("ds-1", "map-1")),
        "upsert",
        "0 * * * *",
    ),
    PipelineTemplate(
        "many-sources-one-type",
        "Several sources, one object type",
        "Two sources tell about the same objects; the second adds to what the first has said.",
        tuple(SourceType),
        (
            _node("src-1", "Leading source"),
            _node("ds-1", "Leading rows"),
            _node("map-1", "Leading mapping"),
            _node("src-2", "Second source", 1),
            _node("ds-2", "Second rows", 1),
            _node("map-2", "Second mapping, onConflict merge", 1),
        ),
        (("src-1", "ds-1"), ("ds-1", "map-1"), ("src-2", "ds-2"), ("ds-2", "map-2"), ("map-1", "map-2")),
        "upsert",
    ),
    PipelineTemplate(
        "one-source-many-types",
        "One source, several object types",
        "Parents and children of one database become objects, parents first.",
        DATABASES,
        (
            _node("src-1", "Database", 0.5),
            _node("ds-1", "Parents"),
            _node("ds-2", "Children", 1),
            _node("map-1", "Parents to objects"),
            _node("map-2", "Children to objects", 1),
        ),
        (("src-1", "ds-1"), ("src-1", "ds-2"), ("ds-1", "map-1"), ("ds-2", "map-2"), ("map-1", "map-2")),
        "upsert",
        "0 2 * * *",
    ),
)
