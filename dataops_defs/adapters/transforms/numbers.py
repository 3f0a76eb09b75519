"""Numbers out of text, as ``parseInt`` and ``parseFloat`` of JavaScript read them. Source: ECMA-262, section 19.2."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, everywhere, where, where_not
from dataops_defs.adapters.transforms.operators import negative_zeros
from dataops_defs.adapters.transforms.syntax import Unsupported
from dataops_defs.adapters.transforms.values import (
    NO_NUMBER,
    Empty,
    Kind,
    Value,
    plain_number,
    text_number,
    whole_numbers,
)

_PLAIN_WHOLE = r"^(0|-?[1-9][0-9]{0,14})$"
_WHOLE = r"^[\t-\r ]*(?P<number>-?[0-9]{1,15})(?:$|[^0-9xX])"
_DECIMAL = r"^[\t-\r ]*(?P<number>-?[0-9]{1,8}(?:\.[0-9]{1,8})?)(?:$|[^0-9.eE])"
_LEAST, _MOST = 1e-6, 1e21
_NAN = float("nan")


def parse_int(value: Value) -> Value:
    """``parseInt(value, 10)``; of what is empty NaN."""
    if value.kind is Kind.TEXT:
        array = value.array
        plain = pc.match_substring_regex(array, _PLAIN_WHOLE)
        if where_not(plain) is None:
            return _no_empty(replace(value, array=array.cast(pa.int64()).cast(pa.float64())))
        return _no_empty(_prefixes(value, _WHOLE))
    if value.kind is Kind.NUMBER:
        # It goes by way of the number's text, which has an exponent where it is very small or large.
        size = pc.abs(value.array)
        usual = pc.or_(
            pc.and_(pc.greater_equal(size, _LEAST), pc.less(size, _MOST)),
            pc.or_(pc.equal(size, 0.0), pc.is_nan(size)),
        )
        whole = pc.trunc(value.array)
        signless = where(pc.equal(value.array, 0.0))
        whole = whole if signless is None else pc.if_else(signless, 0.0, whole)
        return _no_empty(replace(value, array=whole).doubting(where_not(usual)))
    return _not_a_number(value)


def parse_float(value: Value) -> Value:
    """``parseFloat(value)``; of what is empty NaN."""
    if value.kind is Kind.TEXT:
        found, plain = plain_number(value.array)
        if plain is None:
            return _no_empty(replace(value, array=found))
        return _no_empty(_prefixes(value, _DECIMAL))
    if value.kind is Kind.NUMBER:
        return _no_empty(value)
    return _not_a_number(value)


def _prefixes(value: Value, pattern: str) -> Value:
    """Numbers at the beginning, NaN of words and of blanks; all else is unsure."""
    array = value.array
    found = pc.struct_field(pc.extract_regex(array, pattern), "number")
    given = pc.is_valid(found)
    numbers = found.cast(pa.float64())
    none = pc.or_(pc.match_substring_regex(array, NO_NUMBER), pc.match_substring_regex(array, r"^[\t-\r ]*$"))
    odd = any_of(where_not(pc.or_(given, none)), _negative_nothing(found, numbers))
    return replace(value, array=pc.if_else(pc.is_valid(array), pc.fill_null(numbers, _NAN), None)).doubting(odd)


def _negative_nothing(texts: pa.Array, numbers: pa.Array) -> Mask:
    return where(pc.and_(pc.equal(numbers, 0.0), pc.starts_with(texts, "-")))


def _no_empty(value: Value) -> Value:
    array = pc.fill_null(value.array, _NAN) if value.array.null_count else value.array
    return replace(value, kind=Kind.NUMBER, array=array, empty=Empty.NEVER)


def _not_a_number(value: Value) -> Value:
    if value.kind is Kind.MOMENT:
        raise Unsupported
    return Value(Kind.NUMBER, everywhere(_NAN, len(value.array)), Empty.NEVER, value.unsure)


# ---- the named functions of the same names: null where JavaScript has NaN


def named_parse_int(value: Value) -> Value:
    """The function ``parseInt``: beyond 2^53 it is a BigInt, which is left to the engine."""
    if value.kind is Kind.NUMBER:
        return replace(value, array=pc.trunc(value.array))
    found = _nan_is_null(parse_int(value))
    return found.doubting(where_not(whole_numbers(found.array)))


def named_parse_float(value: Value) -> Value:
    """The function ``parseFloat``."""
    return _nan_is_null(parse_float(value))


def _nan_is_null(value: Value) -> Value:
    nan = where(pc.is_nan(value.array))
    array = value.array if nan is None else pc.if_else(nan, None, value.array)
    return replace(value, array=array, empty=Empty.NULL)


def to_number(value: Value) -> Value:
    """The function ``toNumber``: what is no number rejects its row, which the engine says."""
    if value.kind is Kind.TRUTH:
        return replace(value, kind=Kind.NUMBER, array=value.array.cast(pa.float64()))
    if value.kind is not Kind.TEXT:
        return value
    found = text_number(replace(value, array=pc.ascii_trim_whitespace(value.array)))
    blank = where(pc.equal(pc.binary_length(pc.ascii_trim_whitespace(value.array)), 0))
    array = found.array if blank is None else pc.if_else(blank, None, found.array)
    return replace(found, array=array).doubting(where(pc.is_nan(array)))


def signed(before: Value, after: Value) -> Value:
    """The second, unsure where it is zero for a negative first."""
    return after.doubting(negative_zeros(before.array, after.array))
