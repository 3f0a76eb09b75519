"""Datasets in the catalogue."""

from collections.abc import Sequence

from sqlalchemy import select

from dataops_defs.catalogue.base import Named, now
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions
from dataops_defs.catalogue.models import DatasetRow, MappingRow
from dataops_defs.catalogue.pipelines import pipelines_using
from dataops_defs.domain.columns import Column
from dataops_defs.domain.dataset import Extracted, waiting_schema
from dataops_defs.domain.drift import Drift, drift_between
from dataops_defs.errors import Conflict


class Datasets(Definitions[DatasetRow]):
    """All reads and writes of datasets."""

    row = DatasetRow
    noun = "dataset"

    def dependants(self, row: DatasetRow) -> Sequence[Named]:
        """Mappings that read it and pipelines that extract it."""
        mappings = self.session.scalars(select(MappingRow).where(MappingRow.dataset_id == row.id).limit(MOST_NAMED))
        return [*mappings, *pipelines_using(self.session, "datasetId", row.id)]

    def note_extracted(self, id: str, done: Extracted) -> None:
        """Point to the new copy, or keep it aside until it is accepted.

        A slower, older extraction does not take the place of a newer one.
        """
        row = self.get(id, lock=True)
        if row.last_extracted_at is not None and row.last_extracted_at >= done.taken_at:
            return
        row.last_extracted_at, row.drift = done.taken_at, done.drift.as_json()
        current = [Column.from_json(each) for each in row.columns or []]
        # What it differed from may have been replaced meanwhile: by columns that were accepted.
        if done.quarantined and drift_between(current, done.columns):
            row.waiting = done.waiting()
            return
        row.raw_uri, row.row_count, row.mark = done.uri, done.rows, done.mark
        # An answer without any column says nothing of the schema.
        row.columns = [each.as_json() for each in done.columns] or row.columns
        row.waiting, row.accepted = None, None

    def note_refused(self, id: str, columns: Sequence[Column], drift: Drift, run_id: str) -> None:
        """Keep the columns for which a frozen dataset's extraction was refused: they can be accepted."""
        row = self.get(id, lock=True)
        row.drift, row.waiting = drift.as_json(), waiting_schema(columns, drift, run_id)

    def accept(self, row: DatasetRow) -> None:
        """Accept what waits: a copy becomes current; columns without one are those the next extraction may have.

        Raises:
            Conflict: nothing waits.
        """
        waiting = row.waiting
        if waiting is None:
            raise Conflict(f"Nothing of dataset '{row.name}' waits to be accepted: its schema is the accepted one")
        if "uri" not in waiting:
            row.accepted, row.waiting = waiting["columns"], None
            return
        row.raw_uri, row.row_count, row.mark = waiting["uri"], waiting["rows"], waiting["mark"]
        row.columns, row.accepted_at = waiting["columns"], now()
        row.waiting, row.accepted = None, None
