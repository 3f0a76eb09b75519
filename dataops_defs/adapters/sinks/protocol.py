"""What every sink of rows can do, and the two that are plain: a table of the warehouse, a Parquet file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.sinks.table import Progress, load_table, unnoticed
from dataops_defs.adapters.sinks.table_shape import Mode
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.ledger import Ledger


@dataclass(frozen=True)
class Written:
    """What a sink took: the balance, the rows it could not take, the columns it has, and where they are."""

    ledger: Ledger
    columns: pa.Schema
    uri: str
    rejected: list[RejectedRow] = field(default_factory=list)
    bytes: int | None = None


class RowSink(Protocol):
    """A target of rows: all of a reading become visible at once, or none does."""

    def write(self, reading: Reading, *, mode: Mode, writer: str, progress: Progress = unnoticed) -> Written:
        """Take all rows.

        Args:
            mode: ``replace`` leaves exactly these rows, ``append`` adds them.
            writer: an id of the write; one that is repeated with it counts once.
        Raises:
            Conflict: the target's columns cannot keep the values.
            DependencyUnavailable, InsufficientStorage: the target did not answer, or is full.
        """
        ...


@dataclass(frozen=True)
class TableSink:
    """A table of the warehouse, in the caller's transaction."""

    connection: Connection
    schema: str
    table: str

    def write(self, reading: Reading, *, mode: Mode, writer: str, progress: Progress = unnoticed) -> Written:
        """Take all rows, once the caller commits."""
        ledger, rejected = load_table(self.connection, self.schema, self.table, reading, mode=mode, progress=progress)
        return Written(ledger, reading.schema, f"warehouse:{self.schema}.{self.table}", rejected)


@dataclass(frozen=True)
class ParquetSink:
    """A file of its own in the raw store, new for each write."""

    store: RawStore
    bucket: str
    key: str

    def write(self, reading: Reading, *, mode: Mode, writer: str, progress: Progress = unnoticed) -> Written:
        """Take all rows."""
        made = self.store.write(self.bucket, self.key, plain(reading.schema), counted(reading, progress), writer=writer)
        rejected = list(reading.rejected)
        ledger = Ledger(read=made.rows + len(rejected), inserted=made.rows, rejected=len(rejected))
        return Written(ledger.balanced(), reading.schema, made.uri, rejected, made.bytes)


def plain(schema: pa.Schema) -> pa.Schema:
    """The columns without what only a table of PostgreSQL is told."""
    return pa.schema([each.remove_metadata() for each in schema])


def counted(reading: Reading, progress: Progress) -> Iterator[pa.RecordBatch]:
    """The reading's batches; progress is told of each."""
    done = 0
    for batch in reading.batches:
        done += batch.num_rows
        progress(done)
        yield batch.replace_schema_metadata(None) if batch.schema.metadata else batch
