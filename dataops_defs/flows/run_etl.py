"""Run an ETL pipeline: its query's result once into a spool, from there batch by batch into the target.

Rows, ledger and checkpoint of a batch commit together, under the run's fence: whoever continues after a pause, a crash
or a lost connection begins with the first row that is not committed.
Source: document 003; ARCHITECTURE, "One currency, one ledger"; SAFETY design, section 2.
"""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sinks.etl_columns import check_kept
from dataops_defs.adapters.sinks.etl_target import EtlSink, Written
from dataops_defs.adapters.sql.binding import bind
from dataops_defs.adapters.warehouse import checkpoint as checkpoints
from dataops_defs.adapters.warehouse.books import add, drop_rejects, enter, keep_rejects, written_so_far
from dataops_defs.adapters.warehouse.checkpoint import Checkpoint
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.etl import EtlConfig, EtlMode
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import AssetPath, etl_key, target_key
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.trigger import PARAMETERS
from dataops_defs.errors import StaleWorker
from dataops_defs.flows.etl_source import etl_source
from dataops_defs.flows.etl_spool import read_into_spool
from dataops_defs.flows.etl_targets import sink_of
from dataops_defs.flows.lineage import lineage_of
from dataops_defs.flows.outcome import Check, Outcome
from dataops_defs.flows.work import Step, Work

SAMPLE_ROWS = 10
SECONDS_BETWEEN_LOOKS = 0.5
# A load that failed goes on with what it has read; what is older than that is read again.
SPOOL_LIFE = timedelta(hours=24)


def run_etl(work: Work, pipeline_id: str) -> Outcome:
    """Bring the query's result into the target; readers of a full load see the old rows or the new ones."""
    with work.platform.catalogue() as session:
        pipelines = EtlPipelines(session)
        row = pipelines.get(pipeline_id)
        config = pipelines.claim(row.id, work.run_id)
        key = etl_key(row.app, row.slug)
        run = Runs(session).get(work.run_id)
        config = replace(config, source_query=bind(config.source_query, run.parameters.get(PARAMETERS, {})))
        began = run.started_at or work.platform.now()
    work.say(f"Running pipeline '{config.name}' ({config.mode}) into {config.target}")

    def action(step: Step) -> Outcome:
        return _Turn(work, step, row.id, config, key, began).carry_out()

    return work.do(RunKind.ETL, row.id, row.name, action)


