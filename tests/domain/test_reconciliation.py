from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

import pytest

from dataops_defs.domain import reconciliation
from dataops_defs.domain.reconciliation import (
    MAX_DIFFERENCES,
    SLICES,
    Boundaries,
    Difference,
    DifferenceKind,
    Findings,
    Key,
    NoRows,
    Range,
    Reconciliation,
    Sum,
    compare,
)

COLUMNS = ("id", "name", "rating")
MISSING, EXTRA, DIFFERENT, MULTIPLICITY = DifferenceKind


@dataclass
class Listed:
    """Rows in a list; their first column is the key, and a whole number. Remembers how many keys were asked for."""

    rows: Sequence[tuple[Any, ...]]
    given: int = 0

    def boundaries(self) -> Boundaries:
        return Boundaries([10, 20], ["10", "20"])

    def slices(self, boundaries: Boundaries) -> Mapping[int, Sum]:
        return self._sums((_place(row), row) for row in self.rows)

    def keys(self, boundaries: Boundaries, places: Collection[int]) -> Mapping[Key, Sum]:
        found = self._sums((row[:1], row) for row in self.rows if _place(row) in places)
        self.given += len(found)
        return found

    def columns(self, keys: Collection[Key]) -> Mapping[Key, Sequence[int]]:
        rows = {key: [row for row in self.rows if row[:1] == key] for key in keys}
        return {key: [sum(map(_hash, values)) for values in zip(*found, strict=True)] for key, found in rows.items()}

    def _sums(self, given: Any) -> dict[Any, Sum]:
        found: dict[Any, Sum] = {}
        for to, row in given:
            found[to] = found.get(to, Sum()) + Sum(1, _hash(row))
        return found


def _hash(value: Any) -> int:
    return int(md5(repr(value).encode()).hexdigest()[:15], 16)


def _place(row: tuple[Any, ...]) -> int:
    number = -1 if row[0] is None else sum(row[0] >= end for end in (10, 20))
    return (number + 1) * SLICES + _hash(row[0]) % SLICES


def films(count: int) -> list[tuple[Any, ...]]:
    return [(id, f"Film {id}", id / 10) for id in range(count)]


def found(source: Sequence[tuple[Any, ...]], target: Sequence[tuple[Any, ...]]) -> Findings:
    return compare(Listed(source), Listed(target), ["id"], COLUMNS)


class TestVerdict:
    def test_the_same_rows_in_any_order_are_equal(self) -> None:
        findings = found(films(30), films(30)[::-1])
        assert findings.equal
        assert findings.differences == []
        assert findings.total == 0

    def test_nothing_is_fetched_of_what_is_equal(self) -> None:
        source, target = Listed(films(1000)), Listed([*films(1000)[:-1], (999, "Remake", 99.9)])
        assert not compare(source, target, ["id"], COLUMNS).equal
        assert source.given < 100

    def test_as_many_rows_with_other_contents_are_not_equal(self) -> None:
        assert not found([(1, "a", 1), (2, "b", 2)], [(1, "b", 1), (2, "a", 2)]).equal

    def test_duplicates_count(self) -> None:
        once, twice = [(1, "a", 1), (2, "b", 2), (2, "b", 2)], [(1, "a", 1), (1, "a", 1), (2, "b", 2)]
        assert Counter(once).total() == Counter(twice).total()
        assert not found(once, twice).equal

    def test_pairs_of_duplicates_do_not_cancel_out(self) -> None:
        assert not found([(1, "a", 1)] * 2, [(1, "b", 1)] * 2).equal


