"""Ranks of cursors: bytes of one length that are in order as the cursors are, exactly; a rank of zeros is lowest."""

from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

RANK_BYTES: Final = 32
RANK: Final = np.dtype(f"S{RANK_BYTES}")
Ranks = npt.NDArray[np.bytes_]
# A rank begins with this byte; that of an empty cursor with zero.
VALID: Final = 1
SIGN: Final = np.uint64(1 << 63)
# A number in text: above the middle where it is positive; its exponent, then its digits. MySQL's have at most 65;
# PostgreSQL's may have more, of which the first ones count.
DIGITS: Final = 67
DIGIT_BITS: Final = 224
BIAS: Final = 1 << 20
BITS: Final = 8 * (RANK_BYTES - 1)
MIDDLE: Final = 1 << (BITS - 1)


def ranks(column: pa.Array) -> Ranks:
    """Ranks of numbers, dates or times; NaN ranks with infinity, null lowest."""
    if column.null_count == len(column):
        return np.zeros(len(column), RANK)
    made = np.zeros((len(column), RANK_BYTES), np.uint8)
    made[:, 0] = VALID
    for place, words in enumerate(_words(column)):
        made[:, 1 + 8 * place : 9 + 8 * place] = words.astype(">u8").view(np.uint8).reshape(-1, 8)
    made[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return made.view(RANK).reshape(-1)


def text_ranks(column: pa.Array) -> Ranks:
    """Ranks of numbers that are written as text."""
    found = [b"" if each is None else _text_rank(Decimal(each)) for each in column.to_pylist()]
    return np.array(found, RANK)


def _words(column: pa.Array) -> list[npt.NDArray[np.uint64]]:
    """Words of 64 bits, the highest first, that are in the values' order; anything where one is null."""
    kind = column.type
    if pa.types.is_decimal(kind):
        data = np.frombuffer(column.buffers()[1], "<u8", 2 * len(column), column.offset * 16).reshape(-1, 2)
        return [data[:, 1] ^ SIGN, data[:, 0]]
    if pa.types.is_floating(kind):
        values = column.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False)
        bits = (np.nan_to_num(values, nan=np.inf, posinf=np.inf, neginf=-np.inf) + 0.0).view(np.uint64)
        return [np.where(bits & SIGN, ~bits, bits | SIGN)]
    if pa.types.is_uint64(kind):
        return [column.fill_null(0).to_numpy(zero_copy_only=False)]
    if pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    return [column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False).view(np.uint64) ^ SIGN]


def _text_rank(value: Decimal) -> bytes:
    return bytes([VALID]) + _text_order(value).to_bytes(RANK_BYTES - 1, "big")


def _text_order(value: Decimal) -> int:
    if not value.is_finite():
        return 0 if value.is_infinite() and value.is_signed() else (1 << BITS) - 1
    if value == 0:
        return MIDDLE
    digits = "".join(map(str, value.as_tuple().digits[:DIGITS])).ljust(DIGITS, "0")
    size = (value.adjusted() + BIAS << DIGIT_BITS) | int(digits)
    return MIDDLE - size if value.is_signed() else MIDDLE + size
