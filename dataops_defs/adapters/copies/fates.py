"""What becomes of each row of a raw copy, and of each row that was read since: joined by their keys' prints."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from dataops_defs.adapters.copies.prints import Records


class Side(IntEnum):
    """Where a print comes from: a row that was read, a row of the copy, or a key that the source has."""

    READ = 0
    KEPT = 1
    KEY = 2


class Fate(IntEnum):
    """Of a row of the copy: it stays, or makes room (for a newer one, or because it is gone from the source).

    Of a row that was read: it is new, it takes a row's place, it is the same as a row of the copy, another row with its
    key counts, or it has no print, because its key is empty.
    """

    STAYS = 0
    REPLACED = 1
    GONE = 2
    INSERTED = 3
    UPDATED = 4
    UNCHANGED = 5
    DUPLICATE = 6
    KEYLESS = 7


@dataclass
class Fates:
    """A fate for each row by its place, in ``kept`` and ``read``; ``missing`` counts keys that no row has."""

    kept: npt.NDArray[np.uint8]
    read: npt.NDArray[np.uint8]
    missing: int = 0
    counts: dict[Fate, int] = field(default_factory=dict)

    def count(self) -> "Fates":
        """Itself, with how many rows have each fate."""
        both = np.bincount(self.kept, minlength=len(Fate)) + np.bincount(self.read, minlength=len(Fate))
        self.counts = {fate: int(both[fate]) for fate in Fate}
        return self


def fates_of(parts: Iterator[Records], kept: int, read: int, *, absent_go: bool, keys_known: bool) -> Fates:
    """Join the prints.

    Args:
        kept, read: numbers of rows of the copy and of rows that were read.
        absent_go: whether a row of the copy goes that was not read: all rows were.
        keys_known: whether one goes that was not read and whose key the source does not have.
    """
    made = Fates(np.full(kept, Fate.STAYS, np.uint8), np.full(read, Fate.KEYLESS, np.uint8))
    for part in parts:
        _join(part, made, absent_go=absent_go, keys_known=keys_known)
    return made.count()


def _join(part: Records, made: Fates, *, absent_go: bool, keys_known: bool) -> None:
    rows = part[np.lexsort((part["at"], part["rank"], part["side"], part["key2"], part["key1"]))]
    first = np.ones(len(rows), np.bool_)
    first[1:] = (rows["key1"][1:] != rows["key1"][:-1]) | (rows["key2"][1:] != rows["key2"][:-1])
    group = np.cumsum(first) - 1
    groups = int(group[-1]) + 1
    of_side = {side: np.flatnonzero(rows["side"] == side) for side in Side}
    read, kept = of_side[Side.READ], of_side[Side.KEPT]
    # Rows of one key stand in order: the last of those that were read counts.
    counts = np.full(groups, -1, np.int64)
    counts[group[read]] = read
    partner = np.full(groups, -1, np.int64)
    partner[group[kept]] = kept
    winners = counts[counts >= 0]
    fate = np.full(len(rows), Fate.DUPLICATE, np.uint8)
    fate[winners] = Fate.INSERTED
    met = winners[partner[group[winners]] >= 0]
    same = _same_content(rows, met, partner[group[met]])
    keys = np.bincount(group[of_side[Side.KEY]], minlength=groups)
    # Where the source has several rows of a key, nobody can tell that the one that was read is the kept one changed.
    unclear = ~same & (keys[group[met]] > 1)
    fate[met] = np.select([same, unclear], [Fate.UNCHANGED, Fate.DUPLICATE], Fate.UPDATED)
    fate[kept] = Fate.STAYS
    fate[partner[group[met]]] = np.where(same | unclear, Fate.STAYS, Fate.REPLACED)
    has_key = keys > 0
    alone = kept[counts[group[kept]] < 0]
    if absent_go or keys_known:
        fate[alone[~has_key[group[alone]]]] = Fate.GONE
    made.missing += int((has_key & (counts < 0) & (partner < 0)).sum())
    made.read[rows["at"][read]] = fate[read]
    made.kept[rows["at"][kept]] = fate[kept]


def _same_content(rows: Records, one: Any, other: Any) -> npt.NDArray[np.bool_]:
    both = rows[["content1", "content2"]]
    same: npt.NDArray[np.bool_] = (both["content1"][one] == both["content1"][other]) & (
        both["content2"][one] == both["content2"][other]
    )
    return same
