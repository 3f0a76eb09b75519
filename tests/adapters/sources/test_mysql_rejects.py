"""Rows of MySQL that cannot be taken: set aside as they are, counted over all batches, never changed."""

import pytest

from dataops_defs.adapters.sources import faults
from dataops_defs.errors import SourceError
from tests.adapters.sources.mysql_scenes import read, read_all
from tests.mariadb import Shop, query


class TestRowsThatCannotBeTaken:
    @pytest.fixture
    def dated(self, shop: Shop) -> Shop:
        shop.sql("CREATE TABLE t (id INT, day DATE, at DATETIME, clock TIME(1))")
        shop.sql(
            """INSERT INTO t VALUES (1, '2020-01-01', '2020-01-01 10:00:00', '10:00:00'),
            (2, '0000-00-00', NULL, NULL), (3, NULL, '0000-00-00 00:00:00', NULL), (4, '2020-00-10', NULL, NULL),
            (5, NULL, '2021-02-29 01:02:03', NULL), (6, NULL, NULL, '-00:00:01'), (7, NULL, NULL, '25:00:00.5'),
            (8, '0000-01-01', NULL, NULL), (9, '0000-00-00', '0000-00-00', '838:59:59'), (10, NULL, NULL, NULL)""",
            init_command="SET sql_mode = 'ALLOW_INVALID_DATES'",
        )
        return shop

    def test_days_that_no_calendar_has_are_set_aside_never_changed(self, dated: Shop):
        table, rejected = read_all(dated, "SELECT * FROM t ORDER BY id")
        assert table["id"].to_pylist() == [1, 10]
        shown = {row.number: (row.column, row.raw[row.column or ""]) for row in rejected}
        assert shown == {
            2: ("day", "0000-00-00"),
            3: ("at", "0000-00-00 00:00:00"),
            4: ("day", "2020-00-10"),
            5: ("at", "2021-02-29 01:02:03"),
            6: ("clock", "-00:00:01"),
            7: ("clock", "25:00:00.500000"),
            8: ("day", "0000-01-01"),
            9: ("day", "0000-00-00"),
        }
        assert rejected[0].reason.startswith("holds '0000-00-00' in 'day', which is no day of a calendar")
        assert rejected[-1].raw == {
            "id": 9,
            "day": "0000-00-00",
            "at": "0000-00-00 00:00:00",
            "clock": "838:59:59",
        }

    def test_what_the_reason_advises_helps(self, dated: Shop):
        table = read(
            dated, "SELECT id, CAST(day AS CHAR) AS day, NULLIF(at, 0) AS at FROM t WHERE id IN (2, 3) ORDER BY id"
        )
        assert table.to_pylist() == [{"id": 2, "day": "0000-00-00", "at": None}, {"id": 3, "day": None, "at": None}]

    def test_their_numbers_count_all_rows_of_all_batches(self, shop: Shop):
        shop.sql("CREATE TABLE t (seq INT, day DATE)")
        shop.sql(
            "INSERT INTO t SELECT seq, IF(seq IN (2, 150000), '0000-00-00', '2020-01-01') FROM seq_1_to_200000",
            init_command="SET sql_mode = ''",
        )
        table, rejected = read_all(shop, "SELECT * FROM t ORDER BY seq")
        assert [row.number for row in rejected] == [2, 150_000]
        assert table.num_rows == 199_998

    def test_so_many_that_the_query_must_be_wrong_end_the_reading(self, dated: Shop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(faults, "MAX_REJECTED", 3)
        with pytest.raises(SourceError, match="more than 3 rows cannot be read; the first holds '0000-00-00'"):
            read_all(dated, "SELECT * FROM t ORDER BY id")

    def test_a_preview_shows_them_as_they_came(self, dated: Shop):
        shown = dated.open().preview(query("SELECT id, day FROM t ORDER BY id"), 4)
        assert [row["day"] for row in shown.rows] == ["2020-01-01", "0000-00-00", None, "2020-00-10"]
        assert shown.truncated
