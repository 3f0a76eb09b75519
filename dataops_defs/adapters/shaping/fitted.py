"""Columns fitted to the type of a property: what `domain.fitting` does value by value, where Arrow proves the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, any_of, everywhere, where, where_not
from dataops_defs.adapters.shaping.made import Made
from dataops_defs.adapters.shaping.picking import is_text
from dataops_defs.adapters.transforms.cells import is_moment, shown
from dataops_defs.adapters.transforms.values import Kind, Value, number_text, whole_numbers
from dataops_defs.domain.fitting import BIGINT

_WHOLE = r"^-?[0-9]{1,18}$"
_NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$"
_DAY = r"([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_EVERY_YEARS_DAY = r"^....-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":[0-5][0-9](\.([0-9]{3}|[0-9]{6}))?"
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_MIDNIGHT = rf"^{_DAY}([T ]00:00(:00(\.0+)?)?(Z|[+-]00:?00)?)?$"
_MOMENT = rf"^{_DAY}T{_CLOCK}{_SECONDS}{_ZONE}$"
_ZONELESS = rf"^{_DAY}[T ]{_CLOCK}({_SECONDS})?$"
_LENGTH_OF_DAY, _LENGTH_OF_MINUTE = 10, 16
_MAX_EXACT = 2**53
_TEXT = pa.string()


@dataclass(frozen=True)
class Fitted:
    """A property's column: as it is stored, and as the schema sees it. ``doubt`` are rows that are not proven."""

    stored: pa.Array
    seen: pa.Array
    doubt: Mask = None

    def doubting(self, *masks: Mask) -> "Fitted":
        """The same, with more doubt."""
        return replace(self, doubt=any_of(self.doubt, *masks))


def fitted(made: Made, column_type: str) -> Fitted | None:
    """The column of a property; None where it has to be made value by value."""
    fit = _FITTERS.get(column_type)
    if fit is None:
        return None
    found = _nothing(made, column_type) if pa.types.is_null(made.array.type) else fit(made)
    return found and found.doubting(made.apart)


def _nothing(made: Made, column_type: str) -> Fitted:
    kinds = {"bigint": (pa.int64(), pa.int64()), "boolean": (pa.bool_(), pa.bool_()), "numeric": (_TEXT, pa.float64())}
    stored, seen = kinds.get(column_type, (_TEXT, _TEXT))
    return Fitted(pa.nulls(len(made), stored), pa.nulls(len(made), seen))


def _as_text(made: Made) -> Fitted | None:
    array, doubt = made.array, None
    if pa.types.is_floating(array.type):
        if not made.scripted:
            return None
        whole = whole_numbers(array)
        doubt = where_not(whole)
        array = pc.if_else(whole, array, None).cast(pa.int64()).cast(pa.string())
    else:
        found = _texts(array)
        if found is None:
            return None
        array, doubt = found
    return Fitted(array, array, any_of(doubt, where(pc.match_substring(array, "\x00"))))


def _texts(array: pa.Array) -> tuple[pa.Array, Mask] | None:
    """The text of all but doubles and what is nested."""
    kind = array.type
    if is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return array.cast(pa.string()), None
    if pa.types.is_decimal(kind) or pa.types.is_date32(kind) or is_moment(kind):
        found: tuple[pa.Array, Mask] = shown(array)
        return found
    return None


def _bigint(made: Made) -> Fitted | None:
    array = made.array
    if pa.types.is_uint64(array.type):
        beyond = where(pc.greater(array, pa.scalar(BIGINT - 1, pa.uint64())))
        return _same(array.cast(pa.int64(), safe=False), beyond)
    if pa.types.is_integer(array.type):
        return _same(array.cast(pa.int64()))
    if pa.types.is_floating(array.type):
        doubles = _doubles(array)
        whole = whole_numbers(doubles)
        return _same(pc.if_else(whole, doubles, None).cast(pa.int64()), where_not(whole))
    if pa.types.is_decimal(array.type) and array.type.scale > 0:
        texts, doubt = shown(array)
        found = _from_text(pc.replace_substring_regex(texts, r"\.0+$", ""), _WHOLE, pa.int64())
        return found and found.doubting(doubt)
    return _from_text(array, _WHOLE, pa.int64())


def _from_text(array: pa.Array, pattern: str, kind: pa.DataType) -> Fitted | None:
    found = None if pa.types.is_boolean(array.type) else _texts(array)
    if found is None:
        return None
    texts, doubt = found
    matched = pc.match_substring_regex(texts, pattern)
    odd = where_not(matched)
    numbers = (texts if odd is None else pc.if_else(matched, texts, None)).cast(kind)
    return Fitted(numbers if kind == pa.int64() else texts, numbers, any_of(doubt, odd))


def _same(array: pa.Array, doubt: Mask = None) -> Fitted:
    return Fitted(array, array, doubt)


def _doubles(array: pa.Array) -> pa.Array:
    # By way of its shortest text, as `json_column` does.
    return array.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(array.type) else array


