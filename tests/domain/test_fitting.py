from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.fitting import cannot_store, fit


class TestFittingLosesNothing:
    @pytest.mark.parametrize(
        ("value", "column", "expected"),
        [
            (42, "text", "42"),
            (True, "text", "true"),
            ("42", "bigint", 42),
            (4.0, "bigint", 4),
            (4.5, "bigint", 4.5),
            ("5.00", "bigint", 5),
            ("-5.0", "bigint", -5),
            ("5.01", "bigint", "5.01"),
            ("5.", "bigint", "5."),
            ("12:00:00", "time", "12:00:00Z"),
            ("12:00", "time", "12:00:00Z"),
            ("12:00:00.5+02", "time", "12:00:00.5+02:00"),
            ("12:00:00-0330", "time", "12:00:00-03:30"),
            ("12:00:00Z", "time", "12:00:00Z"),
            ("noon", "time", "noon"),
            ("12.30", "numeric", 12.3),
            ("TRUE", "boolean", True),
            ("2013-01-01T00:00:00Z", "date", "2013-01-01"),
            ("2013-01-01T05:00:00Z", "date", "2013-01-01T05:00:00Z"),
            ("2013-01-01", "timestamp with time zone", "2013-01-01T00:00:00Z"),
            ("2013-01-01 05:06:07", "timestamp with time zone", "2013-01-01T05:06:07Z"),
            ("twelve", "bigint", "twelve"),
            (None, "text", None),
        ],
    )
    def test_values_that_mean_the_same_are_converted_others_left(self, value: Any, column: str, expected: Any) -> None:
        assert list(fit([value], column)) == [expected]

    @given(st.lists(st.one_of(st.none(), st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False))))
    def test_the_number_of_values_and_the_nulls_stay(self, values: list[Any]) -> None:
        for column in ("text", "bigint", "numeric", "boolean", "date", "timestamp with time zone", "time", "jsonb"):
            fitted = fit(values, column)
            assert [each is None for each in fitted] == [each is None for each in values]

    @given(st.integers())
    def test_whole_numbers_survive_the_way_through_text(self, number: int) -> None:
        if abs(number) < 10**19:
            assert list(fit(fit([number], "text"), "bigint")) == [number]


class TestWhatPostgresCannotHold:
    def test_numbers_beyond_64_bits_and_days_that_are_none(self) -> None:
        assert cannot_store(2**63, "bigint")
        assert cannot_store("0000-01-01", "date")
        assert cannot_store("2013-13-01T00:00:00Z", "timestamp with time zone")

    def test_ordinary_values_pass(self) -> None:
        assert cannot_store(2**63 - 1, "bigint") is None
        assert cannot_store("2013-12-31", "date") is None
        assert cannot_store("2013-12-31T23:59:59.123Z", "timestamp with time zone") is None
