"""Whether two sets of rows are equal as multisets, and where they are not: counts and order-independent hashes.

Rows fall into at most 16 ranges of their first key column and, by a hash of the whole key, into 256 slices of each.
Every slice is one count and one sum, so equal parts are never fetched, however many rows they have; only the keys of
slices that differ are. Source: document 003, "Future Extensions"; SAFETY, invariant I1.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

RANGES = 16
SLICES = 256
MAX_DIFFERENCES = 100
MAX_LOOKED_INTO = 50_000
"""Rows of slices that differ, beyond which further slices are only counted."""
MAX_LABEL = 200

Key = tuple[Any, ...]
"""The values of a row's key columns, as JSON holds them."""


@dataclass(frozen=True)
class Sum:
    """How many rows, and the sum of their hashes: the same for the same rows in any order, duplicates included."""

    rows: int = 0
    hash: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(self.rows + other.rows, self.hash + other.hash)


@dataclass(frozen=True)
class Boundaries:
    """Where a range ends and the next one begins (n boundaries, n + 1 ranges), for the sides and for people."""

    values: Sequence[Any]
    labels: Sequence[str]


class Rows(Protocol):
    """One side of a comparison. A place is a slice of a range: ``(range + 1) * SLICES + slice``.

    Rows whose first key column is empty are in range -1. Both sides must give equal rows equal hashes.
    """

    def boundaries(self) -> Boundaries:
        """Boundaries that part the rows into about equal ranges."""
        ...

    def slices(self, boundaries: Boundaries) -> Mapping[int, Sum]:
        """The sum of each place that has rows."""
        ...

    def keys(self, boundaries: Boundaries, places: Collection[int]) -> Mapping[Key, Sum]:
        """The sum of each key in these places."""
        ...

    def columns(self, keys: Collection[Key]) -> Mapping[Key, Sequence[int]]:
        """For each of these keys the sum of the hashes of each compared column."""
        ...


class NoRows:
    """A side that is not there."""

    def boundaries(self) -> Boundaries:
        """None: all is one range."""
        return Boundaries((), ())

    def slices(self, boundaries: Boundaries) -> Mapping[int, Sum]:
        """No place has rows."""
        return {}

    def keys(self, boundaries: Boundaries, places: Collection[int]) -> Mapping[Key, Sum]:
        """There are no keys."""
        return {}

    def columns(self, keys: Collection[Key]) -> Mapping[Key, Sequence[int]]:
        """There are no keys."""
        return {}


