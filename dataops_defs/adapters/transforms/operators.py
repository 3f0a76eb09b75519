"""The operators of JavaScript over columns. Source: ECMA-262, sections 7.2 and 13.5 to 13.15."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, everywhere, where, where_not, within
from dataops_defs.adapters.transforms.syntax import Unsupported
from dataops_defs.adapters.transforms.values import Empty, Kind, Value, chosen, number, refuse_beyond, text, text_bytes

Operator = Callable[[Value, Value], Value]


def strictly_equal(left: Value, right: Value) -> Value:
    """``===``."""
    return _truth(_equal(left, right, _strictly_empty(left, right)), left, right)


def loosely_equal(left: Value, right: Value) -> Value:
    """``==``: null and undefined are one; of two kinds both are taken for numbers."""
    empties = any_of(left.nulls, right.nulls)
    if left.kind is right.kind or Kind.EMPTY in (left.kind, right.kind):
        return _truth(_equal(left, right, both_empty=True), left, right)
    a, b = number(_never_empty(left)), number(_never_empty(right))
    same = pc.equal(a.array, b.array)
    if empties is not None:
        same = pc.if_else(empties, _both(left.nulls, right.nulls, len(same)), same)
    return _truth(same, a, b)


def _never_empty(value: Value) -> Value:
    """For a comparison whose empty rows are settled apart."""
    return Value(value.kind, value.array, Empty.NULL, value.unsure)


def _strictly_empty(left: Value, right: Value) -> bool:
    """Whether an empty value of the one is the same as an empty value of the other."""
    if Empty.NEVER in (left.empty, right.empty) or left.nulls is None or right.nulls is None:
        return False
    if Empty.EITHER in (left.empty, right.empty):
        raise Unsupported
    return left.empty is right.empty


def _equal(left: Value, right: Value, both_empty: bool) -> pa.Array:
    rows = len(left.array)
    empty = _both(left.nulls, right.nulls, rows) if both_empty else everywhere(False, rows)
    if left.kind is Kind.MOMENT or right.kind is Kind.MOMENT:
        raise Unsupported  # two dates are two objects
    if left.kind is not right.kind or left.kind is Kind.EMPTY:
        return empty
    return pc.or_(pc.fill_null(pc.equal(left.array, right.array), False), empty)


def _both(left: Mask, right: Mask, rows: int) -> pa.Array:
    return everywhere(False, rows) if left is None or right is None else pc.and_(left, right)


def _truth(array: pa.Array, *of: Value) -> Value:
    return Value(Kind.TRUTH, array, Empty.NEVER, any_of(*(each.unsure for each in of)))


def negated(operator: Operator) -> Operator:
    """The opposite of a comparison."""

    def opposite(left: Value, right: Value) -> Value:
        found = operator(left, right)
        return Value(Kind.TRUTH, pc.invert(found.array), found.empty, found.unsure)

    return opposite


def ordered(compare: Callable[[pa.Array, pa.Array], pa.Array]) -> Operator:
    """``<`` and its like: two texts by their letters, all else as numbers."""

    def operator(left: Value, right: Value) -> Value:
        if not left.kind is right.kind is Kind.TEXT:
            return _compared(compare, left, right)
        # UTF-16 orders letters beyond its first plane otherwise than UTF-8 does.
        unsure = any_of(where_not(pc.string_is_ascii(left.array)), where_not(pc.string_is_ascii(right.array)))
        texts = _truth(pc.fill_null(compare(left.array, right.array), False), left, right).doubting(unsure)
        empties = any_of(left.nulls, right.nulls)
        return texts if empties is None else chosen(empties, _compared(compare, left, right), texts)

    return operator


def _compared(compare: Callable[[pa.Array, pa.Array], pa.Array], left: Value, right: Value) -> Value:
    a, b = number(left), number(right)
    return _truth(compare(a.array, b.array), a, b)


def added(left: Value, right: Value) -> Value:
    """``+``: joins where one side is text, else adds."""
    if Kind.TEXT not in (left.kind, right.kind):
        return calculated(pc.add)(left, right)
    # An empty text is no text: whether the row joins or adds depends on the other side.
    unsure = None
    for this, other in ((left, right), (right, left)):
        if this.kind is Kind.TEXT and this.nulls is not None:
            unsure = any_of(unsure, this.nulls if other.kind is not Kind.TEXT else within(this.nulls, _or_no(other)))
    a, b = text(left), text(right)
    refuse_beyond(text_bytes(a.array) + text_bytes(b.array))
    joined = pc.binary_join_element_wise(a.array, b.array, "")
    return Value(Kind.TEXT, joined, Empty.NEVER, any_of(a.unsure, b.unsure, unsure))


def _or_no(value: Value) -> pa.Array:
    return everywhere(False, len(value.array)) if value.nulls is None else value.nulls


def calculated(operate: Callable[[pa.Array, pa.Array], pa.Array]) -> Operator:
    """Arithmetic on doubles, as IEEE 754 has it."""

    def operator(left: Value, right: Value) -> Value:
        a, b = number(left), number(right)
        return Value(Kind.NUMBER, operate(a.array, b.array), Empty.NEVER, any_of(a.unsure, b.unsure))

    return operator


def _remainder(left: pa.Array, right: pa.Array) -> pa.Array:
    with np.errstate(invalid="ignore"):
        return pa.array(np.fmod(left.to_numpy(zero_copy_only=False), right.to_numpy(zero_copy_only=False)))


def minus(value: Value) -> Value:
    """Unary ``-``."""
    found = number(value)
    return Value(Kind.NUMBER, pc.negate(found.array), Empty.NEVER, found.unsure)


def rounded(array: pa.Array) -> pa.Array:
    """Math.round: halves go up."""
    below = pc.floor(array)
    return pc.if_else(pc.greater_equal(pc.subtract(array, below), 0.5), pc.add(below, 1.0), below)


def negative_zeros(before: pa.Array, after: pa.Array) -> Mask:
    """Zeros made of negative numbers, whose sign is not proven."""
    return where(pc.and_(pc.equal(after, 0.0), pc.less(before, 0.0)))


BINARY: dict[str, Operator] = {
    "===": strictly_equal,
    "!==": negated(strictly_equal),
    "==": loosely_equal,
    "!=": negated(loosely_equal),
    "<": ordered(pc.less),
    ">": ordered(pc.greater),
    "<=": ordered(pc.less_equal),
    ">=": ordered(pc.greater_equal),
    "+": added,
    "-": calculated(pc.subtract),
    "*": calculated(pc.multiply),
    "/": calculated(pc.divide),
    "%": calculated(_remainder),
}
