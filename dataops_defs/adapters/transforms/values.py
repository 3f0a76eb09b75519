"""JavaScript values by the column: of one kind, empty in places, and unsure where the result is not proven."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, everywhere, where, where_not
from dataops_defs.adapters.transforms.syntax import Oversized, Unsupported

EXACT = float(2**53 - 1)
MOST_BYTES = 64 * 1024 * 1024
"""What all columns that an expression makes of one batch may take."""


class Kind(Enum):
    """What all values of a column are, but the empty ones: the Arrow type that holds them."""

    TEXT = pa.string()
    NUMBER = pa.float64()
    TRUTH = pa.bool_()
    MOMENT = pa.timestamp("ms")
    EMPTY = pa.null()


class Empty(Enum):
    """What an Arrow null of a column stands for."""

    NEVER = "never"
    NULL = "null"
    UNDEFINED = "undefined"
    EITHER = "either"

    def joined(self, other: "Empty") -> "Empty":
        """What the nulls of both together stand for."""
        if self is other or other is Empty.NEVER:
            return self
        return other if self is Empty.NEVER else Empty.EITHER


@dataclass(frozen=True)
class Value:
    """One value for each row. ``unsure`` rows hold anything: the engine has to do them."""

    kind: Kind
    array: pa.Array
    empty: Empty = Empty.NULL
    unsure: Mask = None

    def doubting(self, *masks: Mask) -> "Value":
        """The same, unsure in these rows too."""
        return replace(self, unsure=any_of(self.unsure, *masks))

    @property
    def nulls(self) -> Mask:
        """Where it is empty."""
        return pc.is_null(self.array) if self.array.null_count else None


def refuse_beyond(bytes: float) -> None:
    """Refuse to make a column of so many bytes.

    Raises:
        Oversized: they are too many.
    """
    if bytes > MOST_BYTES:
        raise Oversized


def text_bytes(array: pa.Array) -> int:
    """The length of all texts together."""
    found: int = pc.sum(pc.binary_length(array)).as_py() or 0
    return found


def same_kind(left: Value, right: Value) -> tuple[Value, Value]:
    """Both, where one of them is empty throughout in the kind of the other.

    Raises:
        Unsupported: they are of two kinds.
    """
    if left.kind is right.kind:
        return left, right
    if left.kind is Kind.EMPTY:
        return _empty_as(left, right.kind), right
    if right.kind is Kind.EMPTY:
        return left, _empty_as(right, left.kind)
    raise Unsupported


def _empty_as(value: Value, kind: Kind) -> Value:
    return replace(value, kind=kind, array=pa.nulls(len(value.array), kind.value))


def chosen(test: pa.Array, yes: Value, no: Value) -> Value:
    """By row one of two values; what is unsure in the other does not matter."""
    yes, no = same_kind(yes, no)
    unsure = None
    if yes.unsure is not None or no.unsure is not None:
        unsure = where(pc.if_else(test, _full(yes, test), _full(no, test)))
    return Value(yes.kind, pc.if_else(test, yes.array, no.array), yes.empty.joined(no.empty), unsure)


def _full(value: Value, test: pa.Array) -> pa.Array:
    return everywhere(False, len(test)) if value.unsure is None else value.unsure


# ---- conversions of ECMA-262, section 7.1


def truth(value: Value) -> pa.Array:
    """ToBoolean, without nulls."""
    array = value.array
    if value.kind is Kind.EMPTY:
        return everywhere(False, len(array))
    found: Callable[[], pa.Array] = {
        Kind.TEXT: lambda: pc.greater(pc.binary_length(array), 0),
        Kind.NUMBER: lambda: pc.and_(pc.not_equal(array, 0.0), pc.invert(pc.is_nan(array))),
        Kind.TRUTH: lambda: array,
        Kind.MOMENT: lambda: pc.is_valid(array),
    }[value.kind]
    return pc.fill_null(found(), False)


_PLAIN_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
_LONGEST_NUMBER = 17
_BLANK = r"^[\t-\r ]*$"
# No number begins with a letter, but for Infinity; nor does text that is not empty and has no digit in it hold one.
NO_NUMBER = r"^[\t-\r ]*[A-HJ-Za-z]"


def number(value: Value) -> Value:
    """ToNumber, without nulls.

    Raises:
        Unsupported: of dates, and where null and undefined cannot be told apart.
    """
    if value.kind is Kind.NUMBER:
        return replace(value, array=_filled(value), empty=Empty.NEVER)
    if value.kind is Kind.TEXT:
        return number(text_number(value))
    if value.kind is Kind.TRUTH:
        return number(replace(value, kind=Kind.NUMBER, array=value.array.cast(pa.float64())))
    if value.kind is Kind.EMPTY:
        return number(_empty_as(value, Kind.NUMBER))
    raise Unsupported


def _filled(value: Value) -> pa.Array:
    if not value.array.null_count:
        return value.array
    if value.empty is Empty.EITHER:
        raise Unsupported
    return pc.fill_null(value.array, 0.0 if value.empty is Empty.NULL else float("nan"))


def text_number(value: Value) -> Value:
    """StringToNumber, empty where the text is: plain decimals, blanks and words are proven."""
    found, plain = plain_number(value.array)
    if plain is None:
        return replace(value, kind=Kind.NUMBER, array=found)
    blank = pc.match_substring_regex(value.array, _BLANK)
    word = pc.match_substring_regex(value.array, NO_NUMBER)
    found = pc.if_else(plain, found, pc.if_else(blank, 0.0, float("nan")))
    found = pc.if_else(pc.is_valid(value.array), found, None)
    return replace(value, kind=Kind.NUMBER, array=found).doubting(where_not(pc.or_(plain, pc.or_(blank, word))))


def plain_number(array: pa.Array) -> tuple[pa.Array, Mask]:
    """Texts that are plain decimal numbers as such, null elsewhere; and which are, None where all are.

    They are short: every reader of numbers gives the same double.
    """
    matched = pc.and_(
        pc.match_substring_regex(array, _PLAIN_NUMBER), pc.less_equal(pc.binary_length(array), _LONGEST_NUMBER)
    )
    if where_not(matched) is None:
        return array.cast(pa.float64()), None
    return pc.if_else(matched, array, None).cast(pa.float64()), pc.fill_null(matched, False)


def text(value: Value) -> Value:
    """ToString, without nulls.

    Raises:
        Unsupported: of dates, and where null and undefined cannot be told apart.
    """
    if value.kind is Kind.EMPTY:
        return text(_empty_as(value, Kind.TEXT))
    if value.kind is Kind.MOMENT or (value.array.null_count and value.empty is Empty.EITHER):
        raise Unsupported
    shown = value
    if value.kind is Kind.NUMBER:
        shown = number_text(value)
    elif value.kind is Kind.TRUTH:
        shown = replace(value, kind=Kind.TEXT, array=value.array.cast(pa.string()))
    array = pc.fill_null(shown.array, shown.empty.value) if shown.array.null_count else shown.array
    return replace(shown, array=array, empty=Empty.NEVER)


def number_text(value: Value) -> Value:
    """Number::toString, empty where the number is: what needs no exponent is proven."""
    array = value.array
    whole = whole_numbers(array)
    if where_not(whole) is None:
        return replace(value, kind=Kind.TEXT, array=_digits(array))
    nan = pc.is_nan(array)
    shown = pc.if_else(nan, "NaN", array.cast(pa.string()))
    shown = pc.if_else(whole, _digits(pc.if_else(whole, array, None)), shown)
    odd = pc.or_(pc.is_inf(array), pc.match_substring(shown, "e"))
    return replace(value, kind=Kind.TEXT, array=shown).doubting(where(odd))


def whole_numbers(array: pa.Array) -> pa.Array:
    """Which numbers are whole, and small enough to be exact; null for null."""
    return pc.and_(pc.equal(pc.trunc(array), array), pc.less_equal(pc.abs(array), EXACT))


def _digits(array: pa.Array) -> pa.Array:
    return array.cast(pa.int64()).cast(pa.string())


def as_json(array: pa.Array) -> list[str | float | int | bool | None]:
    """The values of a result as JSON holds them: JavaScript's exact whole numbers are whole."""
    values: list[str | float | int | bool | None] = array.to_pylist()
    if not pa.types.is_floating(array.type):
        return values
    return [int(each) if isinstance(each, float) and _is_whole(each) else each for each in values]


def _is_whole(value: float) -> bool:
    return value.is_integer() and abs(value) <= EXACT
