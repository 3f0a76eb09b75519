"""Datasets in the catalogue."""

from sqlalchemy import select

from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.models import DatasetRow, MappingRow
from dataops_defs.catalogue.pipelines import pipelines_using


class Datasets(Definitions[DatasetRow]):
    """All reads and writes of datasets."""

    row = DatasetRow
    noun = "dataset"

    def dependants(self, row: DatasetRow) -> list[str]:
        """Mappings that read it and pipelines that extract it."""
        mappings = self.session.scalars(select(MappingRow.name).where(MappingRow.dataset_id == row.id).limit(20))
        return [f"mapping '{name}'" for name in mappings] + pipelines_using(self.session, "datasetId", row.id)
