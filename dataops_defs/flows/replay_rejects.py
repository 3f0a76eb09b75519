"""Replay a mapping's rejected rows, with the corrections that were given for them, all or nothing for readers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.objects.sink import DUPLICATE, ObjectSink, Published, StagedRow
from dataops_defs.adapters.shaping.rows import Rows
from dataops_defs.adapters.typed_columns import typed_column
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
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.paths import PLACE, located
from dataops_defs.domain.rejects import RejectState
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.transform import needs_row
from dataops_defs.flows.intake import BATCH_ROWS, PREVIEW_ROWS
from dataops_defs.flows.object_store import open_sink
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.replay_import import replay_import
from dataops_defs.flows.shape_rows import RowShaper, Shaped
from dataops_defs.flows.sync_mapping import outcome_of, passing_over, reference_checks
from dataops_defs.flows.sync_plan import Plan, plan_of
from dataops_defs.flows.work import Step, Work

CHOSEN = "rows"
"""The run's parameter that says how many rejects were chosen; without it all that are open are replayed."""
# Booked under a name of its own: the rejects stay those of the sync that read all rows.
SUBJECT_KIND = "replay"


def replay_rejects(work: Work, mapping_id: str) -> Outcome:
    """Try open rejects of a mapping again, by the mapping as it is now; or those of an import.

    Those whose objects are written become repaired in the same transaction; those that fail again stay open with
    their new reason. Nothing is deleted, whatever the mapping's mode.
    Source: document 004, D012 and D096.
    """
    with work.platform.catalogue() as session:
        imported = Imports(session).find(mapping_id)
    if imported is not None:
        return replay_import(work, imported)
    with work.platform.catalogue() as session:
        row = Mappings(session).get(mapping_id)
        chosen = CHOSEN in Runs(session).get(work.run_id).parameters
    plan = plan_of(work.platform, row)
    work.say(f"Replaying {'chosen' if chosen else 'all open'} rejects of '{plan.name}'")
    return work.do(RunKind.REPLAY, row.id, row.name, lambda step: _replay(work, step, plan, chosen))


def _replay(work: Work, step: Step, plan: Plan, chosen: bool) -> Outcome:
    with work.warehouse("dataops replay") as connection:
        entry = step.entry(SUBJECT_KIND, plan.mapping_id, plan.kind.address)
        sink = open_sink(work, connection, entry, plan.kind, plan.properties)  # other writers wait from here on
        settled = settled_before(connection, work.run_id, plan.mapping_id) if chosen else {}
        adopt_corrections(connection, work.run_id)
        replay = _Replay(connection, plan, sink)
        with RowShaper(plan.kind, plan.mappings, plan.explode) as shaper:
            schema: pa.Schema | None = None
            for rows in waiting_rejects(connection, work.run_id, plan.mapping_id, chosen=chosen, batch_rows=BATCH_ROWS):
                schema = schema or _columns_read(work.platform, plan)
                replay.take(rows, schema, shaper)
                step.progress(replay.read)
        ledger = _ledger(replay, replay.publish(work.run_id), settled)
        outcome = _outcome(connection, plan, replay, ledger)
        enter(connection, entry, ledger, outcome.as_json())
    return outcome


def _columns_read(platform: Platform, plan: Plan) -> pa.Schema:
    """The dataset's columns that the mapping looks at, in the types of its newest raw copy.

    Of an element that was rejected its place in its list is known beside them.
    """
    schema, _ = platform.raw_store.open(plan.raw_uri)
    if not any(needs_row(each.transform) for each in plan.mappings.values() if each.transform):
        paths = [each.source_column for each in plan.mappings.values()] + ([plan.explode] if plan.explode else [])
        mapped = {found.column for path in paths if (found := located(path, schema.names))}
        schema = pa.schema([each for each in schema if each.name in mapped])
    return schema.append(pa.field(f"{plan.explode}.{PLACE}", pa.int64())) if plan.explode else schema


