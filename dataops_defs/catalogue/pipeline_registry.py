"""The one registry of pipelines: an id or a name finds an ETL pipeline of document 003, or a graph of document 004.

Source: DECISIONS 1 and 28.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import EtlPipelineRow, PipelineRow
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict, NotFound

PREFIX = "pipe_"


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of either kind."""

    row: EtlPipelineRow | PipelineRow

    @property
    def kind(self) -> RunKind:
        """What its executions are."""
        return RunKind.ETL if isinstance(self.row, EtlPipelineRow) else RunKind.PIPELINE

    @property
    def held_back(self) -> str | None:
        """Why nothing but a person may run it; None when triggers may."""
        if self.row.problem:
            return f"Pipeline '{self.row.name}' cannot be loaded: {self.row.problem}"
        if isinstance(self.row, EtlPipelineRow):
            return None if self.row.enabled else f"Pipeline '{self.row.name}' is disabled"
        active = self.row.status is DefinitionStatus.ACTIVE
        return None if active else f"Pipeline '{self.row.name}' is {self.row.status}"


def find_pipeline(session: Session, given: str) -> Pipeline:
    """The pipeline of that id, with its prefix or without, else of that name.

    Raises:
        NotFound: there is none.
        Conflict: two have the name, one of each kind.
    """
    key = as_uuid(given.removeprefix(PREFIX))
    etl = EtlPipelineRow.id == key if key else EtlPipelineRow.name == given
    graph = PipelineRow.id == key if key else PipelineRow.name == given
    found: list[EtlPipelineRow | PipelineRow] = [
        *session.scalars(select(EtlPipelineRow).where(etl)),
        *session.scalars(select(PipelineRow).where(graph)),
    ]
    if len(found) > 1:
        raise Conflict(f"There are two pipelines named '{given[:80]}'; give the id of the one that is meant")
    if not found:
        raise NotFound(f"Pipeline {given[:80]} not found")
    return Pipeline(found[0])
