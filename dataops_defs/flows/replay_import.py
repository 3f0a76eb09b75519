"""Try rejected rows of an import again, with the corrections that were given for them, all or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.importing.casting import arrow_type, cast_values
from dataops_defs.adapters.importing.texts import Bad
from dataops_defs.adapters.sinks.copying import by_halves, copy_batch
from dataops_defs.adapters.sinks.table_shape import with_declared_type
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.warehouse import loaded_files
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.adapters.warehouse.corrections import (
    Refused,
    Waiting,
    adopt_corrections,
    mark_repaired,
    settled_before,
    still_rejected,
    waiting_rejects,
)
from dataops_defs.adapters.warehouse.rejects import Filter, count_rejects
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.importing import TargetFormat, is_unread_name
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import import_key
from dataops_defs.domain.rejects import RejectState
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.sql_types import SqlType, stored_type
from dataops_defs.errors import Conflict
from dataops_defs.flows.import_found import ACCEPTED, first_rows, table_of
from dataops_defs.flows.import_lake import iceberg_of
from dataops_defs.flows.intake import BATCH_ROWS
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.work import Step, Work

CHOSEN = "rows"
SUBJECT_KIND = "replay"
NUL = "\x00"


def replay_import(work: Work, row: ImportRow) -> Outcome:
    """Those that fit go into the import's table and become repaired; the others stay open with their new reason.

    Raises:
        Conflict: a later version of the file has taken the table's place, or the target is a file.
    """
    with work.platform.catalogue() as session:
        chosen = CHOSEN in Runs(session).get(work.run_id).parameters
    work.say(f"Replaying {'chosen' if chosen else 'all open'} rejects of {row.path}")
    outcome = work.do(RunKind.REPLAY, row.id, row.path, lambda step: _replay(work, step, row, chosen))
    with work.platform.warehouse("dataops look") as connection:
        held = loaded_files.holds_import(connection, row.id)
        still_open = count_rejects(connection, Filter(row.id, state=RejectState.OPEN))
    with work.platform.catalogue() as session:
        imports = Imports(session)
        imported = imports.get(row.id, lock=True)
        imported.rows_imported = held.rows if held else imported.rows_imported
        imports.note_open_rejects(imported, still_open)
    return outcome


def _replay(work: Work, step: Step, row: ImportRow, chosen: bool) -> Outcome:
    target = row.target
    if target.format is TargetFormat.PARQUET:
        raise Conflict("A Parquet file is never changed: mend the file and import it again")
    with work.warehouse("dataops replay") as connection:
        loaded_files.hold_target(connection, str(target))
        held = loaded_files.holds_import(connection, row.id)
        if held is None:
            raise Conflict(f"{target} no longer holds this import's rows: a later version has taken their place")
        if target.format is TargetFormat.POSTGRES:
            _check_table(connection, row)
        settled = settled_before(connection, work.run_id, row.id) if chosen else {}
        adopt_corrections(connection, work.run_id)
        replay = _Replay(connection, row)
        batches = waiting_rejects(connection, work.run_id, row.id, chosen=chosen, batch_rows=BATCH_ROWS)
        good = replay.good(batches, step)
        if target.format is TargetFormat.ICEBERG:
            _into_lake(work, row, replay, good)
        else:
            for numbers, batch in good:
                replay.insert(numbers, batch)
        mark_repaired(connection, work.run_id, replay.repaired)
        loaded_files.add_rows(connection, held.step_id, len(replay.repaired))
        ledger = _ledger(replay, settled)
        outcome = _outcome(connection, row, replay, ledger, held.rows)
        enter(connection, step.entry(SUBJECT_KIND, row.id, held.uri or target.uri), ledger, outcome.as_json())
    return outcome


def _check_table(connection: Connection, row: ImportRow) -> None:
    target = row.target
    relation = loaded_files.relation_of(connection, target.schema, target.table)
    if relation is None:
        raise Conflict(f"{target} is no longer there: somebody has dropped it; import {row.path} again")
    if loaded_files.is_another(connection, str(target), relation):
        raise Conflict(f"{target} is not the table that was imported: somebody has dropped that and made this one")


Batches = Iterator[tuple[list[int], pa.RecordBatch]]


@dataclass
class _Replay:
    """Rejects on their way into the table; which of them failed, and why. Numbers are the ids of rejects."""

    connection: Connection
    row: ImportRow
    read: int = 0
    refused: int = 0
    repaired: list[int] = field(default_factory=list)
    samples: list[RejectedRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.columns: dict[str, SqlType] = {
            name: stored_type(printed) for name, printed in (self.row.inferred_schema or {}).items()
        }

    @property
    def schema(self) -> pa.Schema:
        """The table's columns."""
        return pa.schema(
            [with_declared_type(pa.field(name, arrow_type(each)), each.declared) for name, each in self.columns.items()]
        )

    def good(self, batches: Iterator[list[Waiting]], step: Step) -> Batches:
        """The rows that fit, with the ids of their rejects."""
        for rows in batches:
            arrays, bad = [], dict[int, tuple[str, str | None]]()
            for place, each in enumerate(rows):
                if reason := self._unplaced(each.content):
                    bad[place] = (reason, None)
            for name, kind in self.columns.items():
                array, ill = _typed([each.content.get(name) for each in rows], kind)
                arrays.append(array)
                for place, reason in ill.items():
                    bad.setdefault(place, (reason, name))
            self.read += len(rows)
            self._refuse([(rows[place], *bad[place]) for place in sorted(bad)])
            batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            left = [place for place in range(len(rows)) if place not in bad]
            step.progress(self.read)
            if left:
                yield [rows[place].id for place in left], batch.take(pa.array(left, pa.int64()))

    def _unplaced(self, content: Mapping[str, Any]) -> str | None:
        """Why a content is no row of the table: nothing that it holds may get lost."""
        if not set(content) & set(self.columns):
            return "none of its columns is given: it could not be read as a row"
        strange = [name for name in content if name not in self.columns and not is_unread_name(name)]
        return f"holds '{strange[0]}', which is no column of {self.row.target}" if strange else None

    def insert(self, ids: list[int], batch: pa.RecordBatch) -> None:
        """Add rows to the table; what PostgreSQL itself refuses stays a reject."""
        target = sql.Identifier(self.row.target_schema, self.row.target_table)
        with self.connection.cursor() as cursor:
            bad = by_halves(cursor, batch, ids, lambda part, _numbers: copy_batch(cursor, target, _plain(part)))
        failed = {each.number: each for each in bad}
        still_rejected(self.connection, [Refused(id, each.reason, each.column) for id, each in failed.items()])
        self.refused += len(failed)
        self.repaired += [id for id in ids if id not in failed]

    def _refuse(self, refused: Sequence[tuple[Waiting, str, str | None]]) -> None:
        still_rejected(self.connection, [Refused(row.id, reason, column) for row, reason, column in refused])
        self.refused += len(refused)
        self.samples += [RejectedRow(row.row_number, reason, column, row.content) for row, reason, column in refused]
        del self.samples[10:]


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bytes as PostgreSQL reads them from text."""
    columns = [
        pa.array([None if each is None else "\\x" + each.hex() for each in column.to_pylist()], pa.string())
        if pa.types.is_binary(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _typed(values: Sequence[Any], kind: SqlType) -> tuple[pa.Array, Bad]:
    array, bad = cast_values(values, kind)
    for place, value in enumerate(values):
        if isinstance(value, str) and NUL in value:
            bad.setdefault(place, "holds a NUL character")
    return array, bad


def _into_lake(work: Work, row: ImportRow, replay: _Replay, good: Batches) -> None:
    """All good rows as one snapshot of the run."""
    found = list(good)
    if found:
        rows = Reading(replay.schema, iter([batch for _, batch in found]))
        iceberg_of(work, row).write(rows, mode="append", writer=work.run_id)
    replay.repaired += [id for ids, _ in found for id in ids]


def _ledger(replay: _Replay, settled: Mapping[RejectState, int]) -> Ledger:
    return Ledger(
        read=replay.read + sum(settled.values()),
        inserted=len(replay.repaired),
        unchanged=settled.get(RejectState.REPAIRED, 0),
        rejected=replay.refused,
        filtered=settled.get(RejectState.SUPERSEDED, 0),
    ).balanced()


def _outcome(connection: Connection, row: ImportRow, replay: _Replay, ledger: Ledger, rows_before: int) -> Outcome:
    still_open = count_rejects(connection, Filter(row.id, state=RejectState.OPEN))
    repaired = len(replay.repaired)
    check = Check(
        ACCEPTED,
        still_open == 0,
        f"{repaired} rejected rows were repaired, {still_open} are still open",
        {"repaired": repaired, "open": still_open},
    )
    return Outcome(
        ledger=ledger,
        assets=[import_key(row.target_format, row.target_schema, row.target_table)],
        uri=row.uri or str(row.target),
        checks=[check],
        rejected=replay.samples,
        columns=[Column(name, each) for name, each in (row.inferred_schema or {}).items()],
        preview=first_rows(connection, table_of(connection, row.target)),
        total_rows=rows_before + repaired,
        details={
            "path": row.path,
            "importId": row.id,
            "contentHash": row.content_hash,
            "explanations": list((row.explanations or {}).items()),
            "note": row.note,
            "suspect": row.suspect,
        },
        counts={"rejects_repaired": repaired, "rejects_still_open": still_open},
    )
