"""What the ways to extract a dataset have in common: what they are given, and what they bring."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.storage.raw_store import RawFile
from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.drift import Drift
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.source import Source
from dataops_defs.flows.outcome import Check
from dataops_defs.flows.schema_gate import SchemaGate
from dataops_defs.flows.work import Step, Work

PREVIEW_ROWS = 10


@dataclass(frozen=True)
class Extracting:
    """One extraction under way: where it reads, where it writes.

    Args:
        current: address of the dataset's current raw copy.
        full: whether all rows were asked for.
    """

    work: Work
    step: Step
    source: Source
    wanted: Extraction
    bucket: str
    key: str
    gate: SchemaGate
    current: str | None = None
    full: bool = False

    def write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> RawFile:
        """A new raw copy, whole or not at all."""
        return self.work.platform.raw_store.write(self.bucket, self.key, schema, batches, writer=self.step.id)

    def counted(self, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The reading's batches; progress is noted, and heeded what is asked of the run."""
        done = 0
        for batch in reading.batches:
            done += batch.num_rows
            self.step.progress(done)
            yield batch


@dataclass(frozen=True)
class Taken:
    """What an extraction brought.

    Args:
        uri, rows: of the raw copy with all rows.
        bytes: that were written; 0 where nothing has changed and the copy is the one before.
        mark: how far the source was read.
        incremental: whether only what is new was asked for.
        notes: as of a `Reading`.
    """

    uri: str
    rows: int
    bytes: int
    columns: Sequence[Column]
    drift: Drift
    ledger: Ledger
    rejected: Sequence[RejectedRow] = ()
    preview: Sequence[dict[str, Any]] = ()
    checks: Sequence[Check] = ()
    mark: str | None = None
    incremental: bool = False
    notes: Sequence[str] = ()

    @property
    def is_new(self) -> bool:
        """Whether a raw copy was written."""
        return self.bytes > 0


class Head:
    """Keeps the first rows that pass by."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def watch(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches."""
        for batch in batches:
            if len(self.rows) < PREVIEW_ROWS:
                self.rows += json_rows(batch.slice(0, PREVIEW_ROWS - len(self.rows)))
            yield batch