class _Turn:
    """One worker's turn at one pipeline."""

    def __init__(
        self, work: Work, step: Step, pipeline_id: str, config: EtlConfig, key: AssetPath, run_began: datetime
    ) -> None:
        self._work, self._step, self._config, self._key, self._run_began = work, step, config, key, run_began
        self._pipeline_id = pipeline_id
        self._entry = step.entry("pipeline", pipeline_id, str(config.target))
        self._source = etl_source(work.platform, config, work.lease.reading)
        self._done = Ledger()
        self._rejected: list[RejectedRow] = []
        self._preview: list[dict[str, object]] = []

    def carry_out(self) -> Outcome:
        """Finish the load that is under way, if one is; else begin one.

        An incremental load that an earlier run left behind is followed by one of what has come since.
        """
        with self._work.warehouse("dataops etl") as connection:
            self._wait_for_the_target(connection)
            load = self._take(connection)
            while True:
                load, sink = self._make_ready(connection, load)
                load = self._write_batches(connection, load, sink)
                assert load.spooled_at is not None  # noqa: S101 - it was spooled
                if self._config.mode is EtlMode.FULL or load.spooled_at >= self._run_began:
                    return self._publish(connection, load, sink)
                load = checkpoints.begin_load(self._put_away(connection, load), load.fingerprint)

    def _wait_for_the_target(self, connection: Connection) -> None:
        """Two pipelines that write to one target take turns."""
        target = self._config.target
        for attempt in count():
            if checkpoints.hold_target(connection, str(target)):
                return
            connection.rollback()
            self._work.lease.check()
            if attempt == 0:
                self._work.say(f"Another pipeline is writing to {target}; waiting until it has finished")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _take(self, connection: Connection) -> Checkpoint:
        """The load to go on with: the one that is under way where it can be gone on with, else a new one."""
        entry, fingerprint = self._entry, self._config.fingerprint
        before = checkpoints.look(connection, self._pipeline_id)
        load = checkpoints.take(connection, self._pipeline_id, entry.run_id, entry.epoch, fingerprint)
        connection.commit()
        self._done, _ = written_so_far(connection, self._step.id)
        if load.spool is None:
            return checkpoints.begin_load(load, fingerprint)
        old = load.spooled_at is None or self._work.platform.now() - load.spooled_at > SPOOL_LIFE
        # What an ended run gathered may be as old as its end; only the run itself goes on with a full load.
        others = self._config.mode is EtlMode.FULL and before is not None and before.run_id != entry.run_id
        if load.fingerprint != fingerprint or old or others or not self._work.platform.raw_store.exists(load.spool):
            self._work.say("The load that an earlier run left cannot be gone on with; it begins anew")
            return checkpoints.begin_load(load, fingerprint)
        self._work.say(f"Going on with row {load.position + 1} of {load.rows}")
        if self._config.mode is EtlMode.FULL:
            self._done = load.counted
        return load

    def _make_ready(self, connection: Connection, load: Checkpoint) -> tuple[Checkpoint, EtlSink]:
        """The load with its spool, and the sink that takes its rows."""
        if load.spool is None:
            columns = self._source.columns()
            check_kept(columns, load.columns)
            load = replace(load, columns=columns)
        sink = sink_of(self._work.platform, self._config, self._pipeline_id, load)
        if self._config.mode is EtlMode.INCREMENTAL and not sink.exists(connection):
            load = self._without_a_target(connection, load)
        spooled = load.spool is not None
        there = sink.prepare(connection, load.columns)
        connection.commit()
        if not spooled:
            load = self._spool(connection, load)
        elif not there and load.position:
            load = checkpoints.restarted(load)
            if self._config.mode is EtlMode.FULL:
                self._done = Ledger()
                drop_rejects(connection, self._entry)
        checkpoints.keep(connection, load, self._entry.epoch)
        connection.commit()
        self._step.expect(load.rows)
        return load, sink

    def _without_a_target(self, connection: Connection, load: Checkpoint) -> Checkpoint:
        """What earlier loads brought has gone with the target: it is all read again, before there is a new one."""
        if load.mark is None and load.position == 0:
            return load
        self._work.say(f"{self._config.target} is gone, and what was brought there with it: all rows are read again")
        load = checkpoints.restarted(load)
        if load.mark is not None:  # the spool, if there is one, holds only what is newer
            if load.spool is not None:
                self._work.platform.raw_store.delete(load.spool)
            load = replace(load, mark=None, next_mark=None, spool=None)
        checkpoints.keep(connection, load, self._entry.epoch)
        connection.commit()
        return load

    def _spool(self, connection: Connection, load: Checkpoint) -> Checkpoint:
        load = read_into_spool(self._work, self._step.id, self._source, load)
        try:
            checkpoints.keep(connection, load, self._entry.epoch)
        except StaleWorker:
            self._work.platform.raw_store.delete(load.spool or "")
            raise
        return load

    def _write_batches(self, connection: Connection, load: Checkpoint, sink: EtlSink) -> Checkpoint:
        """Each batch in a transaction of its own, with its ledger and checkpoint."""
        assert load.spool is not None  # noqa: S101 - made ready
        for batch in self._work.platform.raw_store.rows(load.spool, load.position, self._config.batch_size):
            written = sink.write(connection, batch, load.position + 1)
            counts = _counts(batch, written)
            keep_rejects(connection, self._entry, written.rejected)
            if self._config.mode is EtlMode.INCREMENTAL:
                add(connection, self._entry, counts)
            load = replace(load, position=load.position + batch.num_rows, counted=load.counted + counts)
            checkpoints.keep(connection, load, self._entry.epoch)
            connection.commit()
            self._sample(batch, written)
            self._done += counts
            full = self._config.mode is EtlMode.FULL
            self._step.committed(self._done.read, self._done.unpublished() if full else self._done)
        return load

    def _put_away(self, connection: Connection, load: Checkpoint) -> Checkpoint:
        """After a load's last batch; its mark counts from now on."""
        done = checkpoints.finished(load)
        checkpoints.keep(connection, done, self._entry.epoch)
        connection.commit()
        self._work.platform.raw_store.delete(load.spool or "")
        return done

    def _publish(self, connection: Connection, load: Checkpoint, sink: EtlSink) -> Outcome:
        """The last transaction of a run: what was gathered takes the target's place, and the step is done."""
        change = sink.publish(connection, complete=load.counted.rejected == 0)
        ledger = self._with_change(change)
        outcome = self._outcome(load, ledger, sink.rows(connection))
        if self._config.mode is EtlMode.FULL:
            sink.discard(connection)
            enter(connection, self._entry, ledger, outcome.as_json())
        else:
            add(connection, self._entry, Ledger(), outcome.as_json())
        self._step.so_far = ledger
        self._put_away(connection, load)
        return outcome

    def _with_change(self, change: Ledger) -> Ledger:
        """The balance of the run; where publishing tells how the rows changed the target, by that."""
        done, rows = self._done, change.inserted + change.updated + change.unchanged
        if rows == 0:
            return replace(done, deleted=done.deleted + change.deleted).balanced()
        filtered = done.filtered
        if self._config.target.schema is None:
            # In an index a row takes the place of one with its key, also of an earlier batch.
            filtered = done.read - done.rejected - rows
        return replace(change, read=done.read, rejected=done.rejected, filtered=filtered).balanced()

    def _outcome(self, load: Checkpoint, ledger: Ledger, rows: int) -> Outcome:
        target = self._config.target
        kept_old = self._config.mode is EtlMode.FULL and ledger.rejected > 0 and target.schema is not None
        told = f"{ledger.rejected} of {ledger.read} rows were rejected; they are kept with their reasons"
        checks = [
            Check(
                "rows_accepted",
                ledger.rejected == 0,
                f"{told}, and no row was deleted" if kept_old else told,
                {"rejected": ledger.rejected, "read": ledger.read},
            ),
            Check("ledger_balanced", True, f"All {ledger.read} rows are accounted for", ledger.as_json()),
        ]
        return Outcome(
            ledger=ledger,
            assets=[self._key, target_key(target.schema, target.name)],
            uri=f"warehouse:{target}" if target.schema else str(target),
            columns=[Column(each.name, each.type) for each in load.columns],
            preview=self._preview,
            checks=checks,
            rejected=self._rejected,
            lineage=lineage_of(self._work.platform, self._config.source_query) if not self._config.source_id else {},
            total_rows=rows,
            taken_at=load.spooled_at,
        )

    def _sample(self, batch: pa.RecordBatch, written: Written) -> None:
        if not self._preview:
            self._preview = json_rows(batch.slice(0, SAMPLE_ROWS))
        self._rejected += written.rejected[: SAMPLE_ROWS - len(self._rejected)]


def _counts(batch: pa.RecordBatch, written: Written) -> Ledger:
    return Ledger(
        read=batch.num_rows,
        inserted=written.inserted,
        updated=written.updated,
        unchanged=written.unchanged,
        rejected=len(written.rejected),
        filtered=written.filtered,
    ).balanced()
