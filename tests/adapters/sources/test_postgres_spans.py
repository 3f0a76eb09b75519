"""Intervals as spans of time, for those who ask: as long as PostgreSQL says, or set aside where no length is fixed."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.sources.postgres.spans import spans_of
from dataops_defs.adapters.warehouse.connection import libpq_url
from tests.adapters.sources.test_postgres_source import Operations, sql

ONE_DAY = "SELECT * FROM (VALUES (interval '1 day 02:00'), (NULL), ('-00:00:01.5'), ('2 days -1 hour')) v (late)"
MONTHS = st.just(0) | st.integers(-30, 30)
DAYS = st.integers(-1_000, 1_000) | st.integers(-(2**31) + 1, 2**31 - 1)
MICROSECONDS = st.integers(-(10**11), 10**11) | st.integers(-9 * 10**18, 9 * 10**18) | st.just(0)


@pytest.fixture
def operations(operations_url: str) -> Operations:
    return Operations(operations_url)


@pytest.fixture
def cursor(operations_url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(libpq_url(operations_url))) as connection, connection.cursor() as cursor:
        yield cursor


class TestIntervals:
    def test_are_spans_of_time_with_days_of_24_hours(self, operations: Operations) -> None:
        with replace(operations.open(), spans=True).read(sql(ONE_DAY)) as reading:
            table = pa.Table.from_batches(reading.batches, reading.schema)

        assert table.schema.field("late").type == pa.duration("us")
        spans = [timedelta(hours=26), None, timedelta(seconds=-1.5), timedelta(hours=47)]
        assert (table["late"].to_pylist(), reading.rejected) == (spans, [])

    @pytest.mark.parametrize("unfit", ["1 mon", "-1 years -2 mons +3 days", "infinity", "2000000000 days"])
    def test_without_a_fixed_length_are_set_aside_as_they_are_printed(self, operations: Operations, unfit: str) -> None:
        query = f"SELECT * FROM (VALUES (1, interval '1 day'), (2, '{unfit}')) v (n, late)"
        with replace(operations.open(), spans=True).read(sql(query)) as reading:
            table = pa.Table.from_batches(reading.batches, reading.schema)

        assert table["n"].to_pylist() == [1]
        assert [(row.column, row.raw["late"]) for row in reading.rejected] == [("late", unfit)]

    def test_are_text_where_nobody_asks(self, operations: Operations) -> None:
        assert operations.read(ONE_DAY)["late"].to_pylist() == [
            "1 day 02:00:00",
            None,
            "-00:00:01.5",
            "2 days -01:00:00",
        ]

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(parts=st.lists(st.tuples(MONTHS, DAYS, MICROSECONDS), min_size=1, max_size=30))
    def test_are_as_long_as_postgresql_says(self, cursor: Any, parts: list[tuple[int, int, int]]) -> None:
        cursor.execute(
            "SELECT span::text, CASE WHEN months = 0 THEN extract(epoch FROM span) * 1000000 END"
            " FROM unnest(%s::int[], %s::int[], %s::int8[]) WITH ORDINALITY AS part (months, days, micros, place),"
            " LATERAL (SELECT months * interval '1 mon' + days * interval '1 day'"
            " + ((micros / 1000000) || ' s')::interval + ((micros %% 1000000) || ' us')::interval) made (span)"
            " ORDER BY place",
            [list(each) for each in zip(*parts, strict=True)],
        )
        printed, lengths = zip(*cursor.fetchall(), strict=True)

        found = spans_of(pa.array(printed, pa.string())).cast(pa.int64()).to_pylist()

        assert found == [None if each is None or abs(each) >= 2**63 - 2_000_000 else int(each) for each in lengths]
