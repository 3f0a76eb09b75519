"""Replay a mapping's rejected rows, with the corrections that were given for them, all or nothing for readers."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.adapters.sinks.objects import ObjectSink, Published, StagedRow, count_objects, ensure_table
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
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.rejects import RejectState
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.transform import needs_row
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.shape_rows import RowShaper, Shaped, transforms_of
from dataops_defs.flows.sync_mapping import (
    BATCH_ROWS,
    DUPLICATE,
    EXISTS,
    PREVIEW_ROWS,
    Plan,
    outcome_of,
    plan_of,
    reference_checks,
)
from dataops_defs.flows.work import Step, Work

CHOSEN = "rows"
"""The run's parameter that says how many rejects were chosen; without it all that are open are replayed."""
# Booked under a name of its own: the rejects stay those of the sync that read all rows.
SUBJECT_KIND = "replay"


def replay_rejects(work: Work, mapping_id: str) -> Outcome:
    """Try open rejects of a mapping again, by the mapping as it is now.

    Those whose objects are written become repaired in the same transaction; those that fail again stay open with
    their new reason. Nothing is deleted, whatever the mapping's mode.
    Source: document 004, D012 and D096.
    """
    with work.platform.catalogue() as session:
        row = Mappings(session).get(mapping_id)
        chosen = CHOSEN in Runs(session).get(work.run_id).parameters
    plan = plan_of(work.platform, row)
    work.say(f"Replaying {'chosen' if chosen else 'all open'} rejects of '{plan.name}'")
    return work.do(RunKind.REPLAY, row.id, row.name, lambda step: _replay(work, step, plan, chosen))


def _replay(work: Work, step: Step, plan: Plan, chosen: bool) -> Outcome:
    with work.warehouse("dataops replay") as connection:
        ensure_table(connection, plan.table)  # whoever writes the same objects waits here
        settled = settled_before(connection, work.run_id, plan.mapping_id) if chosen else {}
        adopt_corrections(connection, work.run_id)
        replay = _Replay(connection, plan)
        transforms = transforms_of(plan.mappings)
        with JavaScriptEngine(transforms) if transforms else nullcontext() as engine:
            shaper = RowShaper(plan.kind, plan.mappings, engine)
            schema: pa.Schema | None = None
            for rows in waiting_rejects(connection, work.run_id, plan.mapping_id, chosen=chosen, batch_rows=BATCH_ROWS):
                schema = schema or _columns_read(work.platform, plan)
                replay.take(rows, schema, shaper)
                step.progress(replay.read)
        ledger = _ledger(replay, replay.publish(work.run_id), settled)
        outcome = _outcome(connection, plan, replay, ledger)
        entry = step.entry(SUBJECT_KIND, plan.mapping_id, f"{plan.table.schema}.{plan.table.table}")
        enter(connection, entry, ledger, outcome.as_json())
    return outcome


def _columns_read(platform: Platform, plan: Plan) -> pa.Schema:
    """The dataset's columns that the mapping looks at, in the types of its newest raw copy."""
    schema, _ = platform.raw_store.open(plan.raw_uri)
    if any(needs_row(each.transform) for each in plan.mappings.values() if each.transform):
        return schema
    mapped = {each.source_column for each in plan.mappings.values()}
    return pa.schema([each for each in schema if each.name in mapped])