class DifferenceKind(StrEnum):
    """How a key differs; ``multiplicity``: both sides have it, one more often."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    MULTIPLICITY = "multiplicity"


@dataclass(frozen=True)
class Difference:
    """A key whose rows differ; ``columns`` names those that do, for rows that are ``different``."""

    key: Mapping[str, Any]
    kind: DifferenceKind
    rows_source: int
    rows_target: int
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class Range:
    """Rows whose first key column is at least ``low`` and below ``high`` (None: no limit), or empty (``nulls``)."""

    low: str | None
    high: str | None
    nulls: bool
    rows_source: int
    rows_target: int
    hash_source: str
    hash_target: str

    @property
    def equal(self) -> bool:
        """Whether both sides have the same rows."""
        return (self.rows_source, self.hash_source) == (self.rows_target, self.hash_target)


@dataclass(frozen=True)
class Findings:
    """What a comparison found. ``total`` is None where not all that differs was looked into."""

    ranges: Sequence[Range]
    differences: Sequence[Difference]
    total: int | None

    @property
    def equal(self) -> bool:
        """Whether both sides have the same rows, each as often."""
        return all(each.equal for each in self.ranges)


@dataclass(frozen=True)
class Reconciliation:
    """A pipeline's source beside its target. ``notes`` say what the figures alone would not.

    ``in_sync``: every row of the source is in the target as often as in the source, and nothing else is.
    """

    source: str
    target: str
    key_columns: Sequence[str]
    columns: Sequence[str]
    findings: Findings
    in_sync: bool
    notes: Sequence[str]
    checked_at: datetime
    seconds: float

    @property
    def rows_source(self) -> int:
        """Rows that the query gives."""
        return sum(each.rows_source for each in self.findings.ranges)

    @property
    def rows_target(self) -> int:
        """Rows that the target has."""
        return sum(each.rows_target for each in self.findings.ranges)

    @property
    def truncated(self) -> bool:
        """Whether there are more differences than are listed."""
        return self.findings.total != len(self.findings.differences)

    def as_json(self) -> dict[str, Any]:
        """The form that the REST API prints."""
        return {
            "source": self.source,
            "target": self.target,
            "in_sync": self.in_sync,
            "rows_source": self.rows_source,
            "rows_target": self.rows_target,
            "key_columns": list(self.key_columns),
            "columns": list(self.columns),
            "ranges": [{**asdict(each), "equal": each.equal} for each in self.findings.ranges],
            "differences": [
                {**asdict(each), "kind": str(each.kind), "columns": list(each.columns)}
                for each in self.findings.differences
            ],
            "differences_total": self.findings.total,
            "truncated": self.truncated,
            "notes": list(self.notes),
            "checked_at": self.checked_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "seconds": round(self.seconds, 3),
        }


def compare(source: Rows, target: Rows, keys: Sequence[str], columns: Sequence[str]) -> Findings:
    """Compare two sides by the given key and columns; the ranges are those of the source."""
    boundaries = source.boundaries()
    mine, theirs = source.slices(boundaries), target.slices(boundaries)
    differing = sorted(place for place in mine.keys() | theirs.keys() if mine.get(place) != theirs.get(place))
    looked_into = _affordable(differing, mine, theirs)
    differences: list[Difference] = []
    if looked_into:
        differences = _differences(source.keys(boundaries, looked_into), target.keys(boundaries, looked_into), keys)
    listed = _with_columns(differences[:MAX_DIFFERENCES], source, target, keys, columns)
    total = len(differences) if len(looked_into) == len(differing) else None
    return Findings(_ranges(boundaries, mine, theirs), listed, total)


def _ranges(boundaries: Boundaries, mine: Mapping[int, Sum], theirs: Mapping[int, Sum]) -> list[Range]:
    ends = [None, *(label[:MAX_LABEL] for label in boundaries.labels), None]
    source, target = _by_range(mine), _by_range(theirs)
    made = []
    for number in sorted(source.keys() | target.keys()):
        a, b = source.get(number, Sum()), target.get(number, Sum())
        nulls = number < 0
        low, high = (None, None) if nulls else (ends[number], ends[number + 1])
        made.append(Range(low, high, nulls, a.rows, b.rows, f"{a.hash:x}", f"{b.hash:x}"))
    return made


def _by_range(places: Mapping[int, Sum]) -> dict[int, Sum]:
    ranges: dict[int, Sum] = {}
    for place, each in places.items():
        number = place // SLICES - 1
        ranges[number] = ranges.get(number, Sum()) + each
    return ranges


def _affordable(differing: Sequence[int], mine: Mapping[int, Sum], theirs: Mapping[int, Sum]) -> Sequence[int]:
    """The first places with at most ``MAX_LOOKED_INTO`` rows on a side; one at least."""
    rows = 0
    for count, place in enumerate(differing):
        rows += max(mine.get(place, Sum()).rows, theirs.get(place, Sum()).rows)
        if rows > MAX_LOOKED_INTO:
            return differing[: max(count, 1)]
    return differing


def _differences(mine: Mapping[Key, Sum], theirs: Mapping[Key, Sum], names: Sequence[str]) -> list[Difference]:
    differing = [key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)]
    made = []
    for key in sorted(differing, key=_order):
        a, b = mine.get(key, Sum()).rows, theirs.get(key, Sum()).rows
        made.append(Difference(dict(zip(names, key, strict=True)), _kind(a, b), a, b))
    return made


def _kind(rows_source: int, rows_target: int) -> DifferenceKind:
    if not rows_target:
        return DifferenceKind.MISSING
    if not rows_source:
        return DifferenceKind.EXTRA
    return DifferenceKind.DIFFERENT if rows_source == rows_target else DifferenceKind.MULTIPLICITY


def _order(key: Key) -> list[tuple[int, float, str]]:
    """Numbers by their size, also those that come as text; then texts; empty values last."""
    return [_order_of_value(value) for value in key]


def _order_of_value(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 2, 0.0, ""
    try:
        return 0, float(value), str(value)
    except (TypeError, ValueError, OverflowError):
        return 1, 0.0, str(value)


def _with_columns(
    differences: Sequence[Difference], source: Rows, target: Rows, keys: Sequence[str], columns: Sequence[str]
) -> list[Difference]:
    """The differences, those of one and the same key with the columns that differ.

    Where the values of every column are the same and only stand in other rows of the key, all columns are named.
    """
    wanted = [tuple(each.key.values()) for each in differences if each.kind is DifferenceKind.DIFFERENT]
    if not wanted:
        return list(differences)
    mine, theirs = source.columns(wanted), target.columns(wanted)
    others = [name for name in columns if name not in keys]

    def named(difference: Difference) -> Difference:
        if difference.kind is not DifferenceKind.DIFFERENT:
            return difference
        key = tuple(difference.key.values())
        pairs = zip(columns, mine[key], theirs[key], strict=True)
        names = [name for name, left, right in pairs if left != right]
        return replace(difference, columns=tuple(names or others))

    return [named(each) for each in differences]
