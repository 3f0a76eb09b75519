"""Ranks of cursors are in order as the cursors are."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.copies.ranks import ranks, text_ranks

LONG = 10**37
TYPED: dict[pa.DataType, Sequence[Any]] = {
    pa.int16(): [None, -(2**15), -1, 0, 1, 2**15 - 1],
    pa.int64(): [None, -(2**63), -(2**53) - 1, -(2**53), -1, 0, 2**53, 2**53 + 1, 2**63 - 1],
    pa.uint64(): [None, 0, 2**63 - 1, 2**63, 2**64 - 1],
    pa.float32(): [None, -1.5, 0.0, 1.5],
    pa.float64(): [None, float("-inf"), -1e300, -1e-300, 0.0, 5e-324, 1.0, 1 + 2**-52, float("inf")],
    pa.decimal128(38, 0): [None, *map(Decimal, (-LONG - 1, -LONG, -1, 0, 2**64 - 1, 2**64, LONG, LONG + 1))],
    pa.decimal128(20, 3): [None, *map(Decimal, ("-1.5", "-0.001", "0", "0.001", "1.5"))],
    pa.date32(): [None, date.min, date(1969, 12, 31), date(2025, 1, 1), date.max],
    pa.timestamp("us"): [None, datetime(1, 1, 1), datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 0, 0, 1)],
    pa.timestamp("us", tz="UTC"): [None, datetime(1960, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)],
}
IN_TEXT = [
    None, "-Infinity", f"-{10**49 + 1}", f"-{10**49}", "-1.5", "-1e-3000", "0", "1e-3000", "0.999", "1", "1.0000001",
    "9", "10", f"{10**49}", f"{10**49 + 1}", f"{10**64 + 1}.5", "1e100000", "NaN",
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPED, ids=str)
def test_are_those_of_the_values(kind: pa.DataType) -> None:
    column = pa.array([*TYPED[kind], *TYPED[kind]], kind)
    assert places(ranks(column).tolist()) == [*range(len(TYPED[kind]))] * 2
    later = column.slice(2)
    assert ranks(later).tolist() == ranks(column).tolist()[2:]


def test_are_those_of_numbers_in_text() -> None:
    assert places(text_ranks(pa.array(IN_TEXT)).tolist()) == [*range(len(IN_TEXT))]


def test_are_equal_for_equal_values() -> None:
    assert len(set(ranks(pa.array([0.0, -0.0])).tolist())) == 1
    assert len(set(ranks(pa.array([float("nan"), float("inf")])).tolist())) == 1
    assert len(set(text_ranks(pa.array(["1.5", "1.50", "01.5"])).tolist())) == 1
    assert set(ranks(pa.nulls(2, pa.decimal128(5))).tolist()) == {b""}


def places(found: list[bytes]) -> list[int]:
    """Each one's place among the different ones."""
    order = sorted(set(found))
    return [order.index(each) for each in found]