class _Replay:
    """Rejects on their way into staging again; which of them failed, and why.

    A reject is one row, or what its list unfolds to: then all of it is staged, or nothing.
    """

    def __init__(self, connection: Connection, plan: Plan, sink: ObjectSink) -> None:
        self._connection, self._plan, self.sink = connection, plan, sink
        self._tried: list[Waiting] = []
        self._key_columns: list[str] = []
        self._rejects: set[int] = set()
        self._failed: set[int] = set()
        self.read = self.without = self.refused = self.repaired = 0
        self.samples: list[RejectedRow] = []
        self.preview: list[dict[str, Any]] = []

    def take(self, rows: Sequence[Waiting], schema: pa.Schema, shaper: RowShaper) -> None:
        """Shape a batch of rejects and stage the good ones."""
        batch, bad = _typed(rows, schema)
        self._refuse([(rows[place], reason, column) for place, (reason, column) in bad.items()])
        good = [place for place in range(len(rows)) if place not in bad]
        before = len(self._tried)
        shaped = shaper.shape(batch.take(pa.array(good, pa.int64())), before + 1, PREVIEW_ROWS - len(self.preview))
        # Contents are large, and not needed again.
        waiting = [replace(rows[place], content={}) for place in good]
        self._rejects.update(each.id for each in waiting)
        self._tried += [waiting[shaped.rows.parent(at)] for at in range(len(shaped.rows))]
        self._key_columns += [shaped.rows.named(self._plan.key_column, at) for at in range(len(shaped.rows))]
        self._refuse(_first_of_each([(self._of(each.number), each.reason, each.column) for each in shaped.rejected]))
        staged = self._without_taken_keys(self._whole(shaped))
        refused = self.sink.stage(staged.numbers, staged.columns)
        self._refuse(
            [(self._of(row.number), row.reason, self._named(shaped.rows, row, before)) for row in refused],
        )
        self.read += len(bad) + shaped.rows.without + self._taken(shaped)
        self.without += shaped.rows.without
        self.preview += shaped.objects

    def publish(self, run_id: str) -> Published:
        """Bring what is staged into the objects, and close the rejects it came from."""
        self._refuse_staged(self.sink.set_duplicates_aside(), taken=True)
        published = self.sink.publish(self._plan.sync, self._plan.mapping_id, run_id, complete=False)
        done = passing_over(self._plan.sync, published)
        self._refuse_staged(done.refused)
        repaired = sorted(self._rejects - self._failed)
        mark_repaired(self._connection, run_id, repaired)
        self.repaired = len(repaired)
        return done

    def _whole(self, shaped: Shaped) -> Shaped:
        """Without the elements of rejects of which another element failed."""
        return _kept(shaped, [self._of(number).id not in self._failed for number in shaped.numbers])

    def _taken(self, shaped: Shaped) -> int:
        """What the batch counts for: every element, but a reject that failed as a whole for one."""
        failed = {self._of(each.number).id for each in shaped.rejected}
        return len(failed) + sum(self._of(number).id not in failed for number in shaped.numbers)

    def _without_taken_keys(self, shaped: Shaped) -> Shaped:
        """Without rows that still have the key for which their sync refused them: they would take another's place."""
        if all(self._of(number).taken_key is None for number in shaped.numbers):
            return shaped
        key = self._plan.kind.key_field
        keys = map(str, shaped.columns[key].to_pylist())
        free = [self._of(number).taken_key != its_key for number, its_key in zip(shaped.numbers, keys, strict=True)]
        taken = [number for number, kept in zip(shaped.numbers, free, strict=True) if not kept]
        self._refuse([(self._of(number), f"{key}: {DUPLICATE}", self._key_column(number)) for number in taken])
        return _kept(shaped, free)

    def _refuse_staged(self, rows: Sequence[StagedRow], *, taken: bool = False) -> None:
        key = self._plan.kind.key_field
        keys = {self._of(row.number).id: str(row.content[key]) for row in rows} if taken else {}
        refused = [(self._of(row.number), f"{key}: {row.reason}", self._key_column(row.number)) for row in rows]
        self._refuse(refused, keys)

    def _refuse(self, refused: Sequence[tuple[Waiting, str, str | None]], keys: Mapping[int, str] = {}) -> None:
        still_rejected(
            self._connection,
            [Refused(row.id, reason, column, keys.get(row.id)) for row, reason, column in refused],
        )
        self.refused += len(refused)
        self._failed.update(row.id for row, _, _ in refused)
        self.samples += [
            RejectedRow(row.row_number, reason, column, row.content)
            for row, reason, column in refused[: PREVIEW_ROWS - len(self.samples)]
        ]

    def _of(self, number: int) -> Waiting:
        return self._tried[number - 1]

    def _key_column(self, number: int) -> str:
        """Where a row's key stood, with the place of its element."""
        return self._key_columns[number - 1]

    def _named(self, rows: Rows, row: RejectedRow, before: int) -> str | None:
        mapped = self._plan.mappings.get(row.column or "")
        return rows.named(mapped.source_column, row.number - before - 1) if mapped else None


