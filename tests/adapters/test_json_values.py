"""Arrow values on their way to JSON and back lose no digit."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.adapters.json_values import exact_number, exact_object, json_column, json_rows, json_value


class TestNumbers:
    @given(st.decimals(allow_nan=False, allow_infinity=False))
    def test_read_from_json_are_the_same_number_or_their_text(self, number: Decimal) -> None:
        text = format(number, "f")
        assert Decimal(str(exact_number(text))) == number

    @given(st.integers())
    def test_whole_numbers_beyond_2_53_travel_as_text(self, number: int) -> None:
        assert int(json_value(number)) == number
        assert isinstance(json_value(number), str) == (abs(number) >= 2**53)

    def test_a_single_precision_number_keeps_its_shortest_form(self) -> None:
        assert json_column(pa.array([0.1, None, 16777216.0], pa.float32())) == [0.1, None, 16777216.0]

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_what_json_does_not_have_is_null(self, value: float) -> None:
        assert json_column(pa.array([value])) == [None]

    def test_of_objects_keep_their_digits(self) -> None:
        text = '{"a": 123456789012345678.123456789, "b": 0.1, "c": 9007199254740993, "d": 7}'
        read = json.loads(text, parse_float=exact_number, parse_int=exact_number)
        assert read == {"a": "123456789012345678.123456789", "b": 0.1, "c": "9007199254740993", "d": 7}

    def test_of_more_digits_than_python_reads_are_their_text(self) -> None:
        assert exact_object('{"far": ' + "7" * 5000 + "}") == {"far": "7" * 5000}


def test_days_that_python_has_no_form_for_are_iso_text_wherever_they_stand() -> None:
    moment = 253_402_300_800_000_005
    days = pa.array([0, 2_932_897, None, -719_163], pa.int32()).cast(pa.date32())
    moments = pa.array([moment], pa.int64()).cast(pa.timestamp("us", "UTC"))

    assert json_column(days) == ["1970-01-01", "10000-01-01", None, "0000-12-31"]
    nested = pa.StructArray.from_arrays([pa.ListArray.from_arrays([0, 1], moments)], ["at"])
    assert json_rows(pa.record_batch({"n": nested})) == [{"n": {"at": ["10000-01-01T00:00:00.000005Z"]}}]
