"""Pipeline graphs in the catalogue."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions, as_uuid
from dataops_defs.catalogue.grants import Holder, Right, granted
from dataops_defs.catalogue.models import DatasetRow, MappingRow, PipelineRow, SourceRow
from dataops_defs.catalogue.triggers import triggers_of
from dataops_defs.domain.pipeline import REFERENCE, Drawn, NodeType
from dataops_defs.domain.pipeline_graph import Subjects


def pipelines_using(session: Session, reference: str, id: str) -> Sequence[PipelineRow]:
    """Pipelines with a node that refers to this id; ``reference`` is ``datasetId`` or the like."""
    query = select(PipelineRow).where(PipelineRow.nodes.contains([{"data": {reference: id}}])).limit(MOST_NAMED)
    return session.scalars(query).all()


def subjects_of(session: Session, nodes: Sequence[Drawn], holder: Holder | None = None) -> Subjects:
    """What there is of what a graph's nodes stand for, as far as the holder may see; their ids need not be sound."""

    def known(kind: NodeType, id: Any, *more: Any) -> list[Any]:
        given = [node["data"].get(REFERENCE[kind]) for node in nodes]
        query = select(id, *more).where(id.in_({key for each in given if (key := as_uuid(each or ""))}))
        return list(session.execute(query.where(granted(holder, Right.SEE)) if kind is NodeType.SOURCE else query))

    return Subjects(
        sources=frozenset(id for (id,) in known(NodeType.SOURCE, SourceRow.id)),
        source_of=dict(known(NodeType.DATASET, DatasetRow.id, DatasetRow.source_id)),
        dataset_of=dict(known(NodeType.MAPPING, MappingRow.id, MappingRow.dataset_id)),
    )


class Pipelines(Definitions[PipelineRow]):
    """All reads and writes of pipeline graphs."""

    row = PipelineRow
    noun = "pipeline"

    def dependants(self, row: PipelineRow) -> Sequence[Named]:
        """Triggers that run it."""
        return triggers_of(self.session, row)
