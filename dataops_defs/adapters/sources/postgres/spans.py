"""Intervals as PostgreSQL prints them (IntervalStyle postgres), in microseconds.

A day is 24 hours; months and years have no fixed length. Source: PostgreSQL documentation, 8.5.5, "Interval Output".
"""

import pyarrow as pa
import pyarrow.compute as pc

INTERVAL = 1186
"""The type's id."""
SPAN = pa.duration("us")
_PRINTED = (
    r"^(?:(?P<before>-)?\+?(?P<days>\d+) days? ?)?"
    r"(?:(?P<back>-)?\+?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)(?:\.(?P<part>\d{1,6}))?)?$"
)
_PER_DAY, _PER_SECOND, _DIGITS = 86_400, 1_000_000, 6
_MOST_SECONDS = (2**63 - 1) // _PER_SECOND - 1


def spans_of(texts: pa.Array) -> pa.Array:
    """Spans of time; null where a text has months or years, is infinite, or is beyond 64 bits of microseconds."""
    found = pc.extract_regex(texts, pattern=_PRINTED)
    days = _signed(_whole(found, "days"), _has(found, "before"))
    minutes = pc.add(pc.multiply(_whole(found, "hours"), 60), _whole(found, "minutes"))
    seconds, back = pc.add(pc.multiply(minutes, 60), _whole(found, "seconds")), _has(found, "back")
    whole = pc.add(pc.multiply(days, _PER_DAY), _signed(seconds, back))
    whole = pc.if_else(pc.greater(pc.abs(whole), _MOST_SECONDS), None, whole)
    part = pc.utf8_rpad(pc.struct_field(found, "part"), _DIGITS, "0").cast(pa.int64())
    return pc.add(pc.multiply(whole, _PER_SECOND), _signed(part, back)).cast(SPAN)


def _whole(found: pa.Array, name: str) -> pa.Array:
    """A number that is there, or zero."""
    return pc.binary_join_element_wise("0", pc.struct_field(found, name), "").cast(pa.int64())


def _has(found: pa.Array, sign: str) -> pa.Array:
    return pc.equal(pc.struct_field(found, sign), "-")


def _signed(numbers: pa.Array, negative: pa.Array) -> pa.Array:
    return pc.if_else(negative, pc.negate(numbers), numbers)
