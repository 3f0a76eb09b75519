"""The raw copy that the next one is built on: what it says of itself, its keys, the rows of it that stay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dataops_defs.adapters.copies.columns import fitted
from dataops_defs.adapters.copies.fates import Fate, Fates, Side
from dataops_defs.adapters.copies.print_book import PrintBook
from dataops_defs.adapters.copies.prints import Salt
from dataops_defs.adapters.copies.state import CopyState
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.domain.incremental import Incremental, Mark
from dataops_defs.errors import NotFound
from dataops_defs.flows.extracting import Extracting
from dataops_defs.flows.read_changes import print_contents, printed


@dataclass(frozen=True)
class Base:
    """A raw copy with its keys and mark. With one that is ``whole`` all rows are only compared: all are read anew."""

    store: RawStore
    uri: str
    schema: pa.Schema
    state: CopyState
    rows: int
    whole: bool = False

    def since(self, how: Incremental) -> Mark | None:
        """From where on rows are read; None for all."""
        return None if self.whole or self.state.mark is None else self.state.mark.less(how)

    def print_into(
        self, book: PrintBook, schema: pa.Schema, keys: Sequence[str], salt: Salt, *, all_rows: bool
    ) -> Iterator[None]:
        """Enter its rows: those with a key that is sought with their content, the others only where all are wanted.

        It pauses after each group of rows.

        Args:
            schema: of the next copy, in which contents are compared.
        """
        others = [name for name in schema.names if name not in keys]
        at = 0
        with self.store.parquet(self.uri) as file:
            for group in range(file.num_row_groups):
                known = _group(file, group, pa.schema([schema.field(name) for name in keys]))
                places = at + np.arange(known.num_rows)
                records = printed(known, keys, salt, Side.KEPT, places)
                sought = np.flatnonzero(book.may_hold(records["key1"]))
                if sought.size and others:
                    contents = records[sought]
                    print_contents(contents, _group(file, group, schema).take(pa.array(sought)), others, salt)
                    records[sought] = contents
                book.add(records if all_rows else records[sought])
                at += known.num_rows
                yield

    def staying(self, fates: Fates, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Its rows without those that make room, with the columns of the next copy."""
        at = 0
        with self.store.parquet(self.uri) as file:
            for group in range(file.num_row_groups):
                batch = _group(file, group, schema)
                stays = fates.kept[at : at + batch.num_rows] == Fate.STAYS
                at += batch.num_rows
                yield chosen(batch, stays)


def base_of(job: Extracting, definition: str) -> tuple[Base | None, str | None]:
    """The dataset's current copy as far as the next one can be built on it, and why all rows are to be read."""
    how = job.wanted.by_cursor
    if job.current is None:
        return None, "there is no raw copy yet"
    store = job.work.platform.raw_store
    try:
        with store.parquet(job.current) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except NotFound:
        return None, "the raw copy is gone"
    state = CopyState.of(schema)
    if state is None:
        return None, "the raw copy was not made incrementally"
    if tuple(state.keys) != how.key_columns:
        return None, "the key columns have changed"
    found = Base(store, job.current, schema.remove_metadata(), state, rows)
    if job.full:
        return replace(found, whole=True), "a full extraction was asked for"
    if state.definition != definition:
        return replace(found, whole=True), "the query, the cursor or the source has changed"
    if state.mark is None:
        return replace(found, whole=True), "no row had a cursor yet"
    return found, None


def chosen(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    """The rows of a batch that a mask says."""
    return batch if mask.all() else batch.filter(pa.array(mask))


def _group(file: pq.ParquetFile, group: int, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of a schema, as far as the file has them, of one row group."""
    names = [name for name in schema.names if name in file.schema_arrow.names]
    table = file.read_row_group(group, columns=names).combine_chunks()
    batches = table.to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    return fitted(batch, schema)