class TestDifferences:
    def test_each_is_named_by_its_kind(self) -> None:
        source = [(1, "a", 1), (2, "b", 2), (3, "c", 3), (4, "d", 4), (4, "d", 4)]
        target = [(1, "a", 1), (3, "C", 3.5), (4, "d", 4), (11, "e", 5)]
        assert found(source, target).differences == [
            Difference({"id": 2}, MISSING, 1, 0),
            Difference({"id": 3}, DIFFERENT, 1, 1, ("name", "rating")),
            Difference({"id": 4}, MULTIPLICITY, 2, 1),
            Difference({"id": 11}, EXTRA, 0, 1),
        ]

    def test_values_that_only_changed_rows_within_a_key_name_all_columns(self) -> None:
        findings = found([(1, "a", 1), (1, "b", 2)], [(1, "a", 2), (1, "b", 1)])
        assert findings.differences == [Difference({"id": 1}, DIFFERENT, 2, 2, ("name", "rating"))]

    def test_they_come_in_the_order_of_their_keys_also_as_text(self) -> None:
        class InText(Listed):
            def keys(self, boundaries: Boundaries, places: Collection[int]) -> Mapping[Key, Sum]:
                return {
                    (None if key[0] is None else str(key[0]),): each
                    for key, each in super().keys(boundaries, places).items()
                }

        rows = [(each, "", 0) for each in (9, 10, None, -3, 100)]
        findings = compare(InText(rows), NoRows(), ["id"], COLUMNS)
        assert [each.key["id"] for each in findings.differences] == ["-3", "9", "10", "100", None]

    def test_a_hundred_are_listed_and_all_are_counted(self) -> None:
        findings = found(films(150), [])
        assert [each.key["id"] for each in findings.differences] == list(range(MAX_DIFFERENCES))
        assert findings.total == 150

    def test_what_would_cost_too_much_is_left_uncounted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconciliation, "MAX_LOOKED_INTO", 20)
        source = Listed(films(500))
        findings = compare(source, NoRows(), ["id"], COLUMNS)
        assert findings.total is None
        assert 0 < source.given <= 20
        assert sum(each.rows_source for each in findings.ranges) == 500

    def test_a_single_part_is_looked_into_whatever_it_costs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reconciliation, "MAX_LOOKED_INTO", 0)
        assert len(found([(1, "a", 1)], []).differences) == 1


class TestRanges:
    def test_each_has_its_ends_and_figures(self) -> None:
        shown = [
            (each.low, each.high, each.nulls, each.rows_source, each.rows_target, each.equal)
            for each in found([*films(25), (None, "x", 0)], films(12)).ranges
        ]
        assert shown == [
            (None, None, True, 1, 0, False),
            (None, "10", False, 10, 10, True),
            ("10", "20", False, 10, 2, False),
            ("20", None, False, 5, 0, False),
        ]

    def test_a_side_that_is_not_there_has_no_rows(self) -> None:
        findings = compare(NoRows(), Listed(films(3)), ["id"], COLUMNS)
        assert [(each.low, each.high, each.rows_source, each.rows_target) for each in findings.ranges] == [
            (None, None, 0, 3)
        ]
        assert {each.kind for each in findings.differences} == {EXTRA}


def test_a_reconciliation_is_printed_with_its_figures() -> None:
    findings = Findings(
        [Range(None, "5", False, 4, 4, "a1", "a1"), Range("5", None, False, 3, 2, "b2", "b1")],
        [Difference({"id": 6}, MISSING, 1, 0)],
        None,
    )
    when = datetime(2026, 11, 21, 12, 0, 0, 1500, UTC)
    made = Reconciliation(
        "the warehouse", "analytics.film_dim", ["id"], ["id", "name"], findings, False, ["n"], when, 1.23456
    )
    assert made.as_json() == {
        "source": "the warehouse",
        "target": "analytics.film_dim",
        "in_sync": False,
        "rows_source": 7,
        "rows_target": 6,
        "key_columns": ["id"],
        "columns": ["id", "name"],
        "ranges": [
            {
                "low": low,
                "high": high,
                "nulls": False,
                "rows_source": a,
                "rows_target": b,
                "hash_source": left,
                "hash_target": right,
                "equal": equal,
            }
            for low, high, a, b, left, right, equal in (
                (None, "5", 4, 4, "a1", "a1", True),
                ("5", None, 3, 2, "b2", "b1", False),
            )
        ],
        "differences": [{"key": {"id": 6}, "kind": "missing", "rows_source": 1, "rows_target": 0, "columns": []}],
        "differences_total": None,
        "truncated": True,
        "notes": ["n"],
        "checked_at": "2026-11-21T12:00:00.001Z",
        "seconds": 1.235,
    }
