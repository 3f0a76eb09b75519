"""Days, moments and spans as Excel counts them: days since the end of 1899, and parts of a day.

Excel believes in a 29th of February 1900, so serials are right from the 1st of March 1900 on; what lies before, or
after the year 9999, stays text.
"""

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

EPOCH = 25_569
"""The serial of the 1st of January 1970."""
FIRST_DAY, LAST_DAY = -25_508, 2_932_896
"""Days since 1970 of 1900-03-01 and 9999-12-31."""
CALENDAR = "March 1900 to the end of 9999"
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_LARGEST = 2**63 - 1


def serial_of(values: pa.Array) -> pa.Array:
    """The serials of dates or moments; moments without a time zone, or in UTC."""
    per_day, counts = _counts(values)
    days = pc.divide(counts, per_day)
    if per_day == 1:
        return pc.add(days, EPOCH)
    # Whole days and the rest apart: nanoseconds since 1970 are more than a double keeps.
    rest = pc.subtract(counts, pc.multiply(days, per_day)).cast(pa.float64())
    return pc.add(pc.add(days, EPOCH).cast(pa.float64()), pc.divide(rest, float(per_day)))


def parts_of_a_day(values: pa.Array) -> pa.Array:
    """Times of day, and spans, as days."""
    per_day, counts = _counts(values)
    return pc.divide(counts.cast(pa.float64(), safe=False), float(per_day))


def beyond_calendar(values: pa.Array) -> pa.Array:
    """Which dates or moments Excel has no serial for."""
    per_day, counts = _counts(values)
    end = min((LAST_DAY + 1) * per_day, _LARGEST)
    return pc.or_(pc.less(counts, FIRST_DAY * per_day), pc.greater_equal(counts, end))


def beyond_clock(values: pa.Array) -> pa.Array:
    """Which spans Excel shows as ``###``: negative ones, and those of more days than its calendar has."""
    per_day, counts = _counts(values)
    end = min((EPOCH + LAST_DAY + 1) * per_day, _LARGEST)
    return pc.or_(pc.less(counts, 0), pc.greater_equal(counts, end))


def hours_of(values: pa.Array) -> pa.Array:
    """Spans in hours, as charts show them."""
    return pc.multiply(parts_of_a_day(values), 24.0)


def microseconds_of(values: pa.Array) -> pa.Array:
    """Spans as whole numbers."""
    return values.cast(pa.duration("us"), safe=False).cast(pa.int64())


def finer_than(values: pa.Array, unit: str) -> pa.Array:
    """Which moments, times of day or spans have parts of a unit, ``s`` or ``ms``."""
    _, counts = _counts(values)
    return pc.not_equal(pc.subtract(counts, _part(values, unit)), counts)


def in_milliseconds(values: pa.Array) -> pa.Array:
    """Moments, times of day or spans without what is finer; none of them becomes later, as by rounding it would."""
    _, counts = _counts(values)
    whole = pc.subtract(counts, _part(values, "ms"))
    return whole.cast(pa.int32()).cast(values.type) if pa.types.is_time32(values.type) else whole.cast(values.type)


def span_words(value: Any) -> str:
    """A span as PostgreSQL prints hours, minutes and seconds: ``-26:03:04.5``."""
    span = value.to_pytimedelta() if hasattr(value, "to_pytimedelta") else value
    if not isinstance(span, timedelta):
        return str(value)
    micros = abs(span) // timedelta(microseconds=1)
    seconds, rest = divmod(micros, 1_000_000)
    part = f".{rest:06}".rstrip("0") if rest else ""
    return f"{'-' if span < timedelta(0) else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{part}"


def _part(values: pa.Array, unit: str) -> pa.Array:
    """What is left of values above whole units, in the units of their own type; never negative."""
    per_day, counts = _counts(values)
    per_unit = max(per_day // _PER_DAY[unit], 1)
    part = pc.subtract(counts, pc.multiply(pc.divide(counts, per_unit), per_unit))
    return pc.if_else(pc.less(part, 0), pc.add(part, per_unit), part)


def _counts(values: pa.Array) -> tuple[int, pa.Array]:
    """How many units of the values' type a day has, and the values in such units."""
    kind = values.type
    if pa.types.is_date32(kind):
        return 1, values.cast(pa.int32()).cast(pa.int64())
    if pa.types.is_date64(kind):
        return _PER_DAY["ms"], values.cast(pa.int64())
    narrow = pa.types.is_time32(kind)
    return _PER_DAY[kind.unit], values.cast(pa.int32() if narrow else pa.int64()).cast(pa.int64())
