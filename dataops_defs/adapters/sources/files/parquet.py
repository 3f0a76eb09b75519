"""Parquet files as batches, row group by row group, in the types they have."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.adapters.sources.csv.names import unique_names
from dataops_defs.errors import SourceError

READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ParquetRows:
    """One file: its columns, how many rows, and those rows. Encodings (dictionaries, large texts) are no types here.

    A moment in nanoseconds becomes one in microseconds where no value loses anything by it, and else text.
    """

    file: pq.ParquetFile
    schema: pa.Schema
    rows: int
    batch_rows: int = BATCH_ROWS

    @classmethod
    def of(cls, file: BinaryIO, looked_at: int | None = None, batch_rows: int = BATCH_ROWS) -> "ParquetRows":
        """Look into an open file.

        Args:
            looked_at: prove by so many batches of rows, not by all.
            batch_rows: how many rows a batch holds.
        Raises:
            SourceError: it is not Parquet, or breaks off.
        """
        try:
            parquet = pq.ParquetFile(file, buffer_size=READ_BYTES, pre_buffer=False, page_checksum_verification=True)
            given = parquet.schema_arrow
            fields = [
                pa.field(name, _plain(parquet, place, looked_at, batch_rows))
                for place, name in enumerate(unique_names(given.names))
            ]
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(error) from None
        if not fields:
            raise SourceError("it has no columns")
        return cls(parquet, pa.schema(fields), parquet.metadata.num_rows, batch_rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows; a few columns' pages are held at a time, never a row group."""
        try:
            for batch in self.file.iter_batches(batch_size=self.batch_rows, use_threads=False):
                columns = [_cast(column, each.type) for column, each in zip(batch.columns, self.schema, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(error) from None


def _unreadable(error: Exception) -> SourceError:
    if isinstance(error, pa.ArrowNotImplementedError):
        return SourceError("it is written in a way that is not read here (encrypted, or with an unknown compression)")
    return SourceError("it is not a Parquet file, or breaks off, or is damaged")


def _plain(parquet: pq.ParquetFile, place: int, looked_at: int | None, batch_rows: int) -> pa.DataType:
    given = parquet.schema_arrow.field(place).type
    kind = given.storage_type if isinstance(given, pa.BaseExtensionType) else given
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    for test, plain in _PLAIN:
        if test(kind):
            return plain
    if pa.types.is_timestamp(kind):
        wanted = pa.timestamp("us", tz=kind.tz and "UTC")
    elif pa.types.is_time(kind):
        wanted = pa.time64("us")
    else:
        return kind
    return wanted if kind.unit != "ns" or _fits(parquet, place, wanted, looked_at, batch_rows) else pa.string()


_PLAIN = (
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_fixed_size_binary, pa.binary()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_date64, pa.date32()),
    (pa.types.is_null, pa.string()),
)


def _fits(parquet: pq.ParquetFile, place: int, wanted: pa.DataType, looked_at: int | None, batch_rows: int) -> bool:
    """Whether a type keeps every value of a column; reads that column only."""
    name = parquet.schema_arrow.field(place).name
    try:
        for batch in islice(parquet.iter_batches(batch_rows, columns=[name], use_threads=False), looked_at):
            batch.column(0).cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _cast(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == wanted:
        return column
    if pa.types.is_string(wanted) and pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            return pc.strftime(column, format="%Y-%m-%dT%H:%M:%S")
        return pc.strftime(column.cast(pa.timestamp("ns", tz="UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    return column.cast(wanted)