def _numeric(made: Made) -> Fitted | None:
    array = made.array
    if pa.types.is_integer(array.type):
        doubt = None
        if array.type.bit_width > 32:
            least = None if pa.types.is_uint64(array.type) else where(pc.less_equal(array, -_MAX_EXACT))
            doubt = any_of(where(pc.greater_equal(array, pa.scalar(_MAX_EXACT, array.type))), least)
        return Fitted(array.cast(pa.string()), array.cast(pa.float64(), safe=False), doubt)
    if not pa.types.is_floating(array.type):
        return _from_text(array, _NUMBER, pa.float64())
    doubles = _doubles(array)
    finite = pc.is_finite(doubles)
    whole = whole_numbers(doubles)
    shown_numbers = number_text(Value(Kind.NUMBER, doubles)).array
    large = where(pc.and_(pc.invert(whole), pc.equal(pc.trunc(doubles), doubles)))
    if not made.scripted:
        # Python writes a double that is whole with a fraction.
        shown_numbers = pc.if_else(whole, pc.binary_join_element_wise(shown_numbers, ".0", ""), shown_numbers)
    return Fitted(shown_numbers, doubles, any_of(where_not(finite), large))


def _boolean(made: Made) -> Fitted | None:
    if pa.types.is_boolean(made.array.type):
        return _same(made.array)
    if not is_text(made.array.type):
        return None
    words = pc.ascii_lower(made.array)
    known = pc.or_(pc.equal(words, "true"), pc.equal(words, "false"))
    return _same(pc.equal(words, "true"), where_not(known))


def _date(made: Made) -> Fitted | None:
    if pa.types.is_date32(made.array.type):
        return _same(*shown(made.array))
    if not (is_text(made.array.type) or is_moment(made.array.type)):
        return None
    texts, doubt = _texts(made.array) or (made.array, None)
    matched = pc.match_substring_regex(texts, _MIDNIGHT)
    odd = where_not(matched)
    days = texts if odd is None else pc.if_else(matched, texts, None)
    if (pc.max(pc.binary_length(days)).as_py() or 0) > _LENGTH_OF_DAY:
        days = pc.utf8_slice_codeunits(days, 0, _LENGTH_OF_DAY)
    return _same(days, any_of(doubt, odd, in_no_calendar(days)))


def in_no_calendar(days: pa.Array) -> Mask:
    """Of texts that look like days those that are none, such as 31 June, and with one of them leap days."""
    try:
        days.cast(pa.date32())
    except pa.ArrowInvalid:
        return where_not(pc.match_substring_regex(days, _EVERY_YEARS_DAY))
    return None


def _moment(made: Made) -> Fitted | None:
    array = made.array
    if pa.types.is_date32(array.type) or is_moment(array.type):
        texts, doubt = shown(array)
        zone = "T00:00:00Z" if pa.types.is_date32(array.type) else "" if array.type.tz else "Z"
        return _same(pc.binary_join_element_wise(texts, zone, "") if zone else texts, doubt)
    if not is_text(array.type):
        return None
    texts = array.cast(pa.string())
    full = pc.match_substring_regex(texts, _MOMENT)
    if where_not(full) is not None:
        texts, full = _with_zone(texts, full)
    odd = where_not(full)
    kept = texts if odd is None else pc.if_else(full, texts, None)
    return _same(kept, any_of(odd, in_no_calendar(pc.utf8_slice_codeunits(kept, 0, _LENGTH_OF_DAY))))


def _with_zone(texts: pa.Array, full: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Days as their midnights, and what has no zone as UTC."""
    day = pc.match_substring_regex(texts, f"^{_DAY}$")
    zoneless = pc.match_substring_regex(texts, _ZONELESS)
    long = pc.if_else(zoneless, texts, None)
    iso = pc.binary_replace_slice(long, _LENGTH_OF_DAY, _LENGTH_OF_DAY + 1, "T")
    ends = pc.if_else(pc.equal(pc.binary_length(long), _LENGTH_OF_MINUTE), ":00Z", "Z")
    midnights = pc.binary_join_element_wise(texts, "T00:00:00Z", "")
    made = pc.if_else(zoneless, pc.binary_join_element_wise(iso, ends, ""), pc.if_else(day, midnights, texts))
    return made, pc.or_(full, pc.or_(day, zoneless))


_FITTERS: dict[str, Callable[[Made], Fitted | None]] = {
    "text": _as_text,
    "bigint": _bigint,
    "numeric": _numeric,
    "boolean": _boolean,
    "date": _date,
    "timestamp with time zone": _moment,
}


def filled(column: Fitted, stored: Any, seen: Any) -> Fitted:
    """With a default, given as it is stored and as the schema sees it, in place of nulls."""
    if not column.stored.null_count:
        return column
    empty = pc.is_null(column.stored)
    if column.doubt is not None:
        empty = pc.and_(empty, pc.invert(column.doubt))
    rows = len(column.stored)
    return Fitted(
        pc.if_else(empty, everywhere(pa.scalar(stored, column.stored.type), rows), column.stored),
        pc.if_else(empty, everywhere(pa.scalar(seen, column.seen.type), rows), column.seen),
        column.doubt,
    )
