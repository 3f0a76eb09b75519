"""Files that are read as one: their batches wait in a temporary file until the columns of all are known."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO

import orjson
import pyarrow as pa

from dataops_defs.adapters.json_values import json_value, python_values
from dataops_defs.adapters.sources.csv.dialect import MAX_COLUMNS
from dataops_defs.adapters.sources.csv.rows import MAX_REJECTED
from dataops_defs.adapters.storage.spool import full_disks
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError

_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
_MAX_DIGITS = 38
Convert = Callable[[pa.Array, pa.Field], pa.Array]


class BatchSpool:
    """Batches on disk, as Arrow streams one after the other; each stream has columns of its own."""

    def __init__(self, kept: ExitStack) -> None:
        self._file: IO[bytes] = kept.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - entered here

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """One more stream; what the batches raise leaves no part of it."""
        start = self._file.seek(0, 2)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        try:
            with full_disks(), pa.ipc.new_stream(self._file, schema, options=options) as stream:
                for batch in batches:
                    stream.write_batch(batch)
        except BaseException:
            self._file.truncate(start)
            raise

    def batches(self, schema: pa.Schema, convert: Convert) -> Iterator[pa.RecordBatch]:
        """All of them in one schema; a column that a stream lacks is empty there."""
        end = self._file.seek(0, 2)
        self._file.seek(0)
        while self._file.tell() < end:
            for batch in pa.ipc.open_stream(self._file):
                yield in_schema(batch, schema, convert)


def in_schema(batch: pa.RecordBatch, schema: pa.Schema, convert: Convert) -> pa.RecordBatch:
    """A batch with the columns of a schema; those that it lacks are empty."""
    columns = []
    for each in schema:
        place = batch.schema.get_field_index(each.name)
        columns.append(pa.nulls(batch.num_rows, each.type) if place < 0 else convert(batch.column(place), each))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@dataclass
class Rejects:
    """Rows set aside in several files: numbered through, each with its file and its number there in the reason."""

    rows: list[RejectedRow]
    before: int = 0

    def take(self, name: str, rejected: Iterable[RejectedRow], read: int) -> None:
        """Those of the next file, which has ``read`` rows with them."""
        for each in rejected:
            if len(self.rows) >= MAX_REJECTED:
                raise SourceError(f"more than {MAX_REJECTED} rows cannot be read; the first {self.rows[0].reason}")
            reason = f"{each.reason} (row {each.number} of {name})"
            self.rows.append(replace(each, number=self.before + each.number, reason=reason))
        self.before += read


def check_width(columns: Mapping[str, object] | Sequence[str]) -> None:
    """SourceError when files that are read as one have too many columns together."""
    if len(columns) > MAX_COLUMNS:
        raise SourceError(f"the files have more than {MAX_COLUMNS} different columns together; read them apart")


def joined(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The narrowest type that keeps the values of both, where there is one; else text, which keeps what they say."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    exact = (pa.types.is_integer, pa.types.is_decimal)
    if any(kind(one) for kind in exact) and any(kind(other) for kind in exact):
        return _joined_digits(one, other)
    moments = (pa.types.is_date32, pa.types.is_timestamp)
    if any(kind(one) for kind in moments) and any(kind(other) for kind in moments):
        return _joined_moments(one, other)
    numbers = (pa.types.is_integer, pa.types.is_floating)
    nested = pa.types.is_nested(one) and pa.types.is_nested(other)
    if nested or (any(kind(one) for kind in numbers) and any(kind(other) for kind in numbers)):
        return _unified(one, other)
    return pa.string()


def _joined_digits(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pa.types.is_signed_integer(one) and pa.types.is_signed_integer(other):
        return max(one, other, key=lambda each: each.bit_width)
    (whole, scale), (other_whole, other_scale) = _digits(one), _digits(other)
    whole, scale = max(whole, other_whole), max(scale, other_scale)
    return pa.decimal128(_MAX_DIGITS, scale) if whole + scale <= _MAX_DIGITS else pa.string()


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """Digits before and after the point."""
    if pa.types.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    return (20 if pa.types.is_uint64(kind) else _INTEGER_DIGITS[kind.bit_width]), 0


def _joined_moments(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    zones = [each.tz for each in (one, other) if pa.types.is_timestamp(each)]
    if len(zones) == 1 or not any(zones):
        return pa.timestamp("us", tz=zones[0]) if not zones[0] else pa.string()
    return pa.timestamp("us", tz="UTC") if all(zones) else pa.string()


def _unified(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    schemas = [pa.schema([("value", each)]) for each in (one, other)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()


def converted(column: pa.Array, wanted: pa.Field) -> pa.Array:
    """Values in the type that was joined.

    Raises:
        SourceError: a value would lose something.
    """
    if column.type == wanted.type:
        return column
    if column.null_count == len(column):
        return pa.nulls(len(column), wanted.type)
    try:
        if pa.types.is_string(wanted.type) and pa.types.is_nested(column.type):
            return _as_json(column)
        return column.cast(wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SourceError(
            f"column '{wanted.name}' is {column.type} in one file and another type elsewhere, and {wanted.type} does"
            " not keep all its values; read these files apart"
        ) from None


def _as_json(column: pa.Array) -> pa.Array:
    texts = [None if each is None else orjson.dumps(json_value(each)).decode() for each in python_values(column)]
    return pa.array(texts, pa.string())