class _Replay:
    """Rejects on their way into staging again; which of them failed, and why."""

    def __init__(self, connection: Connection, plan: Plan) -> None:
        self._connection, self._plan = connection, plan
        self._sink = ObjectSink(connection, plan.table, list(plan.mappings))
        self._tried: list[Waiting] = []
        self._failed: set[int] = set()
        self.read = 0
        self.repaired = 0
        self.samples: list[RejectedRow] = []
        self.preview: list[dict[str, Any]] = []

    @property
    def failed(self) -> int:
        """How many have failed so far."""
        return len(self._failed)

    def take(self, rows: Sequence[Waiting], schema: pa.Schema, shaper: RowShaper) -> None:
        """Shape a batch of rejects and stage the good ones."""
        batch, bad = _typed(rows, schema)
        self._refuse([(rows[place], reason, column) for place, (reason, column) in bad.items()])
        good = [place for place in range(len(rows)) if place not in bad]
        first = len(self._tried) + 1
        # Contents are large, and not needed again.
        self._tried += [replace(rows[place], content={}) for place in good]
        shaped = shaper.shape(batch.take(pa.array(good, pa.int64())), first)
        self._refuse([(self._of(each.number), each.reason, each.column) for each in shaped.rejected])
        shaped = self._without_taken_keys(shaped)
        refused = self._sink.stage(shaped.numbers, shaped.columns)
        self._refuse([(self._of(each.number), each.reason, self._column(each.column)) for each in refused])
        self.read += len(rows)
        self.preview += shaped.objects[: PREVIEW_ROWS - len(self.preview)]

    def publish(self, run_id: str) -> Published:
        """Bring what is staged into the objects, and close the rejects it came from."""
        self._refuse_staged(self._sink.set_duplicates_aside(), DUPLICATE, taken=True)
        done = self._sink.publish(self._plan.sync, self._plan.mapping_id, run_id, complete=False)
        self._refuse_staged(done.clashes, EXISTS)
        repaired = [each.id for each in self._tried if each.id not in self._failed]
        mark_repaired(self._connection, run_id, repaired)
        self.repaired = len(repaired)
        return done

    def _without_taken_keys(self, shaped: Shaped) -> Shaped:
        """Without rows that still have the key for which their sync refused them: they would take another's place."""
        key = self._plan.kind.key_field
        taken = {
            place
            for place, number in enumerate(shaped.numbers)
            if self._of(number).taken_key is not None
            and str(shaped.objects[place].get(key)) == self._of(number).taken_key
        }
        if not taken:
            return shaped
        reason = f"{key}: {DUPLICATE}"
        self._refuse([(self._of(shaped.numbers[place]), reason, self._plan.key_column) for place in sorted(taken)])
        kept = [place for place in range(len(shaped.numbers)) if place not in taken]
        places = pa.array(kept, pa.int64())
        return Shaped(
            numbers=[shaped.numbers[place] for place in kept],
            columns={name: column.take(places) for name, column in shaped.columns.items()},
            objects=[shaped.objects[place] for place in kept],
        )

    def _refuse_staged(self, rows: Sequence[StagedRow], reason: str, *, taken: bool = False) -> None:
        key = self._plan.kind.key_field
        keys = {self._of(row.number).id: str(row.content[key]) for row in rows} if taken else {}
        told = f"{key}: {reason}"
        self._refuse([(self._of(row.number), told, self._plan.key_column) for row in rows], keys)

    def _refuse(self, refused: Sequence[tuple[Waiting, str, str | None]], keys: Mapping[int, str] = {}) -> None:
        still_rejected(
            self._connection,
            [Refused(row.id, reason, column, keys.get(row.id)) for row, reason, column in refused],
        )
        self._failed.update(row.id for row, _, _ in refused)
        self.samples += [
            RejectedRow(row.row_number, reason, column, row.content)
            for row, reason, column in refused[: PREVIEW_ROWS - len(self.samples)]
        ]

    def _of(self, number: int) -> Waiting:
        return self._tried[number - 1]

    def _column(self, property_name: str | None) -> str | None:
        mapped = self._plan.mappings.get(property_name or "")
        return mapped.source_column if mapped else None


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
        rejected=replay.failed,
        filtered=done.filtered + settled.get(RejectState.SUPERSEDED, 0),
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
        [repaired, balanced, *reference_checks(connection, plan)],
        replay.preview,
        replay.samples,
        count_objects(connection, plan.table),
        {"rejects_repaired": replay.repaired, "rejects_still_open": still_open},
    )
