"""How each Arrow type stands in a workbook: as a number with a format, as true or false, or as text.

What Excel would show wrongly is text: whole numbers of more than 15 digits, NaN and infinities, days before March 1900
and after 9999, spans that are negative or longer than its calendar. Of decimals with more than 15 digits the last ones
are rounded away, as ratios and averages have them; where that would change a whole digit or a cent, they are text too.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.json_values import json_value
from dataops_defs.adapters.workbook.serials import (
    beyond_calendar,
    beyond_clock,
    finer_than,
    in_milliseconds,
    parts_of_a_day,
    serial_of,
    span_words,
)

DIGITS = 15
"""Excel keeps a double but shows, edits and copies 15 digits of it: a card number of 16 would end in a zero."""
MOST_DECIMALS = 10
SPAN = "span of time"
"""The kind of durations."""
_LARGEST, _SMALLEST = 9.99999999999999e307, 2.2250738585072014e-308
_FLOAT_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

# Decimals that a column of amounts has: rounding leaves them alone.
_CENTS = 2
_KEPT = Context(prec=DIGITS)

Convert = Callable[[pa.Array], pa.Array]


@dataclass(frozen=True)
class TextForm:
    """``words`` makes the texts."""

    words: Convert
    kind: str
    style: str = "text"


@dataclass(frozen=True)
class TruthForm:
    """TRUE and FALSE."""

    kind: str = "yes or no"
    style: str = "truth"


@dataclass(frozen=True)
class NumberForm:
    """``numbers`` makes them as XML writes them; the ``beyond`` ones Excel cannot show, they become ``words``, and of
    the ``long`` ones it keeps the first 15 digits. Times lose what is ``finer`` than milliseconds; ``hidden`` are parts
    of seconds that the style does not show.
    """

    numbers: Convert
    kind: str
    style: str
    beyond: Convert | None = None
    words: Convert = lambda values: values.cast(pa.string())
    long: Convert | None = None
    finer: Convert | None = None
    hidden: Convert | None = None


Form = TextForm | TruthForm | NumberForm


def plain(values: pa.Array) -> pa.Array:
    """Values without their wrapping: encodings, extension types, time zones (which become UTC)."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        return values.cast(pa.string())
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        return values.cast(pa.timestamp(values.type.unit))
    return values


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of such values."""
    return plain(pa.nulls(0, kind)).type


def in_utc(kind: pa.DataType) -> bool:
    """Whether the values are moments with a time zone, which a workbook cannot keep."""
    return pa.types.is_timestamp(kind) and kind.tz is not None


def form_of(kind: pa.DataType, *, is_label: bool = False, fine: bool = False) -> Form:
    """The form of plain values of that type.

    Args:
        is_label: a whole number that names something, such as an id: shown without separators.
        fine: times have parts of seconds.
    """
    if pa.types.is_integer(kind):
        far = kind.bit_width == 64
        return NumberForm(_text, "whole number", "label" if is_label else "integer", _long_integers if far else None)
    if pa.types.is_decimal(kind):
        style = f"decimal{min(max(kind.scale, 0), MOST_DECIMALS)}"
        far = kind.precision - kind.scale > DIGITS - _CENTS
        long = _long_decimals if kind.precision > DIGITS else None
        return NumberForm(_text, "decimal number", style, _beyond_decimals if far else None, _decimal_words, long)
    if pa.types.is_floating(kind):
        return NumberForm(_text, "number", "float", _beyond_float, _float_words)
    if pa.types.is_boolean(kind):
        return TruthForm()
    return _form_of_time(kind, fine) or _form_of_text(kind)


def _form_of_time(kind: pa.DataType, fine: bool) -> Form | None:
    if pa.types.is_date(kind):
        return NumberForm(lambda values: _text(serial_of(values)), "date", "date", beyond_calendar)
    made: NumberForm | None = None
    if pa.types.is_timestamp(kind):
        made = NumberForm(_serials, "date and time", "moment", beyond_calendar)
    elif pa.types.is_time(kind):
        made = NumberForm(_parts_of_a_day, "time of day", "time")
    elif pa.types.is_duration(kind):
        made = NumberForm(_parts_of_a_day, SPAN, "span", beyond_clock, _span_words)
    if made is None:
        return None
    return replace(made, style=f"{made.style}_fine", finer=_finer) if fine else replace(made, hidden=_hidden)


def _serials(values: pa.Array) -> pa.Array:
    return _text(serial_of(in_milliseconds(values)))


def _parts_of_a_day(values: pa.Array) -> pa.Array:
    return _text(parts_of_a_day(in_milliseconds(values)))


def _finer(values: pa.Array) -> pa.Array:
    return finer_than(values, "ms")


def _hidden(values: pa.Array) -> pa.Array:
    return finer_than(values, "s")


def _form_of_text(kind: pa.DataType) -> Form:
    if pa.types.is_string(kind):
        return TextForm(lambda values: values, "text")
    if _is_bytes(kind):
        return TextForm(_each(lambda value: base64.b64encode(value).decode()), "bytes, as base64")
    if pa.types.is_nested(kind):
        return TextForm(_each(lambda value: json.dumps(json_value(value), ensure_ascii=False)), "JSON")
    if pa.types.is_null(kind):
        return TextForm(lambda values: values.cast(pa.string()), "nothing")
    return TextForm(_each(str), "text")


def _is_bytes(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(each(kind) for each in binary)


def as_doubles(values: pa.Array) -> pa.Array:
    """Numbers as Excel keeps them; a narrow 0.1 is 0.1, not what remains of it among wider ones."""
    if pa.types.is_float32(values.type):
        values = _text(values)
    return values.cast(pa.float64(), safe=False)


def _text(values: pa.Array) -> pa.Array:
    return values.cast(pa.string())


def _each(words: Callable[[Any], str]) -> Convert:
    def convert(values: pa.Array) -> pa.Array:
        return pa.array([None if each is None else words(each) for each in values.to_pylist()], pa.string())

    return convert


def _long_integers(values: pa.Array) -> pa.Array:
    too_high = pc.greater_equal(values, pa.scalar(10**DIGITS, values.type))
    if pa.types.is_unsigned_integer(values.type):
        return too_high
    return pc.or_(too_high, pc.less_equal(values, -(10**DIGITS)))


def _long_decimals(values: pa.Array) -> pa.Array:
    """A small enough number has few digits; the others are counted, without zeros at their end."""
    return _of_many_digits(values, Decimal(1).scaleb(DIGITS - values.type.scale))


def _beyond_decimals(values: pa.Array) -> pa.Array:
    """Those of which rounding would change more than what comes after the cents."""
    return _of_many_digits(values, Decimal(10) ** (DIGITS - _CENTS))


def _of_many_digits(values: pa.Array, at_least: Decimal) -> pa.Array:
    perhaps = pc.fill_null(pc.greater_equal(pc.abs(values), pa.scalar(at_least, values.type)), False)
    if not pc.any(perhaps).as_py():
        return perhaps
    counted = [_digits(each) > DIGITS for each in values.filter(perhaps).to_pylist()]
    return pc.replace_with_mask(perhaps, perhaps, pa.array(counted, pa.bool_()))


def rounded_words(values: pa.Array) -> pa.Array:
    """Decimals with the first 15 of their digits, as XML writes them."""
    return _each(lambda value: format(_KEPT.plus(value), "f"))(values)


def _digits(value: Decimal) -> int:
    whole, _, part = format(abs(value), "f").partition(".")
    return len((whole + part.rstrip("0")).lstrip("0"))


_decimal_words = _each(lambda value: format(value, "f"))
_float_words = _each(lambda value: _FLOAT_WORDS.get(repr(value), repr(value)))
_span_words = _each(span_words)


def _beyond_float(values: pa.Array) -> pa.Array:
    size = pc.abs(values.cast(pa.float64()))
    tiny = pc.and_(pc.less(size, _SMALLEST), pc.greater(size, 0.0))
    return pc.or_(pc.or_(pc.invert(pc.is_finite(size)), pc.greater(size, _LARGEST)), tiny)
