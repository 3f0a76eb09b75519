"""Types of text columns, proven value by value and never guessed from a sample.

A column is a number, a date or a boolean only when every value of it is, written in its plain form; codes with
leading zeros, signs or blanks, and dates that are not ISO 8601, stay text. Decimals are exact: of 18 or 38 digits with
the largest scale that occurs, so that money never becomes a float. A float needs an exponent that is no code (``1E5``
could be a part number, ``1.0E5`` and ``1e+05`` are numbers) and at most 15 digits, which a float keeps.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bytes = npt.NDArray[np.uint8]


class Kind(IntEnum):
    """What a column may be, narrow before wide."""

    EMPTY = 0
    INTEGER = 1
    DECIMAL = 2
    FLOAT = 3
    BOOLEAN = 4
    DATE = 5
    TIMESTAMP = 6
    INSTANT = 7
    TEXT = 8


_WIDER = {
    (Kind.INTEGER, Kind.DECIMAL): Kind.DECIMAL,
    (Kind.INTEGER, Kind.FLOAT): Kind.FLOAT,
    (Kind.DECIMAL, Kind.FLOAT): Kind.FLOAT,
    (Kind.DATE, Kind.TIMESTAMP): Kind.TIMESTAMP,
}
_ARROW = {
    Kind.EMPTY: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIMESTAMP: pa.timestamp("us"),
    Kind.INSTANT: pa.timestamp("us", tz="UTC"),
    Kind.TEXT: pa.string(),
}
_BOOLEANS = pa.array(["true", "false", "True", "False", "TRUE", "FALSE"])
_FIRST_FEW = 16
FLOAT_DIGITS = 15
_LONGEST_MOMENT = 35
_TIMESTAMP_LENGTHS = np.isin(np.arange(_LONGEST_MOMENT + 1), [10, 16, 19, *range(21, 27)])
_MINUS, _DOT, _ZERO, _NINE, _QUOTE = b'-.09"'
_AFTER_ZERO = np.isin(np.arange(256), list(b".eE"))
_FLOAT = np.isin(np.arange(256), list(b"0123456789-+.eE"))
_FIRST_DAY = pa.scalar(date.min, pa.date32())
_FIRST_MOMENT = pa.scalar(datetime.min, pa.timestamp("us"))
_FIRST_INSTANT = pa.scalar(datetime.min.replace(tzinfo=UTC) + timedelta(days=1), pa.timestamp("us", tz="UTC"))


@dataclass(frozen=True)
class Proven:
    """What the values seen so far are; for numbers the digits before and after the point."""

    kind: Kind = Kind.EMPTY
    whole: int = 0
    scale: int = 0

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that keeps every value exactly."""
        if self.kind is Kind.DECIMAL:
            return pa.decimal128(18 if self.whole + self.scale <= 18 else 38, self.scale)
        return _ARROW[self.kind]

    def joined(self, other: "Proven") -> "Proven":
        """The narrowest that keeps the values of both."""
        if Kind.EMPTY in (self.kind, other.kind):
            return other if self.kind is Kind.EMPTY else self
        pair = (min(self.kind, other.kind), max(self.kind, other.kind))
        kind = self.kind if self.kind is other.kind else _WIDER.get(pair, Kind.TEXT)
        whole, scale = max(self.whole, other.whole), max(self.scale, other.scale)
        return (
            Proven(Kind.TEXT) if kind is Kind.FLOAT and whole + scale > FLOAT_DIGITS else _bounded(kind, whole, scale)
        )


def prove(column: pa.Array) -> Proven:
    """What a column of text is; vectorised checks, narrow to wide."""
    if column.null_count == len(column):
        return Proven()
    values = _layout(column)
    if int(values.lengths.min()) == 0:
        return Proven(Kind.TEXT)
    return _number(column, values) or _boolean(column, values) or _moment(column, values) or Proven(Kind.TEXT)


def holds_quote(column: pa.Array) -> bool:
    """Whether any value holds a double quote."""
    data = column.buffers()[2]
    return data is not None and bool((np.frombuffer(data, np.uint8) == _QUOTE).any())


