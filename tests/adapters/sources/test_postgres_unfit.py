"""Rows of PostgreSQL with a value that has no exact form are set aside: never changed, and the others are read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from dataops_defs.adapters.sources import faults
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError
from tests.adapters.sources.test_postgres_source import Operations, sql

COLUMNS = "id int, day date, at timestamp, moment timestamptz, clock time, price numeric(10, 2), note text"
FIT = "'2020-02-29', '0001-01-01', '2020-01-01 10:00:00.5+02', '23:59:59.999999', -1234.50, 'fit'"


@pytest.fixture
def operations(operations_url: str) -> Operations:
    return Operations(operations_url)


@pytest.fixture
def dated(operations: Operations) -> Operations:
    operations.sql(f"CREATE TABLE t ({COLUMNS})")
    operations.sql(f"""INSERT INTO t VALUES (1, {FIT}), (11, 'infinity', NULL, '2020-01-01+00', '24:00', 'NaN', 'all');
        INSERT INTO t (id, day) VALUES (2, 'infinity'), (3, '0044-03-15 BC'), (4, '12345-01-01'), (12, NULL);
        INSERT INTO t (id, at) VALUES (5, '-infinity'), (6, '0044-03-15 10:00 BC');
        INSERT INTO t (id, moment) VALUES (7, 'infinity'), (8, '12345-01-01 10:00+00');
        INSERT INTO t (id, clock) VALUES (9, '24:00'); INSERT INTO t (id, price) VALUES (10, 'NaN')""")
    return operations


def read_all(operations: Operations, query: str) -> tuple[pa.Table, Sequence[RejectedRow]]:
    with operations.open().read(sql(query)) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema), reading.rejected


class TestRowsThatCannotBeTaken:
    def test_are_set_aside_with_what_they_hold(self, dated: Operations) -> None:
        table, rejected = read_all(dated, "SELECT * FROM t ORDER BY id")

        assert table["id"].to_pylist() == [1, 12]
        shown = {row.number: (row.column, row.raw[row.column or ""]) for row in rejected}
        assert shown == {
            2: ("day", "infinity"),
            3: ("day", "0044-03-15 BC"),
            4: ("day", "12345-01-01"),
            5: ("at", "-infinity"),
            6: ("at", "0044-03-15 10:00:00 BC"),
            7: ("moment", "infinity"),
            8: ("moment", "12345-01-01 10:00:00+00"),
            9: ("clock", "24:00:00"),
            10: ("price", "NaN"),
            11: ("day", "infinity"),
        }
        assert rejected[0].reason.startswith("holds 'infinity' in 'day', which date32[day] cannot keep: cast it to")
        assert rejected[-1].raw == {
            "id": 11,
            "day": "infinity",
            "at": None,
            "moment": "2020-01-01T00:00:00Z",
            "clock": "24:00:00",
            "price": "NaN",
            "note": "all",
        }

    def test_leave_the_others_as_they_are(self, dated: Operations) -> None:
        mixed, _ = read_all(dated, "SELECT * FROM t WHERE id IN (1, 2, 12) ORDER BY id")
        alone, rejected = read_all(dated, "SELECT * FROM t WHERE id IN (1, 12) ORDER BY id")

        assert rejected == []
        assert mixed.equals(alone)
        assert mixed.to_pylist()[0] == {
            "id": 1,
            "day": date(2020, 2, 29),
            "at": datetime(1, 1, 1),
            "moment": datetime(2020, 1, 1, 8, 0, 0, 500_000, tzinfo=UTC),
            "clock": time(23, 59, 59, 999_999),
            "price": Decimal("-1234.50"),
            "note": "fit",
        }

    def test_leave_bytes_texts_and_empty_texts_as_they_are(self, operations: Operations) -> None:
        table, [rejected] = read_all(
            operations,
            r"""SELECT * FROM (VALUES ('\x00ff'::bytea, E'a\n",', '', true, date '2020-01-01'),
                ('\x01', 'b', NULL, false, 'infinity'), (NULL, NULL, 'NULL', NULL, NULL)) v (raw, t, e, yes, day)""",
        )

        assert [tuple(row.values()) for row in table.to_pylist()] == [
            (b"\x00\xff", 'a\n",', "", True, date(2020, 1, 1)),
            (None, None, "NULL", None, None),
        ]
        assert rejected.raw == {"raw": "AQ==", "t": "b", "e": None, "yes": False, "day": "infinity"}

    def test_can_be_all_of_them(self, dated: Operations) -> None:
        table, rejected = read_all(dated, "SELECT day FROM t WHERE id BETWEEN 2 AND 4")
        assert (table.num_rows, len(rejected)) == (0, 3)

    def test_are_numbered_among_all_rows_of_all_batches(self, operations: Operations) -> None:
        table, rejected = read_all(
            operations,
            """SELECT n, CASE WHEN n IN (2, 70000, 250000, 300000) THEN 'infinity' ELSE date '2020-01-01' END AS day
            FROM generate_series(1, 300000) AS n""",
        )
        assert [row.number for row in rejected] == [2, 70_000, 250_000, 300_000]
        assert [row.raw["n"] for row in rejected] == [2, 70_000, 250_000, 300_000]
        assert table.num_rows == 299_996

    def test_are_taken_when_the_query_does_what_the_reason_says(self, dated: Operations) -> None:
        table, rejected = read_all(
            dated, "SELECT id, day::text AS day, nullif(price, 'NaN') AS price FROM t WHERE id IN (2, 10) ORDER BY id"
        )
        assert rejected == []
        assert table["day"].to_pylist() == ["infinity", None]
        assert table["price"].to_pylist() == [None, None]

    def test_end_the_reading_when_there_are_too_many(self, dated: Operations, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(faults, "MAX_REJECTED", 3)
        with pytest.raises(SourceError, match="more than 3 rows cannot be read; the first holds 'infinity' in 'day'"):
            read_all(dated, "SELECT * FROM t ORDER BY id")

    def test_are_seen_in_a_preview_as_they_came(self, dated: Operations) -> None:
        shown = dated.open().preview(sql("SELECT id, day FROM t ORDER BY id"), 3)

        assert shown.rows == [
            {"id": 1, "day": "2020-02-29"},
            {"id": 2, "day": "infinity"},
            {"id": 3, "day": "0044-03-15 BC"},
        ]
        assert [column.type for column in shown.columns] == ["int32", "date32[day]"]
        assert shown.truncated
        assert not dated.open().preview(sql("SELECT day FROM t WHERE id BETWEEN 2 AND 4"), 3).truncated