def _first_of_each(refused: Sequence[tuple[Waiting, str, str | None]]) -> list[tuple[Waiting, str, str | None]]:
    """For each reject what is wrong first."""
    first: dict[int, tuple[Waiting, str, str | None]] = {}
    for each in refused:
        first.setdefault(each[0].id, each)
    return list(first.values())


def _kept(shaped: Shaped, keep: Sequence[bool]) -> Shaped:
    """Some of the rows of a batch."""
    if all(keep):
        return shaped
    chosen = pa.array(keep, pa.bool_())
    return replace(
        shaped,
        numbers=[number for number, kept in zip(shaped.numbers, keep, strict=True) if kept],
        columns={name: column.filter(chosen) for name, column in shaped.columns.items()},
    )


def _typed(rows: Sequence[Waiting], schema: pa.Schema) -> tuple[pa.RecordBatch, dict[int, tuple[str, str]]]:
    """Rejects as rows of the dataset, and by place those that hold a value which is not of its column's type."""
    bad: dict[int, tuple[str, str]] = {}
    arrays = []
    for column in schema:
        array, ill = typed_column([row.content.get(column.name) for row in rows], column.type)
        arrays.append(array)
        for place, reason in ill.items():
            bad.setdefault(place, (f"{column.name}: {reason}", column.name))
    return pa.RecordBatch.from_arrays(arrays, names=schema.names), bad


def _ledger(replay: _Replay, done: Published, settled: Mapping[RejectState, int]) -> Ledger:
    """Rows that were repaired before are unchanged; what a later sync has read anew is left out."""
    return Ledger(
        read=replay.read + sum(settled.values()),
        inserted=done.inserted,
        updated=done.updated,
        unchanged=done.unchanged + settled.get(RejectState.REPAIRED, 0),
        rejected=replay.refused,
        filtered=done.filtered + replay.without + settled.get(RejectState.SUPERSEDED, 0),
    ).balanced()


def _outcome(connection: Connection, plan: Plan, replay: _Replay, ledger: Ledger) -> Outcome:
    still_open = count_rejects(connection, Filter(plan.mapping_id, state=RejectState.OPEN))
    repaired = Check(
        "rows_accepted",
        still_open == 0,
        f"{replay.repaired} rejected rows were repaired, {still_open} are still open",
        {"repaired": replay.repaired, "open": still_open},
    )
    balanced = Check(
        "ledger_balanced",
        True,
        f"All {ledger.read} rejected rows of '{plan.name}' that were replayed are accounted for",
        ledger.as_json(),
    )
    return outcome_of(
        plan,
        ledger,
        [repaired, balanced, *reference_checks(replay.sink, plan)],
        replay.preview,
        replay.samples,
        replay.sink.count(),
        {"rejects_repaired": replay.repaired, "rejects_still_open": still_open},
    )
