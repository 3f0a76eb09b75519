"""Extract a dataset: read its source, keep a raw copy, account for every row."""

from datetime import UTC, datetime
from typing import Any

from dataops_defs.adapters.sources.base import columns_of
from dataops_defs.adapters.warehouse.books import enter, keep_rejects, supersede_rejects
from dataops_defs.adapters.warehouse.repeated_rejects import supersede_repeated
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import DatasetRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.dataset import DEFAULT_BUCKET, Extracted
from dataops_defs.domain.drift import Drift
from dataops_defs.domain.extraction import Extraction, stored_extraction
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import dataset_key, raw_key
from dataops_defs.domain.run import FULL, RunKind
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError, StaleWorker
from dataops_defs.flows.extracting import PREVIEW_ROWS, Extracting, Head, Taken
from dataops_defs.flows.next_copy import take_changes
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.schema_gate import FrozenSchema, SchemaGate, schema_check
from dataops_defs.flows.work import Step, Work

TAKING_FULL = (RunKind.EXTRACT, RunKind.PIPELINE)


def extract_dataset(work: Work, dataset_id: str) -> Outcome:
    """Read the dataset's source into a new raw file; the dataset then points to it.

    The raw file appears whole or not at all; rows that could not be read are kept as rejects. An incremental dataset's
    source is asked for what is new, and the raw file still holds all rows. The raw file of a dry run goes when that
    ends; its mappings read it before.

    Raises:
        FrozenSchema: the columns have changed, and the dataset's policy is ``freeze``.
    Source: document 004, "Pipeline Execution Flow", step 4.
    """
    with work.platform.catalogue() as session:
        row = Datasets(session).get(dataset_id)
        sources = Sources(session, work.platform.keyring)
        source = sources.opened(sources.get(row.source_id))
        run = Runs(session).get(work.run_id)
        full = run.kind in TAKING_FULL and bool(run.parameters.get(FULL))
    work.say(f"Extracting '{row.name}' from {source.type} source '{source.name}'")
    try:
        outcome = work.do(RunKind.EXTRACT, row.id, row.name, lambda step: _extract(work, step, row, source, full))
    except FrozenSchema as error:
        if work.dry_run:
            raise
        with work.platform.catalogue() as session:
            Datasets(session).note_refused(row.id, error.columns, error.drift, work.run_id)
        raise
    if not work.dry_run:
        _note(work.platform, row.id, work.run_id, outcome)
    return outcome


def _extract(work: Work, step: Step, row: DatasetRow, source: Source, full: bool) -> Outcome:
    taken_at = datetime.now(UTC)
    job = Extracting(
        work=work,
        step=step,
        source=source,
        wanted=extraction_of(row),
        bucket=row.storage.get("bucket") or DEFAULT_BUCKET,
        key=raw_key(row.storage.get("prefix") or row.app, row.id, taken_at, "parquet"),
        gate=SchemaGate.of(row),
        current=row.raw_uri,
        full=full,
    )
    taken = _take_all(job) if job.wanted.incremental is None else take_changes(job)
    outcome = _outcome(job, row, taken, taken_at)
    try:
        _enter(work, step, row, outcome, taken)
    except StaleWorker:
        _discard(work, taken)
        raise
    if _useless(taken):
        _discard(work, taken)
        raise SourceError(
            f"No row of '{row.name}' could be read; all {len(taken.rejected)} are kept as rejects, the first:"
            f" {taken.rejected[0].without_values}"
        )
    return outcome


def _take_all(job: Extracting) -> Taken:
    head = Head()
    with job.work.open(job.source).read(job.wanted) as reading:
        job.step.expect(reading.expected_rows)
        columns = list(columns_of(reading.schema))
        drift = job.gate.check(columns)
        raw = job.write(reading.schema, head.watch(job.counted(reading)))
        rejected, notes = list(reading.rejected), list(reading.notes)
    for note in notes:
        job.work.say(note)
    ledger = Ledger(read=raw.rows + len(rejected), inserted=raw.rows, rejected=len(rejected)).balanced()
    return Taken(raw.uri, raw.rows, raw.bytes, columns, drift, ledger, rejected, head.rows, notes=notes)


def _outcome(job: Extracting, row: DatasetRow, taken: Taken, taken_at: datetime) -> Outcome:
    held_back = job.gate.holds_back(taken.drift)
    if taken.drift:
        job.work.say(f"The columns have changed: {taken.drift.sentence}")
    details: dict[str, Any] = {
        "incremental": taken.incremental,
        "mark": taken.mark,
        "drift": taken.drift.as_json(),
        "quarantined": held_back,
        "notes": list(taken.notes),
    }
    return Outcome(
        ledger=taken.ledger,
        assets=[dataset_key(row.app, row.slug)],
        uri=taken.uri,
        columns=taken.columns,
        preview=taken.preview,
        checks=[schema_check(taken.drift, held_back=held_back), *taken.checks],
        rejected=taken.rejected[:PREVIEW_ROWS],
        bytes=taken.bytes,
        total_rows=taken.rows,
        taken_at=taken_at,
        details=details,
    )


def _enter(work: Work, step: Step, row: DatasetRow, outcome: Outcome, taken: Taken) -> None:
    entry = step.entry("dataset", row.id, outcome.uri)
    with work.warehouse("dataops extract") as connection:
        if not taken.incremental:
            supersede_rejects(connection, entry)
        keep_rejects(connection, entry, taken.rejected)
        if taken.incremental:
            supersede_repeated(connection, entry)
        enter(connection, entry, outcome.ledger, None if _useless(taken) else outcome.as_json())


def _useless(taken: Taken) -> bool:
    return taken.rows == 0 and taken.ledger.rejected > 0 and taken.ledger.deleted == 0


def _discard(work: Work, taken: Taken) -> None:
    if taken.is_new:
        work.platform.raw_store.delete(taken.uri)


def extraction_of(row: DatasetRow) -> Extraction:
    """A stored extraction, checked when it was stored."""
    try:
        return stored_extraction(row.extraction)
    except Invalid:
        raise Invalid(f"The stored extraction of '{row.name}' cannot be read; send it again with a PATCH") from None


def _note(platform: Platform, id: str, run_id: str, done: Outcome) -> None:
    told = done.details
    extracted = Extracted(
        uri=done.uri,
        rows=done.total_rows or 0,
        columns=done.columns,
        taken_at=done.taken_at or datetime.now(UTC),
        run_id=run_id,
        drift=Drift.from_json(told["drift"]) if "drift" in told else Drift(),
        mark=told.get("mark"),
        quarantined=bool(told.get("quarantined")),
    )
    with platform.catalogue() as session:
        Datasets(session).note_extracted(id, extracted)
