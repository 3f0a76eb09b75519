"""Values of every type arrive in cells as what they are, or as text where Excel would show another value."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.workbook.provenance_sheet import notes_on
from dataops_defs.adapters.workbook.texts import Changes, fitted
from tests.adapters.workbook.books import as_excel_reads, poured

MOMENT = datetime(2024, 6, 30, 11, 5, 7, 123000)


class TestNumbers:
    def test_whole_numbers_are_numbers_up_to_15_digits(self) -> None:
        made = poured({"n": pa.array([0, -1, 999_999_999_999_999, -999_999_999_999_999, None, 10**15, -(2**63)])})

        assert made.column() == [0, -1, 10**15 - 1, 1 - 10**15, None, "1000000000000000", "-9223372036854775808"]
        assert made.poured.told["n"][0] == 2

    def test_unsigned_ones_too(self) -> None:
        assert poured({"n": pa.array([1, 2**64 - 1], pa.uint64())}).column() == [1, "18446744073709551615"]

    def test_decimals_keep_their_digits(self) -> None:
        values = [Decimal("0.10"), Decimal("-12345678901234.50"), None, Decimal("123456789012345.67")]
        made = poured({"n": pa.array(values, pa.decimal128(20, 2))})

        assert made.column() == [0.1, -12345678901234.5, None, "123456789012345.67"]
        assert made.sheet["A2"].number_format == "#,##0.00"

    def test_ratios_are_numbers_rounded_to_what_excel_keeps(self) -> None:
        values = [
            Decimal("0.5"),
            Decimal("0.33333333333333333333"),
            None,
            Decimal("-12345678901.66666666"),
            Decimal("1e-20"),
        ]
        made = poured({"n": pa.array(values, pa.decimal128(38, 20))})

        assert made.column() == [0.5, 0.333333333333333, None, -12345678901.6667, 1e-20]
        assert made.poured.told["n"] == (0, Changes(rounded=2))
        assert notes_on(made.poured) == [
            "2 numbers of column 'n' of 'Data' are rounded to 15 digits: Excel keeps no more"
        ]

    def test_no_cent_and_no_whole_digit_is_rounded_away(self) -> None:
        values = [Decimal("12345678901234.567"), Decimal("1234567890123.4567"), Decimal("12345678901234567.5")]
        made = poured({"n": pa.array(values, pa.decimal128(30, 4))})

        assert made.column() == ["12345678901234.5670", 1234567890123.46, "12345678901234567.5000"]
        assert made.poured.told["n"] == (2, Changes(rounded=1))

    def test_zeros_at_the_end_are_no_digits(self) -> None:
        values = [Decimal("123456789012345.00000"), Decimal("0.000000000000000001")]
        assert poured({"n": pa.array(values[:1], pa.decimal128(30, 5))}).column() == [123456789012345]
        assert poured({"n": pa.array(values[1:], pa.decimal128(30, 18))}).column() == [1e-18]

    def test_floats_are_the_same_doubles(self) -> None:
        values = [0.1 + 0.2, -1.5, 1e300, 2.2250738585072014e-308]
        assert poured({"n": pa.array(values)}).column() == values

    def test_what_is_no_number_is_text(self) -> None:
        values = [math.nan, math.inf, -math.inf, 1.7e308, 5e-324]
        made = poured({"n": pa.array(values)})

        assert made.column() == ["NaN", "Infinity", "-Infinity", "1.7e+308", "5e-324"]
        assert made.poured.told["n"][0] == 5

    def test_a_narrow_float_is_as_short_as_it_was_written(self) -> None:
        assert poured({"n": pa.array([0.1], pa.float32())}).column() == [0.1]

    def test_ids_and_years_are_shown_without_separators(self) -> None:
        made = poured({"customer_id": [12345], "year": [2024], "orders": [12345]})

        assert [made.sheet[f"{each}2"].number_format for each in "ABC"] == ["0", "0", "#,##0"]


class TestTimes:
    def test_dates_and_moments_have_a_format(self) -> None:
        made = poured(
            {
                "day": pa.array([date(2024, 2, 29)]),
                "at": pa.array([datetime(2024, 6, 30, 11, 5, 7)], pa.timestamp("us")),
                "fine": pa.array([MOMENT], pa.timestamp("us")),
            }
        )

        assert [each.value for each in made.sheet[2]] == [
            datetime(2024, 2, 29),
            datetime(2024, 6, 30, 11, 5, 7),
            MOMENT,
        ]
        shown = [each.number_format for each in made.sheet[2]]
        assert shown == ["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd hh:mm:ss.000"]

    @pytest.mark.parametrize("year", [1950, 2024])
    def test_moments_are_never_shown_later_than_they_are(self, year: int) -> None:
        last = datetime(year, 12, 31, 23, 59, 59, 999_600)
        made = poured({"at": pa.array([last], pa.timestamp("us"))})

        assert made.column() == [datetime(year, 12, 31, 23, 59, 59, 999_000)]
        assert notes_on(made.poured) == [
            "1 time of column 'at' of 'Data' is cut to milliseconds: Excel shows nothing finer"
        ]

    def test_times_of_day_and_spans_are_cut_too(self) -> None:
        values = {"clock": [time(23, 59, 59, 999_600)], "late": [timedelta(seconds=1, microseconds=999_600)]}
        made = poured(values)

        assert [each.value for each in made.sheet[2]] == [time(23, 59, 59, 999_000), timedelta(seconds=1.999)]
        assert [each.finer for _, each in made.poured.told.values()] == [1, 1]

    def test_parts_of_seconds_that_come_after_the_first_rows_are_told(self) -> None:
        whole, part = datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 0, 0, 700_000)
        made = poured({"at": pa.array([whole] * 500 + [None, part], pa.timestamp("us"))})

        assert made.column()[500:] == [None, part]
        assert notes_on(made.poured) == [
            "1 time of column 'at' of 'Data' is shown rounded to seconds: the first rows have no parts of seconds"
        ]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_moments_of_every_unit(self, unit: str) -> None:
        moment = datetime(2024, 6, 30, 11, 5, 7)
        assert poured({"at": pa.array([moment], pa.timestamp(unit))}).column() == [moment]

    def test_a_time_zone_becomes_utc_and_the_title_says_so(self) -> None:
        noon = datetime(2024, 6, 30, 12, 0, tzinfo=UTC)
        made = poured({"at": pa.array([noon]).cast(pa.timestamp("us", "America/New_York"))})

        assert made.sheet["A1"].value == "at (UTC)"
        assert made.column() == [datetime(2024, 6, 30, 12, 0)]

    def test_days_that_excel_counts_wrongly_or_not_at_all_are_text(self) -> None:
        days = [date(1900, 2, 28), date(1900, 3, 1), date(9999, 12, 31), date(1, 1, 1)]
        made = poured({"day": pa.array(days)})

        assert made.column() == ["1900-02-28", datetime(1900, 3, 1), datetime(9999, 12, 31), "0001-01-01"]

    def test_days_after_the_last_one_too(self) -> None:
        assert poured({"day": pa.array([2_932_897], pa.int32()).cast(pa.date32())}).column() == ["10000-01-01"]

    def test_times_of_day_and_spans(self) -> None:
        made = poured(
            {
                "t": pa.array([time(13, 14, 15)], pa.time64("us")),
                "span": pa.array([timedelta(hours=49, seconds=1)], pa.duration("us")),
                "back": pa.array([timedelta(seconds=-90, milliseconds=-500)], pa.duration("ms")),
            }
        )

        assert [each.value for each in made.sheet[2]] == [
            time(13, 14, 15),
            timedelta(hours=49, seconds=1),
            "-00:01:30.5",
        ]
        assert made.sheet["B2"].number_format == "[h]:mm:ss"


class TestOtherTypes:
    def test_yes_and_no(self) -> None:
        assert poured({"b": pa.array([True, None, False])}).column() == [True, None, False]

    def test_nested_values_are_json_and_bytes_base64(self) -> None:
        made = poured(
            {
                "list": pa.array([[1, None], None]),
                "map": pa.array([{"a": Decimal("1.10"), "b": "ü"}, None]),
                "bytes": pa.array([b"\x00\xff", None]),
                "word": pa.array(["a", None]).dictionary_encode(),
                "none": pa.nulls(2),
            }
        )

        assert [each.value for each in made.sheet[2]] == ["[1, null]", '{"a": "1.10", "b": "ü"}', "AP8=", "a", None]
        assert [each.value for each in made.sheet[3]] == [None] * 5

    def test_absent_and_empty_are_not_the_same(self) -> None:
        made = poured({"a": ["", None], "b": ["x", "x"]})

        assert '<c r="A2"' in made.xml("xl/worksheets/sheet1.xml")
        assert '<c r="A3"' not in made.xml("xl/worksheets/sheet1.xml")


FINITE = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, min_value=-1e300, max_value=1e300)
# Excel shows milliseconds, and openpyxl reads no more of a moment.
MOMENTS = st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 31)).map(
    lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000)
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
COLUMNS: dict[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "whole": (st.integers(-(10**15) + 1, 10**15 - 1), pa.int64()),
    "decimal": (
        st.integers(-(10**15) + 1, 10**15 - 1).map(lambda each: Decimal(each).scaleb(-4)),
        pa.decimal128(24, 4),
    ),
    "float": (FINITE, pa.float64()),
    "day": (st.dates(date(1900, 3, 1), date(9999, 12, 31)), pa.date32()),
    "at": (MOMENTS, pa.timestamp("us")),
    "yes": (st.booleans(), pa.bool_()),
    "text": (TEXTS, pa.string()),
}


@given(
    st.lists(
        st.fixed_dictionaries({name: st.none() | values for name, (values, _) in COLUMNS.items()}),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=80, deadline=None)
def test_what_excel_can_hold_comes_back_the_same(rows: list[dict[str, Any]]) -> None:
    columns = {name: pa.array([each[name] for each in rows], kind) for name, (_, kind) in COLUMNS.items()}

    made = poured(columns)

    for number, row in enumerate(rows, 2):
        found = [made.sheet.cell(number, place).value for place in range(1, len(COLUMNS) + 1)]
        expected = [expected_value(row[name]) for name in COLUMNS]
        assert [as_excel_reads(each) if isinstance(each, str) else each for each in found] == expected


def expected_value(value: Any) -> Any:
    """As openpyxl gives it: numbers as the doubles they are in a workbook, days as moments."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Decimal | int):
        return float(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str):
        return fitted(value, Changes())
    return value
