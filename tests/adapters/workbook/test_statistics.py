"""What the summary says of a column, counted batch by batch."""

import math
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.workbook.statistics import MOST_DISTINCT, ColumnStatistics, statistics_of


def counted(*batches: Any, kind: pa.DataType | None = None) -> ColumnStatistics:
    found = ColumnStatistics()
    for each in batches:
        found.add(pa.array(each, kind))
    return found


class TestNumbers:
    def test_are_counted_ordered_and_added_up_over_all_batches(self) -> None:
        found = counted([3, None, 1], [5, 3])

        assert (found.filled, found.empty, found.distinct) == (4, 1, 3)
        assert (found.low, found.high, found.sum, found.mean) == (1, 5, 12, 3.0)

    def test_sums_of_whole_numbers_are_exact_beyond_64_bits(self) -> None:
        assert counted([2**62] * 5, [7]).sum == 5 * 2**62 + 7
        assert counted([2**64 - 1, 2**64 - 1], kind=pa.uint64()).sum == 2**65 - 2

    @pytest.mark.parametrize("precision", [20, 38])
    def test_sums_of_decimals_are_exact(self, precision: int) -> None:
        assert counted([Decimal("0.10")] * 3, kind=pa.decimal128(precision, 2)).sum == Decimal("0.30")

    def test_nan_and_infinities_are_filled_and_nothing_else(self) -> None:
        found = counted([1.5, math.nan, math.inf, None], [math.nan])

        assert (found.filled, found.empty, found.distinct) == (4, 1, 3)
        assert (found.low, found.high, found.sum, found.mean) == (1.5, 1.5, 1.5, 1.5)
        assert found.endless == 3

    def test_doubles_that_run_over_together_are_added_up_all_the_same(self) -> None:
        found = counted([1e308] * 3, [-1e308] * 3, [2.0])

        assert (found.sum, found.mean) == (2.0, 2.0 / 7)
        beyond = counted([1e308] * 3)
        assert (beyond.sum, beyond.mean) == (math.inf, 1e308)
        assert counted([-1e308] * 3).sum == -math.inf

    def test_narrow_floats_are_what_was_written(self) -> None:
        found = counted([0.1, 0.1], [0.3], kind=pa.float32())

        assert (found.low, found.high, found.sum, found.mean) == (0.1, 0.3, 0.5, 0.5 / 3)

    def test_a_column_of_nan_only_has_no_sum(self) -> None:
        found = counted([math.nan])

        assert (found.low, found.sum, found.mean) == (None, None, None)


class TestOtherTypes:
    def test_days_and_texts_have_an_order_but_no_sum(self) -> None:
        days, texts = counted([date(2024, 1, 2), date(2023, 1, 1)]), counted(["b", "a", "b"])

        assert (days.low, days.high, days.sum) == (date(2023, 1, 1), date(2024, 1, 2), None)
        assert (texts.low, texts.high, texts.distinct, texts.mean) == ("a", "b", 2, None)

    def test_nested_values_and_bytes_are_counted_only(self) -> None:
        nested, raw = counted([[1], None]), counted([b"a", b"a"])

        assert (nested.filled, nested.empty, nested.distinct, nested.low) == (1, 1, None, None)
        assert (raw.filled, raw.distinct, raw.low) == (2, 1, None)

    def test_nothing_at_all(self) -> None:
        found = counted([None, None], kind=pa.int64())

        assert (found.filled, found.empty, found.distinct, found.low, found.sum) == (0, 2, 0, None, None)


class TestDistinctValues:
    def test_are_exact_up_to_a_limit_and_then_not_told(self) -> None:
        assert counted(range(MOST_DISTINCT)).distinct == MOST_DISTINCT
        assert counted(range(MOST_DISTINCT + 1)).distinct is None
        assert counted(range(MOST_DISTINCT), [-1]).distinct is None

    def test_of_wide_tables_fewer_are_kept(self) -> None:
        narrow, wide = (
            statistics_of(pa.schema([(str(n), pa.int64()) for n in range(columns)])) for columns in (5, 1600)
        )

        assert narrow[0].most_distinct == MOST_DISTINCT
        assert sum(each.most_distinct for each in wide) <= 200_000
