"""One side of a comparison that can only be read through: each pass keeps sums, never the rows."""

import heapq
import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from hashlib import md5
from typing import Any, TypeVar

import orjson

from dataops_defs.adapters.reconciliation.session import Deadline
from dataops_defs.domain.reconciliation import RANGES, SLICES, Boundaries, Key, Sum

SAMPLED_KEYS = 4096
_ALL_DIGITS = Context(prec=100_000)
Thing = TypeVar("Thing", bound=Hashable)
Row = Mapping[str, Any]
Read = Callable[[Sequence[str]], Iterator[Sequence[Row]]]
"""Reads these columns of all rows, in batches of JSON values; fractions are decimals."""


@dataclass(frozen=True)
class StreamedRows:
    """Rows as JSON values; a column that a row lacks is empty. The first key makes the ranges."""

    read: Read
    column_names: Sequence[str]
    key_names: Sequence[str]
    deadline: Deadline

    def boundaries(self) -> Boundaries:
        """The first keys that part the rows into about equal ranges, found in a sample that the keys' hashes draw."""
        sample: list[tuple[int, tuple[int, Any], str]] = []
        for row in self._rows(self.key_names):
            key = self._key(row)
            if key[0] is None:
                continue
            drawn = (-_hash(key), _order(key[0]), str(key[0]))
            if len(sample) < SAMPLED_KEYS:
                heapq.heappush(sample, drawn)
            elif drawn > sample[0]:
                heapq.heapreplace(sample, drawn)
        found = sorted((order, label) for _, order, label in sample)
        chosen = {found[len(found) * number // RANGES] for number in range(1, RANGES)} if found else set()
        return Boundaries([order for order, _ in sorted(chosen)], [label for _, label in sorted(chosen)])

    def slices(self, boundaries: Boundaries) -> Mapping[int, Sum]:
        """The sum of each place that has rows."""
        found: dict[int, list[int]] = {}
        for row in self._rows(self.column_names):
            _add(found, _place(self._key(row), boundaries), self._whole(row))
        return _sums(found)

    def keys(self, boundaries: Boundaries, places: Collection[int]) -> Mapping[Key, Sum]:
        """The sum of each key in these places."""
        found: dict[Key, list[int]] = {}
        wanted = set(places)
        for row in self._rows(self.column_names):
            key = self._key(row)
            if _place(key, boundaries) in wanted:
                _add(found, key, self._whole(row))
        return _sums(found)

    def columns(self, keys: Collection[Key]) -> Mapping[Key, Sequence[int]]:
        """For each of these keys the sum of the hashes of each compared column."""
        found = {key: [0] * len(self.column_names) for key in keys}
        for row in self._rows(self.column_names):
            sums = found.get(self._key(row))
            if sums is not None:
                for index, name in enumerate(self.column_names):
                    sums[index] += _hash([row.get(name)])
        return found

    def _rows(self, names: Sequence[str]) -> Iterator[Row]:
        for batch in self.read(names):
            self.deadline.left()
            yield from batch

    def _key(self, row: Row) -> Key:
        return tuple(_key_value(row.get(name)) for name in self.key_names)

    def _whole(self, row: Row) -> int:
        return _hash([row.get(name) for name in self.column_names])


def _add(found: dict[Thing, list[int]], to: Thing, hash: int) -> None:
    entry = found.setdefault(to, [0, 0])
    entry[0] += 1
    entry[1] += hash


def _sums(found: Mapping[Thing, list[int]]) -> dict[Thing, Sum]:
    return {each: Sum(rows, total) for each, (rows, total) in found.items()}


def _place(key: Key, boundaries: Boundaries) -> int:
    number = -1 if key[0] is None else bisect_right(boundaries.values, _order(key[0]))
    return (number + 1) * SLICES + _hash(key) % SLICES


def _order(value: Any) -> tuple[int, Any]:
    """Numbers before texts, so that any two values have an order."""
    return (1, value) if isinstance(value, str) else (0, value)


def _key_value(value: Any) -> Any:
    """A value as a part of a key: fractions, lists and objects as text."""
    if isinstance(value, Decimal):
        whole = _fraction(value)
        return whole if isinstance(whole, int) else format(_ALL_DIGITS.normalize(value), "f")
    return _text(value).decode() if isinstance(value, list | dict) else value


def _hash(values: Any) -> int:
    return int(md5(_text(values), usedforsecurity=False).hexdigest()[:15], 16)


def _text(values: Any) -> bytes:
    """One text for equal values."""
    try:
        return orjson.dumps(values, default=_fraction, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # whole numbers of more than 64 bits
        return json.dumps(values, default=_fraction, sort_keys=True, separators=(",", ":")).encode()


def _fraction(value: Decimal) -> int | dict[str, str]:
    """A decimal by its value: 1.50 is 1.5, 1.0 is 1."""
    if value == value.to_integral_value():
        return int(value)
    return {"": str(_ALL_DIGITS.normalize(value))}
