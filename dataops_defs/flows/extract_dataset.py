"""Extract a dataset: read its source, keep a raw copy, account for every row."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sources.base import Reading, columns_of
from dataops_defs.adapters.warehouse.books import enter, keep_rejects, supersede_rejects
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import DatasetRow
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.dataset import DEFAULT_BUCKET
from dataops_defs.domain.extraction import Extraction, stored_extraction
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import dataset_key, raw_key
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError, StaleWorker
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Step, Work

PREVIEW_ROWS = 10


def extract_dataset(work: Work, dataset_id: str) -> Outcome:
    """Read the dataset's source into a new raw file; the dataset then points to it.

    The raw file appears whole or not at all; rows that could not be read are kept as rejects.
    Source: document 004, "Pipeline Execution Flow", step 4.
    """
    with work.platform.catalogue() as session:
        row = Datasets(session).get(dataset_id)
        sources = Sources(session, work.platform.keyring)
        source = sources.opened(sources.get(row.source_id))
    work.say(f"Extracting '{row.name}' from {source.type} source '{source.name}'")
    outcome = work.do(RunKind.EXTRACT, row.id, row.name, lambda step: _extract(work, step, row, source))
    _note(work.platform, row.id, outcome)
    return outcome


def _extract(work: Work, step: Step, row: DatasetRow, source: Source) -> Outcome:
    taken_at = datetime.now(UTC)
    bucket = row.storage.get("bucket") or DEFAULT_BUCKET
    key = raw_key(row.storage.get("prefix") or row.app, row.id, taken_at, "parquet")
    head = _Head()
    with work.open(source).read(extraction_of(row)) as reading:
        step.expect(reading.expected_rows)
        batches = head.watch(_counted(reading, step))
        raw = work.platform.raw_store.write(bucket, key, reading.schema, batches, writer=step.id)
        rejected, columns = list(reading.rejected), list(columns_of(reading.schema))
    ledger = Ledger(read=raw.rows + len(rejected), inserted=raw.rows, rejected=len(rejected)).balanced()
    outcome = Outcome(
        ledger=ledger,
        assets=[dataset_key(row.app, row.slug)],
        uri=raw.uri,
        columns=columns,
        preview=head.rows,
        rejected=rejected[:PREVIEW_ROWS],
        bytes=raw.bytes,
        total_rows=raw.rows,
        taken_at=taken_at,
    )
    try:
        _enter(work, step, row, outcome, rejected)
    except StaleWorker:
        work.platform.raw_store.delete(raw.uri)
        raise
    if _useless(outcome):
        work.platform.raw_store.delete(raw.uri)
        raise SourceError(
            f"No row of '{row.name}' could be read; all {len(rejected)} are kept as rejects, the first because it"
            f" {rejected[0].reason}"
        )
    return outcome


def _enter(work: Work, step: Step, row: DatasetRow, outcome: Outcome, rejected: list[RejectedRow]) -> None:
    entry = step.entry("dataset", row.id, outcome.uri)
    with work.warehouse("dataops extract") as connection:
        supersede_rejects(connection, entry)
        keep_rejects(connection, entry, rejected)
        enter(connection, entry, outcome.ledger, None if _useless(outcome) else outcome.as_json())


def _useless(outcome: Outcome) -> bool:
    return outcome.total_rows == 0 and outcome.ledger.rejected > 0


def extraction_of(row: DatasetRow) -> Extraction:
    """A stored extraction, checked when it was stored."""
    try:
        return stored_extraction(row.extraction)
    except Invalid:
        raise Invalid(f"The stored extraction of '{row.name}' cannot be read; send it again with a PATCH") from None


class _Head:
    """Keeps the first rows that pass by."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def watch(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if len(self.rows) < PREVIEW_ROWS:
                self.rows += json_rows(batch.slice(0, PREVIEW_ROWS - len(self.rows)))
            yield batch


def _counted(reading: Reading, step: Step) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in reading.batches:
        done += batch.num_rows
        step.progress(done)
        yield batch


def _note(platform: Platform, id: str, done: Outcome) -> None:
    with platform.catalogue() as session:
        row = Datasets(session).get(id, lock=True)
        # A slower, older extraction must not take the place of a newer one.
        if row.last_extracted_at is None or done.taken_at is None or row.last_extracted_at < done.taken_at:
            row.raw_uri, row.row_count, row.last_extracted_at = done.uri, done.total_rows, done.taken_at
            row.columns = [each.as_json() for each in done.columns]
