"""What can be asked of text: ``value.trim()`` and its like. Source: ECMA-262, section 22.1.3.

JavaScript counts UTF-16 units, Arrow counts characters: texts with letters beyond the first plane are unsure where
that matters, and texts that are not ASCII where cases are changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.masks import Mask, where, where_not
from dataops_defs.adapters.transforms.syntax import Literal, Node, Unary, Unsupported
from dataops_defs.adapters.transforms.values import Empty, Kind, Value, refuse_beyond, text_bytes

# White space of JavaScript or of Unicode that is not ASCII; not all agree on each of these.
_ODD_SPACE = (
    r"[\x{0085}\x{00a0}\x{1680}\x{180e}\x{2000}-\x{200f}\x{2028}\x{2029}\x{202f}\x{205f}\x{2060}\x{3000}\x{feff}]"
)
_BEYOND_FIRST_PLANE = r"[\x{10000}-\x{10ffff}]"
Method = Callable[[Value, Sequence[Node]], Value]


def not_ascii(array: pa.Array) -> Mask:
    """Texts with other letters than those of ASCII."""
    return where_not(pc.string_is_ascii(array))


def _matching(array: pa.Array, pattern: str) -> Mask:
    return None if not_ascii(array) is None else where(pc.match_substring_regex(array, pattern))


def trimmed(value: Value) -> Value:
    """Without white space at both ends."""
    array = pc.ascii_trim_whitespace(value.array)
    return replace(value, array=array).doubting(_matching(value.array, _ODD_SPACE))


def in_case(change: Callable[[pa.Array], pa.Array]) -> Callable[[Value], Value]:
    """In another case; only ASCII is proven."""
    return lambda value: replace(value, array=change(value.array)).doubting(not_ascii(value.array))


upper, lower = in_case(pc.ascii_upper), in_case(pc.ascii_lower)


def titled(value: Value) -> Value:
    """Words with a capital; digits and apostrophes, which belong to words, are left to the engine."""
    odd = where(pc.match_substring_regex(value.array, "[0-9']"))
    return in_case(pc.ascii_title)(value).doubting(odd)


def _by_units(value: Value, array: pa.Array) -> Value:
    return replace(value, array=array).doubting(_matching(value.array, _BEYOND_FIRST_PLANE))


def _sliced(value: Value, arguments: Sequence[Node]) -> Value:
    start, stop = _places(arguments)
    return _by_units(value, pc.utf8_slice_codeunits(value.array, start, stop))


def _substring(value: Value, arguments: Sequence[Node]) -> Value:
    start, stop = (None if each is None else max(each, 0) for each in _places(arguments))
    if start is not None and stop is not None and stop < start:
        start, stop = stop, start
    return _by_units(value, pc.utf8_slice_codeunits(value.array, start, stop))


def _places(arguments: Sequence[Node]) -> tuple[int, int | None]:
    if not 1 <= len(arguments) <= 2:
        raise Unsupported
    start, *stop = map(_place, arguments)
    return start, stop[0] if stop else None


def _place(node: Node) -> int:
    """A whole number that is written out."""
    if isinstance(node, Unary) and node.operator == "-":
        return -_place(node.operand)
    if not isinstance(node, Literal) or type(node.value) is not float or not 0 <= node.value <= 1e6:
        raise Unsupported
    if not node.value.is_integer():
        raise Unsupported
    return int(node.value)


def _written(arguments: Sequence[Node], count: int) -> list[str]:
    """Texts that are written out."""
    found = [each.value for each in arguments if isinstance(each, Literal) and isinstance(each.value, str)]
    if len(found) != count or len(arguments) != count:
        raise Unsupported
    return found


def _asked(test: Callable[[pa.Array, str], pa.Array]) -> Method:
    def method(value: Value, arguments: Sequence[Node]) -> Value:
        (part,) = _written(arguments, 1)
        return replace(value, kind=Kind.TRUTH, array=test(value.array, part))

    return method


def _replaced(most: int | None) -> Method:
    def method(value: Value, arguments: Sequence[Node]) -> Value:
        old, new = _written(arguments, 2)
        if not old or "$" in new:
            raise Unsupported
        refuse_beyond(text_bytes(value.array) * max(1.0, len(new.encode()) / len(old.encode())))
        array = pc.replace_substring(value.array, pattern=old, replacement=new, max_replacements=most)
        return replace(value, array=array)

    return method


def _padded(pad: Callable[..., pa.Array]) -> Method:
    def method(value: Value, arguments: Sequence[Node]) -> Value:
        if len(arguments) != 2:
            raise Unsupported
        (filler,) = _written(arguments[1:], 1)
        if len(filler) != 1 or filler > "\uffff":
            raise Unsupported
        width = _place(arguments[0])
        refuse_beyond(text_bytes(value.array) + len(value.array) * width * len(filler.encode()))
        return _by_units(value, pad(value.array, width=width, padding=filler))

    return method


def _character(value: Value, arguments: Sequence[Node]) -> Value:
    if len(arguments) != 1 or (place := _place(arguments[0])) < 0:
        raise Unsupported
    return _by_units(value, pc.utf8_slice_codeunits(value.array, place, place + 1))


def _without_arguments(change: Callable[[Value], Value]) -> Method:
    def method(value: Value, arguments: Sequence[Node]) -> Value:
        if arguments:
            raise Unsupported
        return change(value)

    return method


def length(value: Value) -> Value:
    """``text.length``."""
    return replace(_by_units(value, pc.utf8_length(value.array).cast(pa.float64())), kind=Kind.NUMBER)


METHODS: dict[str, Method] = {
    "trim": _without_arguments(trimmed),
    "toUpperCase": _without_arguments(upper),
    "toLowerCase": _without_arguments(lower),
    "toString": _without_arguments(lambda value: value),
    "slice": _sliced,
    "substring": _substring,
    "charAt": _character,
    "startsWith": _asked(pc.starts_with),
    "endsWith": _asked(pc.ends_with),
    "includes": _asked(pc.match_substring),
    "replace": _replaced(1),
    "replaceAll": _replaced(None),
    "padStart": _padded(pc.utf8_lpad),
    "padEnd": _padded(pc.utf8_rpad),
}


def joined(parts: Sequence[Value], separator: str) -> Value:
    """Texts without nulls, one after the other."""
    between = len(separator.encode()) * len(parts) * len(parts[0].array)
    refuse_beyond(between + sum(text_bytes(each.array) for each in parts))
    array = pc.binary_join_element_wise(*(each.array for each in parts), separator)
    return Value(Kind.TEXT, array, Empty.NEVER).doubting(*(each.unsure for each in parts))
