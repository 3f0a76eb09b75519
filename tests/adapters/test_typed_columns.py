"""What JSON shows of a value is taken back as it was, whatever its type; what does not fit is named."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dataops_defs.adapters.json_values import json_column
from dataops_defs.adapters.typed_columns import typed_column

MOMENT = datetime(2024, 2, 29, 12, 30, 45, 123456)
COLUMNS: list[tuple[pa.DataType, list[Any]]] = [
    (pa.string(), ["a", "", "007", "\x00", None]),
    (pa.large_string(), ["a", None]),
    (pa.bool_(), [True, False, None]),
    (pa.int8(), [-128, 127]),
    (pa.int64(), [-(2**63), 2**63 - 1, 2**53 + 1, None]),
    (pa.uint64(), [2**64 - 1]),
    (pa.float64(), [0.1, -1e300, 5.0, None]),
    (pa.float32(), [0.5, None]),
    (pa.decimal128(38, 4), [Decimal("12345678901234567890.1234"), Decimal("-0.0001"), None]),
    (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None]),
    (pa.timestamp("us"), [MOMENT, None]),
    (pa.timestamp("us", "UTC"), [MOMENT.replace(tzinfo=UTC), None]),
    (pa.timestamp("us", "Europe/Berlin"), [MOMENT.replace(tzinfo=UTC)]),
    (pa.time64("us"), [time(23, 59, 59, 999999), None]),
    (pa.duration("ms"), [timedelta(seconds=1.5), None]),
    (pa.binary(), [b"\x00\xff", b"", None]),
    (pa.list_(pa.int64()), [[1, None], [], None]),
    (pa.list_(pa.decimal128(20, 2)), [[Decimal("1.20")]]),
    (
        pa.struct([("a", pa.string()), ("at", pa.timestamp("us", "UTC"))]),
        [{"a": "x", "at": MOMENT.replace(tzinfo=UTC)}],
    ),
]


@pytest.mark.parametrize(("kind", "values"), COLUMNS, ids=[str(kind) for kind, _ in COLUMNS])
def test_comes_back_as_it_was(kind: pa.DataType, values: list[Any]) -> None:
    column = pa.array(values, kind)

    assert typed_column(json_column(column), kind) == (column, {})


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        (pa.int64(), " +007 ", 7),
        (pa.int64(), "15.0", 15),
        (pa.string(), 12, "12"),
        (pa.string(), True, "true"),
        (pa.decimal128(10, 2), "+1.5", Decimal("1.50")),
        (pa.bool_(), "TRUE", True),
        (pa.date32(), "2024-02-29T00:00:00", date(2024, 2, 29)),
        (pa.timestamp("us", "UTC"), "2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        (pa.timestamp("us", "UTC"), "2024-02-29 12:00:00+02:00", datetime(2024, 2, 29, 10, tzinfo=UTC)),
        (pa.list_(pa.int64()), "[1, 2]", [1, 2]),
    ],
)
def test_takes_what_people_type(kind: pa.DataType, given: Any, meant: Any) -> None:
    column, bad = typed_column([given], kind)

    assert (column.to_pylist(), bad) == ([meant], {})


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (pa.int64(), "0x1F", "is no whole number"),
        (pa.int64(), "1.5", "is no whole number"),
        (pa.int64(), True, "is no whole number"),
        (pa.int64(), "", "is no whole number"),
        (pa.int8(), "128", "does not fit the column's type int8"),
        (pa.int64(), "9" * 30, "does not fit"),
        (pa.decimal128(5, 2), "1.234", "does not fit"),
        (pa.decimal128(5, 2), "12345.6", "does not fit"),
        (pa.float64(), "1,5", "is no number"),
        (pa.bool_(), "1", "is no true or false"),
        (pa.bool_(), 1, "is no true or false"),
        (pa.date32(), "29.02.2024", "is no date"),
        (pa.date32(), "2023-02-29", "is no date"),
        (pa.timestamp("us", "UTC"), "noon", "is no time"),
        (pa.string(), {"a": 1}, "is no text"),
        (pa.time64("us"), "25:00", "is no time of day"),
        (pa.binary(), "***", "is no base64"),
        (pa.list_(pa.int64()), "[1, x]", "is no value of type"),
        (pa.list_(pa.int64()), ["x"], "is no value of type"),
        (pa.struct([("a", pa.int64())]), {"b": 1}, "is no value of type"),
        (pa.null(), "x", "is no value of type null"),
    ],
)
def test_names_what_does_not_fit_and_leaves_it_empty(kind: pa.DataType, given: Any, said: str) -> None:
    column, bad = typed_column([None, given, None], kind)

    assert column == pa.nulls(3, kind)
    assert list(bad) == [1]
    assert said in bad[1]
