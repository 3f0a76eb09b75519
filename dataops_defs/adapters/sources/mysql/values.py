"""Values of MySQL's binary protocol, a column of a whole block at a time.

Source: MySQL 8.4 Internals, "Binary Protocol Resultset Row" and "Binary Protocol Value".
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from dataops_defs.adapters.sources.mysql.protocol import Block, Places
from dataops_defs.errors import SourceUnavailable

Mask = npt.NDArray[np.bool_]
_TIME = [("hour", "u1"), ("minute", "u1"), ("second", "u1"), ("micros", "<u4")]
MOMENT: Final = np.dtype([("year", "<u2"), ("month", "u1"), ("day", "u1"), *_TIME])
CLOCK: Final = np.dtype([("negative", "u1"), ("days", "<u4"), *_TIME])
# First bytes of lengths that do not fit into one, and the bytes that follow.
_WIDE_LENGTHS = ((0xFC, 2), (0xFD, 3), (0xFE, 8))


class Values:
    """A block of rows, read column after column from the left. ``null`` says which rows hold nothing there."""

    def __init__(self, block: Block, columns: int) -> None:
        self._data, self._ends = block.data, block.ends
        width = (columns + 9) // 8
        self._nulls = self._bytes(block.starts + 1, width)
        self._at = block.starts
        self._move(block.starts + 1 + width)

    def null(self, column: int) -> Mask:
        """Rows in which that column is NULL."""
        place = column + 2
        return (self._nulls[:, place // 8] >> (place % 8) & 1).astype(np.bool_)

    def numbers(self, wire: str, null: Mask) -> npt.NDArray[np.generic]:
        """Numbers of fixed width; anything where null."""
        width = np.dtype(wire).itemsize
        made = self._bytes(self._at, width).view(wire)[:, 0]
        self._move(self._at + np.where(null, 0, width))
        return made

    def moments(self, layout: "np.dtype[np.void]", null: Mask) -> npt.NDArray[np.void]:
        """Records of a date or time, in which a trailing part is left out when it is zero."""
        size = np.where(null, 0, self._data[self._at]).astype(np.int64)
        sent = self._bytes(self._at + 1, layout.itemsize)
        sent[np.arange(layout.itemsize) >= size[:, None]] = 0
        self._move(self._at + np.where(null, 0, size + 1))
        return sent.view(layout)[:, 0]

    def texts(self, null: Mask) -> pa.Array:
        """Bytes of any length, as a binary array with its nulls."""
        begin, end = self._bounds(null)
        # One array of the values and the gaps between them by turns; what is taken from it is every other element.
        offsets = np.empty(2 * len(begin), np.int32)
        offsets[::2], offsets[1::2] = begin, end
        everything = pa.Array.from_buffers(
            pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(self._data)]
        )
        return everything.take(pa.array(np.arange(0, len(offsets), 2), mask=null))

    def check_end(self) -> None:
        """After the last column: the rows hold nothing more."""
        if (self._at != self._ends).any():
            raise _unreadable()

    def _bounds(self, null: Mask) -> tuple[Places, Places]:
        first = np.where(null, 0, self._data[self._at])
        begin, length = self._at + np.where(null, 0, 1), first.astype(np.int64)
        for mark, width in _WIDE_LENGTHS:
            wide = np.flatnonzero(first == mark)
            if wide.size:
                length[wide] = self._bytes(begin[wide], width).astype(np.int64) @ (256 ** np.arange(width))
                begin[wide] += width
        self._move(begin + length)
        return begin, self._at

    def _bytes(self, at: Places, width: int) -> npt.NDArray[np.uint8]:
        return sliding_window_view(self._data, width)[at]

    def _move(self, to: Places) -> None:
        """Go on to there; a server that lies about lengths must not lead beyond its rows."""
        if (to > self._ends).any() or (to < self._at).any():
            raise _unreadable()
        self._at = to


def _unreadable() -> SourceUnavailable:
    return SourceUnavailable("MySQL sent an answer that cannot be read")
