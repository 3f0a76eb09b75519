import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from dataops_defs.adapters.reconciliation.session import Deadline
from dataops_defs.adapters.reconciliation.streamed_rows import StreamedRows
from dataops_defs.domain.reconciliation import Difference, DifferenceKind, Findings, compare
from dataops_defs.errors import SourceError

COLUMNS = ("id", "value")


@dataclass
class Given:
    """Rows in batches of a thousand; remembers which columns were read, pass by pass."""

    rows: Sequence[dict[str, Any]]
    passes: list[tuple[str, ...]]
    pause: float = 0

    def __call__(self, names: Sequence[str]) -> Iterator[Sequence[dict[str, Any]]]:
        self.passes.append(tuple(names))
        for first in range(0, len(self.rows), 1000):
            time.sleep(self.pause)
            yield [
                {name: value for name, value in row.items() if name in names} for row in self.rows[first : first + 1000]
            ]


def streamed(rows: Sequence[dict[str, Any]], *, seconds: float = 60, pause: float = 0) -> StreamedRows:
    return StreamedRows(Given(rows, [], pause), COLUMNS, ("id",), Deadline(seconds))


def values(*given: Any) -> list[dict[str, Any]]:
    return [{"id": number, "value": value} for number, value in enumerate(given)]


def found(source: Sequence[dict[str, Any]], target: Sequence[dict[str, Any]]) -> Findings:
    return compare(streamed(source), streamed(target), ["id"], COLUMNS)


def test_numbers_are_equal_by_their_value() -> None:
    assert found(
        values(Decimal("1.0"), Decimal("1.50"), Decimal("1E+2"), {"a": [Decimal("2.0")]}, Decimal("-0.0")),
        values(1, Decimal("1.5"), 100, {"a": [2]}, 0),
    ).equal


def test_other_values_are_not() -> None:
    pairs = [
        (None, ""),
        (1, "1"),
        (True, 1),
        (Decimal("1.5"), "1.5"),
        ([1], [1, None]),
        ({"a": 1}, {"a": 2}),
        (2**70, 2**70 + 1),
        (Decimal("0." + "1" * 40), Decimal("0." + "1" * 39)),
        ("é", "e\u0301"),
    ]
    findings = found(values(*(a for a, _ in pairs)), values(*(b for _, b in pairs)))
    assert [each.columns for each in findings.differences] == [("value",)] * len(pairs)


def test_the_order_of_fields_does_not_count_and_a_field_left_out_is_empty() -> None:
    assert found([{"id": 1, "value": {"a": 1, "b": 2}}], [{"value": {"b": 2, "a": 1}, "id": 1}]).equal
    assert found([{"id": 1, "value": None}], [{"id": 1}]).equal


def test_ranges_are_about_equal_whatever_the_order_and_number_of_rows() -> None:
    rows = [{"id": number, "value": None} for number in range(20_000)]
    ranges = found(rows, rows[::-1]).ranges
    assert len(ranges) == 16
    assert all(each.equal and 800 < each.rows_source < 1700 for each in ranges)


def test_keys_of_several_kinds_have_an_order() -> None:
    keys = ["b", 3, "a", Decimal("2.5"), None, True, [1], 2**70]
    findings = found([{"id": key} for key in keys], [{"id": key} for key in keys if key != 3])
    assert findings.differences == [Difference({"id": 3}, DifferenceKind.MISSING, 1, 0)]


def test_what_is_in_sync_is_read_twice_and_first_the_key_alone() -> None:
    source, target = streamed(values(1, 2)), streamed(values(1, 2))
    assert compare(source, target, ["id"], COLUMNS).equal
    assert source.read.passes == [("id",), COLUMNS]  # type: ignore[attr-defined]
    assert target.read.passes == [COLUMNS]  # type: ignore[attr-defined]


def test_reading_ends_when_the_time_is_over() -> None:
    endless = streamed(values(*range(100_000)), seconds=0.1, pause=0.01)
    with pytest.raises(SourceError, match=r"took longer than 0\.1 s"):
        compare(endless, endless, ["id"], COLUMNS)
