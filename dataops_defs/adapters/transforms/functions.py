"""The functions that a transform may call or name: those of `domain.transform.FUNCTIONS`, and JavaScript's own."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import where, where_not
from dataops_defs.adapters.transforms import moments, texts
from dataops_defs.adapters.transforms.numbers import (
    named_parse_float,
    named_parse_int,
    parse_float,
    parse_int,
    signed,
    to_number,
)
from dataops_defs.adapters.transforms.operators import rounded
from dataops_defs.adapters.transforms.syntax import Unsupported
from dataops_defs.adapters.transforms.values import Empty, Kind, Value, number, text, truth

Function = Callable[[Value], Value]
_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")


def _null_stays(function: Function) -> Function:
    """Of these, null is null; what undefined would be is left to the engine."""

    def kept(value: Value) -> Value:
        if value.kind is Kind.MOMENT or value.empty in (Empty.UNDEFINED, Empty.EITHER):
            raise Unsupported
        return value if value.kind is Kind.EMPTY else function(value)

    return kept


def _text_but_null(value: Value) -> Value:
    found = text(value)
    if value.nulls is None:
        return found
    return replace(found, array=pc.if_else(value.nulls, None, found.array), empty=Empty.NULL)


def _of_text(function: Function) -> Function:
    return lambda value: function(_text_but_null(value))


def _if_text(function: Function) -> Function:
    return lambda value: function(value) if value.kind is Kind.TEXT else value


def _to_boolean(value: Value) -> Value:
    if value.kind is Kind.TRUTH:
        return value
    word = texts.lower(texts.trimmed(_text_but_null(value)))
    yes, no = (pc.is_in(word.array, pa.array(words)) for words in (_TRUE, _FALSE))
    known = pc.or_(pc.or_(yes, no), pc.equal(pc.binary_length(word.array), 0))
    array = pc.if_else(yes, True, pc.if_else(no, False, None))
    found = replace(word, kind=Kind.TRUTH, array=array, empty=Empty.NULL)
    return found.doubting(where_not(pc.or_kleene(known, pc.is_null(value.array))))


def _null_if_empty(value: Value) -> Value:
    trimmed = texts.trimmed(value)
    blank = where(pc.equal(pc.binary_length(trimmed.array), 0))
    array = value.array if blank is None else pc.if_else(blank, None, value.array)
    return replace(trimmed, array=array, empty=Empty.NULL)


def _parse_json(value: Value) -> Value:
    if value.kind is Kind.TEXT:
        raise Unsupported
    return value


def _read_date(value: Value) -> Value:
    if value.kind is Kind.NUMBER:
        return moments.from_number(value)
    if value.kind is not Kind.TEXT:
        raise Unsupported
    empty = where(pc.equal(pc.binary_length(value.array), 0))
    array = value.array if empty is None else pc.if_else(empty, None, value.array)
    return moments.from_text(replace(value, array=pc.ascii_trim_whitespace(array), empty=Empty.NULL))


def _written(write: Function) -> Function:
    return lambda value: write(_read_date(value))


NAMED: Mapping[str, Function] = {
    "parseInt": named_parse_int,
    "parseFloat": named_parse_float,
    "toNumber": _null_stays(to_number),
    "toBoolean": _null_stays(_to_boolean),
    "toString": _null_stays(_text_but_null),
    "trim": _null_stays(_if_text(texts.trimmed)),
    "upper": _null_stays(_of_text(texts.upper)),
    "lower": _null_stays(_of_text(texts.lower)),
    "title": _null_stays(_of_text(texts.titled)),
    "nullIfEmpty": _null_stays(_if_text(_null_if_empty)),
    "parseJSON": _null_stays(_parse_json),
    "parseDate": _null_stays(_written(moments.iso_text)),
    "toISODateTime": _null_stays(_written(moments.iso_text)),
    "toISODate": _null_stays(_written(moments.iso_day)),
}
"""The functions that a transform may be the name of."""


def _math(operate: Callable[[pa.Array], pa.Array]) -> Function:
    def function(value: Value) -> Value:
        given = number(value)
        return signed(given, replace(given, array=operate(given.array)))

    return function


def _boolean(value: Value) -> Value:
    return Value(Kind.TRUTH, truth(value), Empty.NEVER, value.unsure)


CALLED: Mapping[str, Function] = {
    **NAMED,
    "parseInt": parse_int,
    "parseFloat": parse_float,
    "Number": number,
    "String": text,
    "Boolean": _boolean,
    "Math.abs": _math(pc.abs),
    "Math.floor": _math(pc.floor),
    "Math.ceil": _math(pc.ceil),
    "Math.trunc": _math(pc.trunc),
    "Math.round": _math(rounded),
}
"""The functions that an expression may call."""
