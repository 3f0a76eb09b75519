"""Keys of several columns: pairs and triples that are unique together where none of them is by itself."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations

from dataops_defs.matching.relationships.candidates import (
    FILLED,
    UNIQUE,
    Candidate,
    End,
    inclusions,
    may_be_key,
)
from dataops_defs.matching.relationships.features import Features
from dataops_defs.matching.relationships.profiles import Profile, TableProfile, Values

ALIKE = 0.8
EACH_INCLUDED, TOGETHER_INCLUDED = 0.3, 0.5
MOST_COLUMNS, MOST_TOGETHER = 6, 3
# Set by hand: databases with known composite keys that are not declared are too few to learn from.
BIAS, NAMES, INCLUDED, MANY, LEADING = -7.0, 3.0, 4.5, 2.0, 1.0
# Whoever refers to a table whose key of one column looks so much like a key uses that one.
NAMED_KEY = 0.65

Columns = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Composite:
    """Columns of a child, those of a parent, how alike their names are (0 to 1), and how sure it is."""

    pair: Candidate
    names: float
    confidence: float


@dataclass(frozen=True)
class _Aligned:
    child: Profile
    parent: Profile
    names: float


@dataclass(frozen=True)
class _Parent:
    """A table that may have a composite key, and profiles of its columns together, each made once."""

    table: TableProfile
    together: Callable[[tuple[str, ...]], Profile]


def composites(
    tables: Sequence[TableProfile], features: Features, values: Values, never: Collection[tuple[End, End]] = ()
) -> list[Composite]:
    """The best parent of each set of columns that refers to a composite key; never both directions.

    Args:
        never: children with a parent that is none of theirs, whatever the values say.
    """
    best: dict[Columns, Composite] = {}
    for parent in (each for each in tables if features.best_fitness(each.name) < NAMED_KEY):
        profiles = cache(partial(values.together, parent.name))
        for child in tables:
            if child is not parent:
                for each in _between(child, _Parent(parent, profiles), features, values):
                    key = (each.pair.child.table, each.pair.child.columns)
                    if each.pair.ends not in never and (key not in best or best[key].confidence < each.confidence):
                        best[key] = each
    return [each for each in best.values() if not _reversed_is_better(each, best)]


def _reversed_is_better(found: Composite, best: dict[Columns, Composite]) -> bool:
    child, parent = found.pair.child, found.pair.parent
    other = best.get((parent.table, parent.columns))
    if other is None or (other.pair.parent.table, other.pair.parent.columns) != (child.table, child.columns):
        return False
    return (other.confidence, other.pair.child.table) > (found.confidence, child.table)


def _between(child: TableProfile, parent: _Parent, features: Features, values: Values) -> Iterator[Composite]:
    aligned = _aligned(child, parent.table, features, values)
    keys: list[frozenset[str]] = []
    for size in range(2, MOST_TOGETHER + 1):
        for chosen in combinations(aligned, size):
            names = frozenset(each.parent.column for each in chosen)
            if any(key <= names for key in keys) or not _may_be_unique(chosen, parent.table.rows):
                continue
            key_profile = parent.together(tuple(each.parent.column for each in chosen))
            if key_profile.once < UNIQUE or key_profile.filled < FILLED * parent.table.rows:
                continue
            keys.append(names)
            profile = values.together(child.name, [each.child.column for each in chosen])
            included = next(inclusions([profile], key_profile, values))
            if included.share >= TOGETHER_INCLUDED:
                yield _scored(chosen, Candidate(profile, key_profile, included))


def _may_be_unique(chosen: Sequence[_Aligned], rows: int) -> bool:
    return math.prod(each.parent.distinct for each in chosen) >= UNIQUE * rows > 1


def _aligned(child: TableProfile, parent: TableProfile, features: Features, values: Values) -> list[_Aligned]:
    """For each column of the parent that is no key by itself, the column of the child that is called alike."""
    found = []
    for column in parent.columns:
        if may_be_key(column) or column.filled < FILLED * column.rows:
            continue
        named = [(features.alike(each, column), each) for each in child.columns if each.kind == column.kind]
        likest = max(named, key=lambda each: each[0], default=None)
        if likest is None or likest[0] < ALIKE or not likest[1].filled:
            continue
        if next(inclusions([likest[1]], column, values)).share >= EACH_INCLUDED:
            found.append(_Aligned(likest[1], column, likest[0]))
    return found[:MOST_COLUMNS]


def _scored(chosen: Sequence[_Aligned], pair: Candidate) -> Composite:
    names = sum(each.names for each in chosen) / len(chosen)
    leading = {each.parent.position for each in chosen} == set(range(len(chosen)))
    odds = (
        BIAS + NAMES * names + INCLUDED * pair.included.share**2 + MANY * (pair.child.once < UNIQUE) + LEADING * leading
    )
    return Composite(pair, names, 1 / (1 + math.exp(-odds)))
