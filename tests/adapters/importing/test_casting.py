"""Columns in given types: what fits is cast exactly, what does not is named; and types that are told apart."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.adapters.importing.casting import cast_column, cast_values
from dataops_defs.domain.sql_types import printed_type, sql_type_of, sql_types
from dataops_defs.errors import Invalid


def cast(text: str, *values: Any) -> tuple[list[Any], dict[int, str]]:
    array, bad = cast_column(pa.array(values), sql_type_of(text))
    return array.to_pylist(), bad


class TestAType:
    @pytest.mark.parametrize(
        ("given", "declared", "printed"),
        [
            ("VARCHAR(50)", "character varying(50)", "VARCHAR(50)"),
            (" varchar ( 7 ) ", "character varying(7)", "VARCHAR(7)"),
            ("character varying", "character varying", "VARCHAR"),
            ("char", "character(1)", "CHAR(1)"),
            ("decimal(10,2)", "numeric(10,2)", "NUMERIC(10,2)"),
            ("NUMERIC(5)", "numeric(5,0)", "NUMERIC(5,0)"),
            ("int", "integer", "INTEGER"),
            ("float", "double precision", "DOUBLE PRECISION"),
            ("timestamp  with time zone", "timestamp with time zone", "TIMESTAMPTZ"),
            ("TIMESTAMP", "timestamp without time zone", "TIMESTAMP"),
            ("jsonb", "jsonb", "JSONB"),
        ],
    )
    def test_is_read_and_printed(self, given: str, declared: str, printed: str) -> None:
        found = sql_type_of(given)
        assert (found.declared, found.printed) == (declared, printed)
        assert sql_type_of(printed) == found

    @pytest.mark.parametrize(
        "given",
        ["", "VARCHAR(0)", "VARCHAR(1,2)", "NUMERIC(39)", "NUMERIC(3,4)", "INT(4)", "regclass", "TEXT[]", "x" * 99],
    )
    def test_that_is_not_served_names_its_column(self, given: str) -> None:
        with pytest.raises(Invalid) as refused:
            sql_types({"age": given})
        assert refused.value.fields[0].field == "data_types.age"

    def test_of_a_table_is_printed_as_postgresql_names_it(self) -> None:
        assert [printed_type(each) for each in ("bytea", "numeric(18,2)", "time without time zone")] == [
            "BYTEA",
            "NUMERIC(18,2)",
            "TIME",
        ]


class TestFloats:
    @given(st.one_of(st.floats(allow_nan=False).map(repr), st.decimals(-(10**6), 10**6, places=4).map(str)))
    def test_are_the_nearest_to_what_is_written(self, text: str) -> None:
        for values in ([text], [text, "no"]):
            array, _ = cast_column(pa.array(values), sql_type_of("DOUBLE PRECISION"))
            assert array[0].as_py() == float(text)

    def test_are_not_bent_by_the_values_beside_them(self) -> None:
        assert cast("FLOAT", "19.99", "0.12345678901234567890") == ([19.99, 0.12345678901234568], {})

    @pytest.mark.parametrize(
        ("kind", "text"), [("FLOAT", "1e400"), ("FLOAT", "1e-400"), ("REAL", "-1e-60"), ("REAL", "1e39")]
    )
    def test_beyond_the_range_are_rejects(self, kind: str, text: str) -> None:
        values, bad = cast(kind, "1.5", text)
        assert (values[0], list(bad)) == (1.5, [1])
        assert sql_type_of(kind).printed in bad[1]


class TestValues:
    def test_that_fit_are_cast_exactly(self) -> None:
        assert cast("NUMERIC(6,2)", "1.5", "-3", None) == ([Decimal("1.50"), Decimal("-3.00"), None], {})
        assert cast("BOOLEAN", "t", "No", "1", "OFF") == ([True, False, True, False], {})
        assert cast("UUID", "A0EEBC999C0B4EF8BB6D6BB9BD380A11")[0] == ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]
        assert cast("TEXT", 1, 2) == (["1", "2"], {})
        assert cast("NUMERIC", " 12345678901234567890123456789012345678901234567890.5")[1] == {}

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("SMALLINT", "32768"),
            ("INTEGER", "1.5"),
            ("INTEGER", ""),
            ("NUMERIC(4,2)", "1.005"),
            ("NUMERIC(4,2)", "100"),
            ("NUMERIC", "NaN"),
            ("DATE", "31.12.1999"),
            ("DATE", "2023-02-30"),
            ("TIMESTAMP", "2024-01-01T10:00:00Z"),
            ("BOOLEAN", "maybe"),
            ("UUID", "nope"),
            ("JSONB", "{"),
            ("JSONB", '"\\u0000"'),
            ("JSONB", '"\\ud800"'),
            ("JSONB", "1e100000"),
            ("VARCHAR(3)", "four"),
        ],
    )
    def test_that_do_not_are_named(self, kind: str, value: str) -> None:
        good = {"DATE": "2024-01-01", "TIMESTAMP": "2024-01-01 10:00:00", "BOOLEAN": "true", "JSONB": "{}"}
        other = good.get(kind) or ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" if kind == "UUID" else "1")
        values, bad = cast(kind, other, value)
        assert (list(bad), values[1], values[0] is None) == ([1], None, False)

    def test_of_json_that_only_look_bad_are_kept(self) -> None:
        for text in ('"1e100000"', '"\\\\u0000"', '"\\ud83d\\ude00"'):
            assert cast_values([text], sql_type_of("JSONB"))[1] == {}
