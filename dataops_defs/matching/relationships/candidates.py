"""Which pairs of columns are looked at: a column that could be a key, and one of its kind whose values it holds."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dataops_defs.matching.relationships.profiles import Family, Profile, TableProfile, Values
from dataops_defs.matching.relationships.sketches import Hashes, Inclusion, inclusion

# Shares of a column's values that have to be there once, and of its rows that have to be filled, to be a key.
UNIQUE, FILLED = 0.97, 0.97
LEAST_INCLUDED = 0.1
LONGEST_KEY = 200
# Fewer values than ENOUGH say too little about a share; more than MOST are not looked up.
ENOUGH, MOST = 200, 1000


End = tuple[str, frozenset[str]]
"""A table's name and those of the columns on its side of a relationship."""


@dataclass(frozen=True)
class Candidate:
    """A column that may refer to another, and how much of it is found there."""

    child: Profile
    parent: Profile
    included: Inclusion

    @property
    def ends(self) -> tuple[End, End]:
        """The child's side, and the parent's."""
        child, parent = ((each.table, frozenset(each.columns)) for each in (self.child, self.parent))
        return child, parent


def may_be_key(column: Profile) -> bool:
    """Whether (nearly) every row has a value of its own; what the database itself declares counts as it says."""
    if column.primary or column.unique:
        return column.filled > 0
    filled = column.filled >= FILLED * column.rows and column.filled > 0
    return filled and column.once >= UNIQUE and (column.longest or 0) <= LONGEST_KEY


def candidates(tables: Sequence[TableProfile], values: Values) -> list[Candidate]:
    """All pairs of a column and a possible key of the same kind, or form, that holds some of its values."""
    children = [each for table in tables for each in table.columns if each.filled and not each.points_out]
    found = []
    for parent in (each for table in tables for each in table.columns if may_be_key(each)):
        fitting = [child for child in children if _may_refer(child, parent)]
        shares = inclusions(fitting, parent, values)
        pairs = zip(fitting, shares, strict=True)
        found += [Candidate(child, parent, share) for child, share in pairs if share.share >= LEAST_INCLUDED]
    return found


def inclusions(children: Sequence[Profile], parent: Profile, values: Values) -> Iterator[Inclusion]:
    """How much of each child the parent holds; what the sketches cannot tell is looked up, all at once."""
    told = [inclusion(child.sketch, parent.sketch) for child in children]
    asked = [_asked(child) if _too_few(child, each) else None for child, each in zip(children, told, strict=True)]
    wanted = [hashes for hashes in asked if hashes is not None]
    held = values.held(parent.table, parent.columns, np.unique(np.concatenate(wanted))) if wanted else None
    for each, hashes in zip(told, asked, strict=True):
        if hashes is None or held is None:
            yield each
        else:
            yield Inclusion(float(np.isin(hashes, held).mean()), len(hashes))


def _asked(child: Profile) -> Hashes:
    # The lowest hashes are a fair sample of the values.
    return child.sketch.hashes[:MOST]


def _too_few(child: Profile, told: Inclusion) -> bool:
    return told.seen < min(ENOUGH, len(child.sketch.hashes))


def _may_refer(child: Profile, parent: Profile) -> bool:
    comparable = child.kind == parent.kind or child.equals_as_text(parent)
    if not comparable or (child.table, child.columns) == (parent.table, parent.columns):
        return False
    if child.low is None or child.high is None or parent.low is None or parent.high is None:
        return child.family in (Family.TEXT, Family.UUID, Family.OTHER)
    return child.low <= parent.high and parent.low <= child.high


def by_child(pairs: Sequence[Candidate]) -> dict[tuple[str, str], list[int]]:
    """The places of the candidates of each child column, by its table's name and its own."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, each in enumerate(pairs):
        found[each.child.table, each.child.column].append(place)
    return dict(found)
