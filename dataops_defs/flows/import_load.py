"""Load one file into the target of an import: rows, ledger and rejects commit together, or nothing does.

Under the target's lock it is seen whose rows the target holds, and whether it holds this content already.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.adapters.importing.content import Content, NothingFits
from dataops_defs.adapters.importing.explaining import explained, explained_csv
from dataops_defs.adapters.sinks.csv_load import load_csv_file
from dataops_defs.adapters.sinks.protocol import ParquetSink, RowSink, TableSink, Written
from dataops_defs.adapters.sinks.table_shape import column_names, declared_type
from dataops_defs.adapters.sources.base import columns_of
from dataops_defs.adapters.warehouse import loaded_files
from dataops_defs.adapters.warehouse.books import enter, keep_rejects, supersede_all
from dataops_defs.adapters.warehouse.loaded_files import LoadedFile
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.domain.importing import LoadMode, TargetFormat
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import import_key, raw_key
from dataops_defs.domain.sql_types import printed_type
from dataops_defs.errors import SourceError
from dataops_defs.flows.import_found import Found, first_rows, named_as, rows_accepted, sample_of, table_of
from dataops_defs.flows.import_gathering import Gathering
from dataops_defs.flows.import_lake import iceberg_of
from dataops_defs.flows.import_owner import check_owner
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.work import Step, Work

SUBJECT_KIND = "import"
BUCKET = "imports"
_UNDO = "SAVEPOINT dataops_import"
_UNDONE = "ROLLBACK TO SAVEPOINT dataops_import"


def load_import(work: Work, step: Step, row: ImportRow, content: Content) -> Outcome:
    """Load a content into the import's target.

    Raises:
        Conflict: the target holds what something else has made.
        SourceError: no row could be taken; the rejects are kept, and the target is as it was.
    """
    with work.warehouse("dataops import") as connection:
        loading = _Loading(work, step, row, content, connection)
        outcome, useful = loading.outcome()
    if not useful:
        first = outcome.rejected[0].without_values if outcome.rejected else "it holds none"
        raise SourceError(f"No row of {row.path} could be imported; the first: {first}")
    return outcome


@dataclass(frozen=True)
class _Loading:
    work: Work
    step: Step
    row: ImportRow
    content: Content
    connection: Connection

    def outcome(self) -> tuple[Outcome, bool]:
        """What was done, entered in the ledger; and whether that was of any use."""
        target, digest = str(self.row.target), self.content.digest
        loaded_files.hold_target(self.connection, target)
        check_owner(self.work, self.row, self.connection)
        held = loaded_files.same_content(self.connection, target, digest)
        if held is not None and self._still_so(held):
            if self._gathered_by_watch and held.path != self.row.path:
                return self._skipped(held), True
            self.work.say(f"{target} holds the content of {self.row.path} already")
            return self._entered(self._nothing_new(held)), True
        if (original := self._original()) is not None:
            return self._skipped(original), True
        return self._load()

    def _skipped(self, original: LoadedFile) -> Outcome:
        self.work.say(f"{self.row.path} has the content of {original.path}, which is imported already")
        return self._entered(self._outcome(Written(Ledger(), pa.schema([]), ""), {}, copy_of=original.path))

    def _still_so(self, held: LoadedFile) -> bool:
        if self.row.target_format is not TargetFormat.PARQUET and not self._holds_it_still():
            return False
        if self._gathered_by_watch:
            return True  # also where a watch that is gone read it otherwise: its rows are not added again
        return held.options == self.row.reading.fingerprint and (
            held.uri is None or not held.uri.startswith("raw:") or self.work.platform.raw_store.exists(held.uri)
        )

    def _holds_it_still(self) -> bool:
        """Whether the table is as it was left. Which file's rows are missing of those it gathers, nothing tells."""
        target = self.row.target
        lake = iceberg_of(self.work, self.row) if target.format is TargetFormat.ICEBERG else None
        if self.row.mode is LoadMode.REPLACE:
            if lake is not None:
                return lake.is_as_left_by(self._writer)
            return loaded_files.is_untouched(self.connection, str(target), target.schema, target.table)
        if lake is not None:
            is_empty = lake.is_empty()
        else:
            is_empty = loaded_files.is_empty(self.connection, target.schema, target.table)
        if is_empty:
            loaded_files.forget_target(self.connection, str(target))
        return not is_empty

    @property
    def _gathered_by_watch(self) -> bool:
        return self.row.watch_id is not None and self.row.mode is LoadMode.APPEND

    def _original(self) -> LoadedFile | None:
        """A file of the same watch, or beside it, whose own table holds the content of this one, which has none yet.

        Where files are gathered, only what their table holds counts; and a table that is there takes the new version
        of its file, whatever others hold.
        """
        row = self.row
        if row.watch_id is None or row.mode is LoadMode.APPEND:
            return None
        if loaded_files.earliest(self.connection, str(row.target)) is not None:
            return None
        loaded_files.hold_content(self.connection, self.content.digest)
        return loaded_files.copy_elsewhere(
            self.connection, row.watch_id, row.target_schema, self.content.digest, row.path
        )

    def _load(self) -> tuple[Outcome, bool]:
        with self.connection.cursor() as cursor:
            cursor.execute(_UNDO)
        try:
            written, explanations = self._written()
        except NothingFits as found:
            ledger = Ledger(read=len(found.rejected), rejected=len(found.rejected))
            written, explanations = Written(ledger, pa.schema([]), "", found.rejected), {}
        try:
            return self._kept(written, explanations)
        except BaseException:
            if written.uri.startswith("raw:"):
                self.work.platform.raw_store.delete(written.uri)
            raise

    def _kept(self, written: Written, explanations: dict[str, str]) -> tuple[Outcome, bool]:
        """What was written, entered with its rejects; of nothing useful only these."""
        self.content.check_unchanged()
        names = self._names(written)
        written = replace(written, rejected=[named_as(names, each) for each in written.rejected])
        useful = written.ledger.inserted > 0 or written.ledger.rejected == 0
        entry = self.step.entry(SUBJECT_KIND, self.row.id, written.uri or self.row.target.uri)
        if useful:
            self._note(written)
        else:
            with self.connection.cursor() as cursor:
                cursor.execute(_UNDONE)
        keep_rejects(self.connection, entry, written.rejected)
        outcome = self._outcome(written, explanations)
        enter(self.connection, entry, written.ledger, outcome.as_json() if useful else None)
        return outcome, useful

    def _names(self, written: Written) -> dict[str, str]:
        """By column of the file, its name in the target: PostgreSQL takes not all."""
        given = written.columns.names
        in_warehouse = self.row.target_format is TargetFormat.POSTGRES
        return dict(zip(given, column_names(given) if in_warehouse else given, strict=True))

    def _written(self) -> tuple[Written, dict[str, str]]:
        mode: Literal["append", "replace"] = "append" if self.row.mode is LoadMode.APPEND else "replace"
        target, content = self.row.target, self._gathering.fitted(self.content)
        if content.is_plain_csv and target.format is TargetFormat.POSTGRES:
            (ledger, rejected), columns = load_csv_file(
                self.connection,
                target.schema,
                target.table,
                content.file,
                content.dialect,
                mode=mode,
                progress=self.step.progress,
            )
            written = Written(ledger, columns, f"warehouse:{target.shown}", rejected)
            return written, explained_csv(content, columns, ledger.inserted)
        with content.reading() as reading:
            self.step.expect(reading.expected_rows)
            if mode == "append" and not content.is_csv:
                reading = self._gathering.fitted_reading(content, reading)
            self._gathering.check(reading.schema)
            written = self._sink().write(reading, mode=mode, writer=self._writer, progress=self.step.progress)
        if content.is_csv:
            return written, explained_csv(content, written.columns, written.ledger.read)
        return written, explained(content, written.columns, reading.empty)

    @property
    def _gathering(self) -> Gathering:
        return Gathering(self.connection, self.work.platform.raw_store, self.row)

    @property
    def _writer(self) -> str:
        """What tells a write that is repeated: to the lake, which commits by itself, its content does."""
        if self.row.target_format is TargetFormat.ICEBERG:
            return f"{self.content.digest}-{self.row.reading.fingerprint}"
        return self.step.id

    def _sink(self) -> RowSink:
        target = self.row.target
        if target.format is TargetFormat.ICEBERG:
            return iceberg_of(self.work, self.row)
        if target.format is TargetFormat.PARQUET:
            key = raw_key(f"{target.schema}/{target.table}", self.row.id, datetime.now(UTC), "parquet")
            return ParquetSink(self.work.platform.raw_store, BUCKET, key)
        return TableSink(self.connection, target.schema, target.table)

    def _note(self, written: Written) -> None:
        """Note what the target holds now; rejects of what it held before are of no use any more."""
        target = str(self.row.target)
        relation = None
        if self.row.target_format is TargetFormat.POSTGRES:
            relation = loaded_files.relation_of(self.connection, self.row.target_schema, self.row.target_table)
        if self.row.mode is LoadMode.REPLACE:
            before = loaded_files.forget_target(self.connection, target)
            supersede_all(self.connection, SUBJECT_KIND, before, self.work.run_id)
        made = LoadedFile(
            step_id=self.step.id,
            target=target,
            owner=self.row.owner,
            path=self.row.path,
            content_hash=self.content.digest,
            options=self.row.reading.fingerprint,
            import_id=self.row.id,
            watch_id=self.row.watch_id,
            rows=written.ledger.inserted,
            uri=written.uri,
            relation=relation,
        )
        loaded_files.note_loaded(self.connection, made)

    def _nothing_new(self, held: LoadedFile) -> Outcome:
        written = Written(Ledger(read=held.rows, unchanged=held.rows), pa.schema([]), held.uri or "")
        return self._outcome(written, {}, unchanged=True)

    def _entered(self, outcome: Outcome) -> Outcome:
        entry = self.step.entry(SUBJECT_KIND, self.row.id, outcome.uri)
        enter(self.connection, entry, outcome.ledger, outcome.as_json())
        return outcome

    def _outcome(
        self, written: Written, explanations: dict[str, str], *, unchanged: bool = False, copy_of: str | None = None
    ) -> Outcome:
        table = None if copy_of else table_of(self.connection, self.row.target)
        schema = self._schema(written, table)
        names = self._names(written)
        told = {names[column]: text for column, text in explanations.items() if column in names}
        found = Found(self.content, schema, told, unchanged, copy_of)
        target = self.row.target
        ledger = written.ledger.balanced()
        columns = [replace(each, name=names[each.name]) for each in columns_of(written.columns)]
        return Outcome(
            ledger=ledger,
            assets=[] if copy_of else [import_key(target.format, target.schema, target.table)],
            uri=written.uri,
            columns=[replace(each, type=schema.get(each.name, each.type)) for each in columns],
            preview=first_rows(self.connection, table),
            checks=[] if copy_of else [rows_accepted(ledger)],
            rejected=[sample_of(each) for each in written.rejected[:10]],
            bytes=self.content.size,
            total_rows=ledger.inserted + ledger.unchanged,
            details={**found.details(), "path": self.row.path, "importId": self.row.id},
        )

    def _schema(self, written: Written, table: Relation | None) -> dict[str, str]:
        """SQL types by column: of a table those that PostgreSQL tells of it."""
        if not len(written.columns):
            return {}
        names = column_names(written.columns.names)
        if table is None:
            types = map(declared_type, written.columns)
            return dict(zip(written.columns.names, map(printed_type, types), strict=True))
        told = {each.name: each.type for each in table.columns}
        return {name: printed_type(told[name]) for name in names if name in told}
