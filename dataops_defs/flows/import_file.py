"""Import a file of a watched folder into its warehouse table: each version once, complete or not at all."""

import hashlib
from pathlib import PurePosixPath
from typing import Literal

from dataops_defs.adapters.sinks.csv_load import load_source
from dataops_defs.adapters.sources.base import columns_of
from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.files.local import LocalFiles
from dataops_defs.adapters.storage.roots import open_file
from dataops_defs.adapters.warehouse.books import enter, keep_rejects
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.models import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.naming import slug, table_key
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Conflict, NotFound, SourceError
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import UNFINISHED, Step, Work, sentence

TYPES = {".csv": SourceType.CSV, ".tsv": SourceType.CSV, ".txt": SourceType.CSV, ".xlsx": SourceType.EXCEL}
BLOCK = 1 << 20


def import_file(work: Work, file_id: str) -> Outcome | None:
    """Load one version of a watched file; None when the same content was imported before.

    Source: document 000, "Network Storage Monitoring".
    """
    with work.platform.catalogue() as session:
        watches = Watches(session)
        file = watches.file(file_id)
        if file is None:
            raise NotFound(f"File {file_id} of a watched folder not found")
        watch = watches.get(file.watch_id)
    if file.status == "imported":
        if file.run_id == work.run_id:
            return None
        raise Conflict(f"{file.path} is imported already")
    try:
        return _import(work, file, watch)
    except Exception as error:
        if not isinstance(error, UNFINISHED):
            _mark(work.platform, file.id, "failed", work.run_id, error=sentence(error))
        raise


def _import(work: Work, file: WatchedFileRow, watch: WatchRow) -> Outcome | None:
    digest = _digest(work.platform, file.path)
    with work.platform.catalogue() as session:
        twin = Watches(session).imported_twin(file, digest)
    if twin is not None:
        work.say(f"{file.path} has the content of {twin.path}, which is imported already")
        _mark(work.platform, file.id, "skipped_duplicate", work.run_id, digest=digest)
        return None
    work.say(f"Importing {file.path}")
    name = f"{watch.name}: {PurePosixPath(file.path).name}"
    outcome = work.do(RunKind.IMPORT, watch.id, name, lambda step: _load(work, step, file, watch))
    if _digest(work.platform, file.path) != digest:
        work.say(f"{file.path} changed while it was read; the new version will be imported too")
    _mark(work.platform, file.id, "imported", work.run_id, digest=digest)
    return outcome


def _load(work: Work, step: Step, file: WatchedFileRow, watch: WatchRow) -> Outcome:
    source = _as_source(file.path)
    table = watch.target_table or slug(PurePosixPath(file.path).stem)
    # A table that gathers a folder's files grows; a table named after its file is that file's newest version.
    mode: Literal["append", "replace"] = "append" if watch.target_table else "replace"
    opened, whole = work.platform.open(source), Extraction(ExtractionType.FILE)
    adapter = opened.reader(whole) if isinstance(opened, LocalFiles) else opened
    if isinstance(adapter, CsvSource):
        step.expect(adapter.estimated_rows(whole))
    entry = step.entry("watch", watch.id, f"{watch.target_schema}.{table}")
    with work.warehouse("dataops import") as connection:
        (ledger, rejected), columns = load_source(
            connection,
            watch.target_schema,
            table,
            adapter,
            whole,
            mode=mode,
            progress=step.progress,
        )
        outcome = Outcome(
            ledger=ledger.balanced(),
            assets=[table_key(watch.target_schema, table)],
            uri=f"warehouse:{watch.target_schema}.{table}",
            columns=columns_of(columns),
            rejected=rejected[:10],
            bytes=file.size_bytes,
            total_rows=ledger.inserted,
        )
        useless = ledger.read > 0 and ledger.inserted == 0
        keep_rejects(connection, entry, rejected)
        enter(connection, entry, ledger, None if useless else outcome.as_json())
    if useless:
        raise SourceError(f"No row of {file.path} could be imported")
    return outcome


def _as_source(path: str) -> Source:
    kind = TYPES.get(PurePosixPath(path).suffix.lower())
    if kind is None:
        raise SourceError(f"{path} is neither a CSV nor an Excel file")
    return Source(id=new_id(), name=path, slug="file", type=kind, app="default", connection={"path": path})


def _digest(platform: Platform, path: str) -> str:
    found = hashlib.sha256()
    with open_file(platform.settings.roots, path) as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def _mark(
    platform: Platform, id: str, status: str, run_id: str, *, digest: str | None = None, error: str | None = None
) -> None:
    with platform.catalogue() as session:
        row = Watches(session).file(id, lock=True)
        if row is not None:
            row.status, row.run_id, row.error = status, run_id, error
            row.content_hash = digest or row.content_hash
