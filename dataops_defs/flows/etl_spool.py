"""The spool of a load: the query's result, read once and kept in the raw store until all of it is in the target."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from dataops_defs.adapters.json_values import json_value
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.warehouse.checkpoint import Checkpoint
from dataops_defs.flows.etl_source import EtlSource
from dataops_defs.flows.work import Work

BUCKET = "etl-spool"
ENDLESS = ("NaN", "Infinity")


def read_into_spool(work: Work, writer: str, source: EtlSource, load: Checkpoint) -> Checkpoint:
    """Read the query's result; the source is not needed any more afterwards.

    Args:
        writer: id of the step, by which a half-written file is known to be nobody's.
    """
    store, spooled_at = work.platform.raw_store, work.platform.now()
    key = f"{load.pipeline_id}/{load.load}-{load.turn}.parquet"
    for left in store.copies(store.folder(BUCKET, key)):
        store.delete(left.uri)
    moment = source.moment(load.columns)
    marks = _Marks(source.cursor(load.columns))
    with source.adapter.read(source.query(load.columns, load.mark)) as reading:
        file = store.write(BUCKET, key, reading.schema, _heeding(work, reading, marks), writer=writer)
    work.say(f"{file.rows} rows read, {file.bytes:,} bytes")
    mark = source.mark(load.columns, marks.last, moment)
    return replace(load, spool=file.uri, rows=file.rows, position=0, spooled_at=spooled_at, next_mark=mark)


def _heeding(work: Work, reading: Reading, marks: "_Marks") -> Iterator[pa.RecordBatch]:
    for batch in reading.batches:
        work.lease.check()
        marks.see(batch)
        yield batch


class _Marks:
    """The highest cursor that passes by; rows come in its order, those without one first.

    NaN and infinity come last, and every time: as a mark they would hide all numbers that come later.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self.last: str | None = None

    def see(self, batch: pa.RecordBatch) -> None:
        """Look at a batch's last row."""
        if self._column is None:
            return
        for value in reversed(batch.column(self._column)):
            told = json_value(value.as_py())
            if told is None:
                return
            if str(told) not in ENDLESS:
                self.last = str(told)
                return
