"""Dates of JavaScript as timestamps in milliseconds, UTC. Source: ECMA-262, section 21.4.

Proven are ISO 8601 texts of the years 1000 to 2999, and of numbers the years 1 to 9999.
"""

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import any_of, where_not
from dataops_defs.adapters.transforms.cells import with_zone
from dataops_defs.adapters.transforms.syntax import Unsupported
from dataops_defs.adapters.transforms.values import Empty, Kind, Value, number

_CLOCK = r"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?Z?"
_ISO = rf"^[12][0-9]{{3}}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])({_CLOCK})?$"
# The days that are in every year's calendar.
_SAFE_DAY = r"^....-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_LENGTH_OF_DAY, _LENGTH_WITH_MILLISECONDS = 10, 23
_FIRST, _LAST = -62135596800000.0, 253402300799999.0
_MOMENT = pa.timestamp("ms")


def moment(value: Value) -> Value:
    """``new Date(value)``; what cannot be read is unsure, and null is 1970.

    Raises:
        Unsupported: of truth values, and of what may be undefined.
    """
    if value.kind is Kind.TEXT:
        read = from_text(value)
        if read.nulls is None or value.nulls is None:
            return read
        if value.empty is not Empty.NULL:
            return read.doubting(value.nulls)
        epoch = pc.if_else(value.nulls, pa.scalar(0, _MOMENT), read.array)
        return replace(read, array=epoch, empty=Empty.NEVER)
    if value.kind in (Kind.NUMBER, Kind.EMPTY) and value.empty in (Empty.NULL, Empty.NEVER):
        return from_number(number(value))
    raise Unsupported


def from_text(value: Value) -> Value:
    """The moments that ISO 8601 texts name; null for null."""
    array = value.array
    iso = pc.match_substring_regex(array, _ISO)
    odd = where_not(iso)
    if odd is not None:
        array = pc.if_else(iso, array, None)
    naive = array
    if (longest := pc.max(pc.binary_length(array)).as_py() or 0) > _LENGTH_OF_DAY:
        naive = pc.utf8_rtrim(array, characters="Z")
        if longest > _LENGTH_WITH_MILLISECONDS:
            naive = pc.utf8_slice_codeunits(naive, 0, _LENGTH_WITH_MILLISECONDS)
    try:
        found = naive.cast(_MOMENT)
    except pa.ArrowInvalid:  # some day is in no calendar, such as 31 June
        safe = pc.match_substring_regex(naive, _SAFE_DAY)
        odd = any_of(odd, where_not(safe))
        found = pc.if_else(safe, naive, None).cast(_MOMENT)
    return Value(Kind.MOMENT, found, value.empty).doubting(value.unsure, odd)


def from_number(value: Value) -> Value:
    """The moments so many milliseconds after 1970; null for null."""
    whole = pc.trunc(value.array)
    near = pc.and_(pc.greater_equal(whole, _FIRST), pc.less_equal(whole, _LAST))
    kept = pc.if_else(near, whole, None).cast(pa.int64()).cast(_MOMENT)
    return Value(Kind.MOMENT, kept, value.empty).doubting(value.unsure, where_not(near))


def iso_text(value: Value) -> Value:
    """``toISOString()``; null for null."""
    return replace(value, kind=Kind.TEXT, array=with_zone(value.array.cast(pa.string()), "Z"))


def iso_day(value: Value) -> Value:
    """The first ten letters of it."""
    return replace(value, kind=Kind.TEXT, array=value.array.cast(pa.date32(), safe=False).cast(pa.string()))


def _part(part: Callable[[pa.Array], pa.Array]) -> Callable[[Value], Value]:
    return lambda value: replace(value, kind=Kind.NUMBER, array=part(value.array).cast(pa.float64()))


_PARTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "FullYear": pc.year,
    "Month": lambda array: pc.subtract(pc.month(array), 1),
    "Date": pc.day,
    "Day": lambda array: pc.day_of_week(array, week_start=7),
    "Hours": pc.hour,
    "Minutes": pc.minute,
    "Seconds": pc.second,
}
METHODS: dict[str, Callable[[Value], Value]] = {
    "toISOString": iso_text,
    "toJSON": iso_text,
    "getTime": _part(lambda array: array.cast(pa.int64())),
    **{f"get{name}": _part(part) for name, part in _PARTS.items()},
    **{f"getUTC{name}": _part(part) for name, part in _PARTS.items()},
}
