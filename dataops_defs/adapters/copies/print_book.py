"""Prints on their way to be compared: in a temporary file, sorted into parts that fit into memory one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from dataops_defs.adapters.copies.prints import PRINT, Records, Words
from dataops_defs.adapters.storage.spool import full_disks

PARTS = 256
SHIFT: Final = np.uint64(56)
FILTER_BITS = 24
FILTER_SHIFT: Final = np.uint64(64 - FILTER_BITS)


class PrintBook:
    """Prints by the first bits of their key, so that all of one key are in one part."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]
        self._end = 0
        self._seen = np.zeros(1 << FILTER_BITS, np.bool_)

    def add(self, records: Records, *, sought: bool = False) -> None:
        """Enter some; ``sought`` are those that `may_hold` tells of."""
        if sought:
            self._seen[records["key1"] >> FILTER_SHIFT] = True
        parts = (records["key1"] >> SHIFT).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        ends = np.cumsum(np.bincount(parts, minlength=PARTS))
        for part, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if end > begin:
                data = records[order[begin:end]].tobytes()
                self._file.write(data)
                self._pieces[part].append((self._end, len(data)))
                self._end += len(data)

    def may_hold(self, key1: Words) -> npt.NDArray[np.bool_]:
        """For each key whether it may be one that is sought; no for most of those that are not, while these are few."""
        found: npt.NDArray[np.bool_] = self._seen[key1 >> FILTER_SHIFT]
        return found

    def parts(self) -> Iterator[Records]:
        """All of them, part by part."""
        for pieces in self._pieces:
            found = bytearray()
            for begin, size in pieces:
                self._file.seek(begin)
                found += self._file.read(size)
            if found:
                yield np.frombuffer(found, PRINT)


@contextmanager
def print_book() -> Iterator[PrintBook]:
    """An empty one, gone with the block.

    Raises:
        InsufficientStorage: the disk of temporary files is full.
    """
    with full_disks(), TemporaryFile() as file:
        yield PrintBook(file)
