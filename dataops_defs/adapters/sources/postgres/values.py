"""Columns as PostgreSQL prints them, in their exact Arrow types; values that have no form there are faults."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.sources.faults import Fault
from dataops_defs.adapters.sources.postgres.spans import spans_of

MAX_SHOWN = 100
_PRINTED_AS_TEXT = (pa.types.is_binary, pa.types.is_duration)
# Infinity and years outside 1 to 9999 among dates, 24:00 among times, NaN among decimals.
_LACKING = (pa.types.is_date, pa.types.is_timestamp, pa.types.is_time, pa.types.is_decimal)
_ADVICE = "cast it to text, or to NULL with NULLIF"


def printed(schema: pa.Schema) -> pa.Schema:
    """The types that a result is first read in: bytes arrive as \\x and hex digits, spans in words."""
    return _with_text(schema, _PRINTED_AS_TEXT)


def printed_as_text(schema: pa.Schema) -> pa.Schema:
    """The same where some values have no form in their column's type: such columns are read as text."""
    return _with_text(schema, (*_PRINTED_AS_TEXT, *_LACKING))


def _with_text(schema: pa.Schema, tests: Sequence[Callable[[pa.DataType], bool]]) -> pa.Schema:
    text = pa.string()
    return pa.schema(
        [pa.field(each.name, text if any(test(each.type) for test in tests) else each.type) for each in schema]
    )


def exact(batch: pa.RecordBatch, schema: pa.Schema, faults: list[Fault]) -> pa.RecordBatch:
    """A batch of either form in its own types; what has no form there is added to the faults, and null."""
    columns = [_exact(column, each, faults) for column, each in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _exact(column: pa.Array, wanted: pa.Field, faults: list[Fault]) -> pa.Array:
    if column.type == wanted.type:
        return column
    if pa.types.is_binary(wanted.type):
        return _from_hex(column)
    if pa.types.is_duration(wanted.type):
        found = spans_of(column)
        unfit = pc.and_(found.is_null(), column.is_valid())
    else:
        unfit = pc.is_in(column, value_set=pa.array(_unfit(column.unique().drop_null(), wanted.type), pa.string()))
        found = _cast(pc.if_else(unfit, None, column), wanted.type)
    for place in pc.indices_nonzero(unfit).to_pylist():
        value = column[place].as_py()
        reason = f"holds '{value[:MAX_SHOWN]}' in '{wanted.name}', which {wanted.type} cannot keep: {_ADVICE}"
        faults.append(Fault(place, wanted.name, value, reason))
    return found


def _unfit(values: pa.Array, wanted: pa.DataType) -> list[str]:
    """Those of the values that the type cannot keep, found by halves."""
    try:
        _cast(values, wanted)
    except pa.ArrowInvalid:
        half = len(values) // 2
        if half == 0:
            return list(values.to_pylist())
        return _unfit(values.slice(0, half), wanted) + _unfit(values.slice(half), wanted)
    return []


def _cast(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    if not pa.types.is_time(wanted):
        return texts.cast(wanted)
    # Arrow reads no time without its day.
    return pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp(wanted.unit)).cast(wanted)


def _from_hex(column: pa.Array) -> pa.Array:
    digits = pc.utf8_slice_codeunits(column, start=2)
    return pa.array([None if each is None else bytes.fromhex(each) for each in digits.to_pylist()], pa.binary())