def typed(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Text as values of a proven type.

    Raises:
        pa.ArrowInvalid: a value is not of that type.
    """
    if pa.types.is_string(wanted):
        return column
    if pa.types.is_boolean(wanted):
        return pc.equal(pc.utf8_lower(column), "true")
    return column.cast(wanted)


@dataclass(frozen=True)
class _Values:
    """The bytes of a column, and where each value that is not null starts and how long it is."""

    data: Bytes
    starts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]

    @property
    def used(self) -> Bytes:
        return self.data[int(self.starts[0]) : int(self.starts[-1] + self.lengths[-1])]


def _layout(column: pa.Array) -> _Values:
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        starts, lengths = starts[valid], lengths[valid]
    return _Values(data, starts, lengths)


def _number(column: pa.Array, values: _Values) -> Proven | None:
    if not _begin_like_numbers(values):
        return None
    used = values.used
    if int(used.max()) > _NINE:
        return _float(column, used)
    if not bool((used == _DOT).any()):
        whole = int(values.lengths.max())
        return Proven(Kind.INTEGER, whole) if _casts(column, pa.int64()) else _decimal(column, whole, 0)
    points = pc.find_substring(column, ".").drop_null().to_numpy(zero_copy_only=False)
    whole = int(np.where(points >= 0, points, values.lengths).max())
    scale = int(np.where(points >= 0, values.lengths - points - 1, 0).max())
    return _decimal(column, whole, scale)


def _begin_like_numbers(values: _Values) -> bool:
    """All begin with a digit or a point, after a minus at most, and none with a zero before another digit."""
    signed = values.data[values.starts] == _MINUS
    room = values.lengths - signed
    if int(room.min()) == 0:
        return False
    head = values.starts + signed
    lead = values.data[head]
    if not bool((((lead >= _ZERO) & (lead <= _NINE)) | (lead == _DOT)).all()):
        return False
    after_zero = values.data[head[(lead == _ZERO) & (room > 1)] + 1]
    return bool(_AFTER_ZERO[after_zero].all())


def _decimal(column: pa.Array, whole: int, scale: int) -> Proven | None:
    proven = _bounded(Kind.DECIMAL, whole, scale)
    return proven if _casts(column, proven.arrow) else None


def _bounded(kind: Kind, whole: int, scale: int) -> Proven:
    if kind is Kind.DECIMAL and whole + scale > 38:
        return Proven(Kind.TEXT)
    return Proven(kind, whole, scale) if kind in (Kind.INTEGER, Kind.DECIMAL) else Proven(kind)


def _float(column: pa.Array, used: Bytes) -> Proven | None:
    """Only digits, signs, points and exponents, and few enough digits: nan, inf and codes stay text."""
    if not bool(_FLOAT[used].all()) or not _casts(column, pa.float64()):
        return None
    digits = pc.utf8_length(pc.replace_substring_regex(column, r"[eE].*|[-+.]", ""))
    codes = pc.match_substring_regex(column, r"^-?\d+[eE]\d")
    exact = pc.max(digits).as_py() <= FLOAT_DIGITS and not pc.any(codes).as_py()
    return Proven(Kind.FLOAT) if exact else None


def _boolean(column: pa.Array, values: _Values) -> Proven | None:
    if int(values.lengths.min()) < 4 or int(values.lengths.max()) > 5:
        return None
    known = pc.all(pc.is_in(column.drop_null(), value_set=_BOOLEANS)).as_py()
    return Proven(Kind.BOOLEAN) if known else None


def _moment(column: pa.Array, values: _Values) -> Proven | None:
    """Dates and times of ISO 8601, years 1 to 9999; with a zone they are instants."""
    if int(values.lengths.min()) < 10 or int(values.lengths.max()) > _LONGEST_MOMENT:
        return None
    if _casts(column, pa.date32(), _FIRST_DAY):
        return Proven(Kind.DATE)
    if bool(_TIMESTAMP_LENGTHS[values.lengths].all()) and _casts(column, pa.timestamp("us"), _FIRST_MOMENT):
        return Proven(Kind.TIMESTAMP)
    return Proven(Kind.INSTANT) if _casts(column, pa.timestamp("us", tz="UTC"), _FIRST_INSTANT) else None


def _casts(column: pa.Array, wanted: pa.DataType, least: pa.Scalar | None = None) -> bool:
    try:
        # A cast that fails words every failure and takes a hundred times as long: look at a few values first.
        column.slice(0, _FIRST_FEW).cast(wanted)
        values = column.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return least is None or bool(pc.greater_equal(pc.min(values), least).as_py())
