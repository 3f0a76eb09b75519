"""Datamarts in the catalogue."""

from dataops_defs.catalogue.definitions import Definitions
from dataops_defs.catalogue.models import DatamartRow


class Datamarts(Definitions[DatamartRow]):
    """All reads and writes of datamarts."""

    row = DatamartRow
    noun = "datamart"

    def dependants(self, row: DatamartRow) -> list[str]:
        """Other datamarts whose query reads this one."""
        table = {"schema": row.schema, "table": row.slug}
        readers = self.session.query(DatamartRow.name).filter(DatamartRow.upstream.contains([table])).limit(20)
        return [f"datamart '{name}'" for (name,) in readers]
