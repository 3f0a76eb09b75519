"""Pipeline graphs in the catalogue."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.models import PipelineRow


def pipelines_using(session: Session, reference: str, id: str) -> list[str]:
    """Names of the pipelines with a node that refers to this id; ``reference`` is ``datasetId`` or the like."""
    query = select(PipelineRow.name).where(PipelineRow.nodes.contains([{"data": {reference: id}}])).limit(20)
    return [f"pipeline '{name}'" for name in session.scalars(query)]


class Pipelines(Definitions[PipelineRow]):
    """All reads and writes of pipeline graphs."""

    row = PipelineRow
    noun = "pipeline"

    def dependants(self, row: PipelineRow) -> list[str]:
        """Nothing is built on a pipeline."""
        return []
