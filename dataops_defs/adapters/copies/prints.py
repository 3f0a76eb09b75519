"""Prints of rows: 128 bits of a row's key and 128 of its content, by which rows are told apart and compared.

Two different keys have one print with a chance of 2^-128, whoever chose them: the prints of each comparison are salted
anew. Equal values have equal prints, null has one of its own; floats are compared by their bits, so 0.0 is not -0.0.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from dataops_defs.adapters.copies.ranks import RANK
from dataops_defs.adapters.json_values import json_column

Words = npt.NDArray[np.uint64]
Records = npt.NDArray[np.void]
LANES: Final = 2
NULL: Final = np.uint64(0x9E3779B97F4A7C15)
# ``key`` and ``content`` in two words each; ``rank`` puts rows of one key in order, ``at`` is the row's place.
PRINT: Final = np.dtype(
    [
        ("key1", "<u8"),
        ("key2", "<u8"),
        ("content1", "<u8"),
        ("content2", "<u8"),
        ("rank", RANK),
        ("at", "<i8"),
        ("side", "u1"),
    ]
)


@dataclass(frozen=True)
class Salt:
    """What the prints of one comparison have in common; unknown to whoever wrote the rows."""

    words: tuple[int, ...]
    text: tuple[str, ...]

    @classmethod
    def fresh(cls) -> "Salt":
        """A new one."""
        return cls(tuple(secrets.randbits(64) for _ in range(LANES)), tuple(secrets.token_hex(8) for _ in range(LANES)))


def prints(columns: Sequence[pa.Array], rows: int, salt: Salt) -> list[Words]:
    """Two words for each row, made of its values in these columns."""
    made = [np.full(rows, word, np.uint64) for word in salt.words]
    for column in columns:
        null = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        for lane, parts in enumerate(_words(column, salt)):
            for words in parts:
                made[lane] = _mixed(made[lane] ^ (words if null is None else np.where(null, NULL, words)))
            if null is not None:
                # Once more: null is not the value that stands for it.
                made[lane] = np.where(null, _mixed(made[lane]), made[lane])
    return made


def key_prints(columns: Sequence[pa.Array], rows: int, salt: Salt) -> list[Words]:
    """The same for keys, of which decimals are equal whatever their digits: 1.5 is 1.50."""
    return prints([_plain(each) if pa.types.is_decimal(each.type) else each for each in columns], rows, salt)


def _plain(column: pa.Array) -> pa.Array:
    values = (None if each is None else format(each.normalize(), "f") for each in column.to_pylist())
    return pa.array(values, pa.string())


def _mixed(words: Words) -> Words:
    """The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): one to one, and each bit depends on all."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


def _words(column: pa.Array, salt: Salt) -> list[list[Words]]:
    """For each lane the values of a column as words of 64 bits; anything where it is null."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _hashed(column.fill_null("").to_pylist(), salt.text)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _hashed(column.fill_null(b"").to_pylist(), [each.encode() for each in salt.text])
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind):
        return [_fixed(column, kind.bit_width // 8)] * LANES
    return _hashed([orjson.dumps(each).decode() for each in json_column(column)], salt.text)


def _hashed(values: Sequence[Any], salts: Sequence[Any]) -> list[list[Words]]:
    """Python's own hash of texts and bytes: SipHash, with a key that each process has for itself."""
    return [
        [np.fromiter(map(hash, map(salt.__add__, values)), np.int64, len(values)).view(np.uint64)] for salt in salts
    ]


def _fixed(column: pa.Array, width: int) -> list[Words]:
    data = column.buffers()[1]
    if data is None:
        return [np.zeros(len(column), np.uint64)]
    if width <= 8:
        values = np.frombuffer(data, f"<u{width}", len(column), column.offset * width)
        return [values.astype(np.uint64)]
    parts = width // 8
    values = np.frombuffer(data, "<u8", len(column) * parts, column.offset * width).reshape(-1, parts)
    return [values[:, part] for part in range(parts)]
