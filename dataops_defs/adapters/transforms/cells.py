"""Columns of a dataset as a transform sees them: what `json_values` makes of each cell, without leaving Arrow."""

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.json_values import MAX_SAFE_INTEGER
from dataops_defs.adapters.masks import Mask, any_of, where, where_not
from dataops_defs.adapters.transforms.syntax import Unsupported
from dataops_defs.adapters.transforms.values import Kind, Value

# The engine refuses rows and results of megabytes; that is left to it.
LONGEST_TEXT = 100_000
_FIRST_YEAR, _LAST_YEAR = "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"


def cells(column: pa.Array) -> Value:
    """The values of a column.

    Raises:
        Unsupported: a type whose JSON form is not proven here: bytes, times of day, durations, anything nested.
    """
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        array = column.cast(pa.string())
        return Value(Kind.TEXT, array, unsure=where(pc.greater(pc.binary_length(array), LONGEST_TEXT)))
    if pa.types.is_boolean(kind):
        return Value(Kind.TRUTH, column)
    if pa.types.is_integer(kind):
        return _integers(column)
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return _floats(column)
    if pa.types.is_decimal(kind) or pa.types.is_date32(kind) or is_moment(kind):
        array, unsure = shown(column)
        return Value(Kind.TEXT, array, unsure=unsure)
    if pa.types.is_null(kind):
        return Value(Kind.EMPTY, column)
    raise Unsupported


def is_moment(kind: pa.DataType) -> bool:
    """Whether it is a timestamp whose text is proven: without a zone or in UTC, to the microsecond."""
    return bool(pa.types.is_timestamp(kind)) and kind.unit != "ns" and kind.tz in (None, "UTC", "+00:00")


def _integers(column: pa.Array) -> Value:
    if column.type.bit_width <= 32:
        return Value(Kind.NUMBER, column.cast(pa.float64()))
    limit = pa.scalar(MAX_SAFE_INTEGER, column.type)
    beyond = where(pc.greater(column, limit))
    if pa.types.is_signed_integer(column.type):
        beyond = any_of(beyond, where(pc.less(column, pa.scalar(-MAX_SAFE_INTEGER, column.type))))
    return Value(Kind.NUMBER, column.cast(pa.float64(), safe=False), unsure=beyond)


def _floats(column: pa.Array) -> Value:
    if pa.types.is_float32(column.type):
        column = column.cast(pa.string()).cast(pa.float64())
    finite = pc.is_finite(column)
    return Value(Kind.NUMBER, column if where_not(finite) is None else pc.if_else(finite, column, None))


def shown(column: pa.Array) -> tuple[pa.Array, Mask]:
    """The text of decimals, days and moments as JSON holds them; unsure rows may differ."""
    if pa.types.is_decimal(column.type):
        texts = column.cast(pa.string())
        return texts, where(pc.match_substring(texts, "E"))
    if pa.types.is_date32(column.type):
        return column.cast(pa.string()), _outside(column.cast(pa.timestamp("s")))
    return moments(column), _outside(column)


def _outside(column: pa.Array) -> Mask:
    naive = column.cast(pa.timestamp(column.type.unit))
    first, last = (
        pa.scalar(day, pa.string()).cast(pa.timestamp("us")).cast(naive.type, safe=False)
        for day in (_FIRST_YEAR, _LAST_YEAR)
    )
    return where(pc.or_(pc.less(naive, first), pc.greater(naive, last)))


def moments(column: pa.Array) -> pa.Array:
    """ISO 8601 as Python writes it: six digits where there is a fraction, none where there is not."""
    zone = "Z" if column.type.tz else ""
    naive = column.cast(pa.timestamp("us")) if column.type.unit != "s" else column.cast(pa.timestamp("s"))
    seconds = naive.cast(pa.timestamp("s"), safe=False)
    texts = seconds.cast(pa.string())
    if naive.type.unit == "us":
        fraction = where(pc.not_equal(seconds.cast(pa.timestamp("us")), naive))
        if fraction is not None:
            texts = pc.if_else(fraction, naive.cast(pa.string()), texts)
    return with_zone(texts, zone)


def with_zone(texts: pa.Array, zone: str) -> pa.Array:
    """What Arrow prints of timestamps with the ``T`` of ISO 8601, and a zone."""
    iso = pc.binary_replace_slice(texts, 10, 11, "T")
    return pc.binary_join_element_wise(iso, zone, "") if zone else iso
