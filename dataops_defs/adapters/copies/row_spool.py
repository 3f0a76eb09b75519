"""Rows kept in a temporary file until it is known what becomes of each."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import pyarrow as pa

from dataops_defs.adapters.storage.spool import full_disks


class RowSpool:
    """Batches of one schema; first all are taken, then they are given back in the same order."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self.rows = 0
        self._file = file
        self._writer = pa.ipc.new_stream(file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def take(self, batch: pa.RecordBatch) -> None:
        """Keep the rows of a batch."""
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, as often as they are asked for; no more are taken afterwards."""
        self._writer.close()
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)


@contextmanager
def row_spool(schema: pa.Schema) -> Iterator[RowSpool]:
    """An empty one, gone with the block.

    Raises:
        InsufficientStorage: the disk of temporary files is full.
    """
    with full_disks(), TemporaryFile() as file:
        yield RowSpool(file, schema)
