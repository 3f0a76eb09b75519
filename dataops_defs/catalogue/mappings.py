"""Mappings in the catalogue."""

from collections.abc import Sequence

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.models import MappingRow
from dataops_defs.catalogue.pipelines import pipelines_using


class Mappings(Definitions[MappingRow]):
    """All reads and writes of mappings."""

    row = MappingRow
    noun = "mapping"

    def dependants(self, row: MappingRow) -> Sequence[Named]:
        """Pipelines that sync it."""
        return pipelines_using(self.session, "mappingId", row.id)
