"""Which values a column holds, in a few thousand hashes: enough to say how much of one column is found in another.

A sketch keeps every value whose hash is at most ``limit``. Two sketches of one hash function agree on which values
they would keep, so below the lower of their limits both are complete, and shares counted there are shares of the
whole. Sampling rows would not do: two samples of rows of the same values hardly meet.
Source: K. Beyer and others, "On synopses for distinct-value estimation under multiset operations" (SIGMOD 2007).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.int64]
LOWEST, HIGHEST = -(2**63), 2**63 - 1
SIZE = 4096


@dataclass(frozen=True, eq=False)
class Sketch:
    """Hashes of different values, ascending; all values' hashes when ``limit`` is the highest."""

    hashes: Hashes
    limit: int = HIGHEST

    @classmethod
    def of(cls, hashes: Hashes, limit: int = HIGHEST, size: int = SIZE) -> "Sketch":
        """The lowest ``size`` of the hashes up to a limit, each once."""
        different = np.unique(hashes)
        if len(different) <= size:
            return cls(different, limit)
        return cls(different[:size], int(different[size - 1]))

    @property
    def complete(self) -> bool:
        """Whether no value was left out."""
        return self.limit == HIGHEST

    def within(self, limit: int) -> Hashes:
        """Those hashes that are not above a limit."""
        return self.hashes[: int(np.searchsorted(self.hashes, limit, side="right"))]


@dataclass(frozen=True)
class Inclusion:
    """The share (0 to 1) of a column's different values that another holds, seen on so many of them."""

    share: float
    seen: int


def inclusion(child: Sketch, parent: Sketch) -> Inclusion:
    """How much of the child is found in the parent, judged where both are complete."""
    both = min(child.limit, parent.limit)
    values = child.within(both)
    found = np.isin(values, parent.within(both), assume_unique=True)
    return Inclusion(float(found.mean()) if len(values) else 0.0, len(values))


def share_of(limit: int) -> float:
    """The share of all hashes that are not above a limit."""
    return (limit - LOWEST + 1) / 2.0**64


def limit_of(share: float) -> int:
    """The limit below which that share of all hashes lies."""
    return min(HIGHEST, LOWEST + int(share * 2.0**64) - 1) if share < 1.0 else HIGHEST
