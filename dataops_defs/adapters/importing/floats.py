"""Text as floating point: always the number that lies nearest, and none that lies beyond what the type can hold."""

import pyarrow as pa
import pyarrow.compute as pc

_NOT_ZERO = r"^[^eE]*[1-9]"
_INFINITE = r"(?i)inf"


def nearest(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Text as floats, read at once; None where a value is no number, or is out of the type's range."""
    try:
        made = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    return None if pc.any(out_of_range(texts, made), min_count=0).as_py() else made


def out_of_range(texts: pa.Array, made: pa.Array) -> pa.Array:
    """Where a number became infinite, or nothing, that is neither as it is written."""
    overflown = pc.and_(pc.is_inf(made), pc.invert(pc.match_substring_regex(texts, _INFINITE)))
    lost = pc.and_(pc.equal(made, pa.scalar(0, made.type)), pc.match_substring_regex(texts, _NOT_ZERO))
    return pc.fill_null(pc.or_(overflown, lost), False)
