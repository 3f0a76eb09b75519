from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dataops_defs.adapters.reconciliation import sql_rows
from dataops_defs.adapters.sources.postgres.source import PostgresSource
from dataops_defs.domain.etl import EtlMode
from dataops_defs.domain.reconciliation import Difference, DifferenceKind
from dataops_defs.errors import SchemaChanged, SourceError, UnsafeQuery
from tests.flows.reconciliation.cinema import FILM, Cinema

MISSING, EXTRA, DIFFERENT, MULTIPLICITY = DifferenceKind


@pytest.fixture
def twenty_thousand(cinema: Cinema) -> Cinema:
    cinema.both(FILM)
    cinema.world.sql("INSERT INTO content.film SELECT i, 'Film ' || i, i / 1000.0 FROM generate_series(1, 20000) i")
    cinema.world.sql("INSERT INTO analytics.film_dim SELECT * FROM content.film ORDER BY md5(id::text)")
    return cinema


class TestFigures:
    def test_a_target_in_sync(self, twenty_thousand: Cinema) -> None:
        found = twenty_thousand.reconciled()
        assert found.in_sync
        assert (found.rows_source, found.rows_target) == (20_000, 20_000)
        assert (found.key_columns, found.columns) == (("id",), ["id", "title", "rating"])
        assert (found.source, found.target) == ("the warehouse", "analytics.film_dim")
        assert [(each.low, each.high, each.rows_source) for each in found.findings.ranges] == [
            (str(n * 1250) if n else None, str((n + 1) * 1250) if n < 15 else None, 1249 if not n else 1251 - (n < 15))
            for n in range(16)
        ]
        assert not found.findings.differences
        assert not found.notes
        assert not found.truncated

    def test_one_of_each_kind_among_many_rows(self, twenty_thousand: Cinema) -> None:
        twenty_thousand.world.sql(
            "DELETE FROM analytics.film_dim WHERE id = 77;"
            "UPDATE analytics.film_dim SET title = 'Remake', rating = 1 WHERE id = 15000;"
            "INSERT INTO analytics.film_dim SELECT * FROM content.film WHERE id = 78;"
            "INSERT INTO analytics.film_dim VALUES (20001, 'Sequel', 1)"
        )
        found = twenty_thousand.reconciled()
        assert not found.in_sync
        assert found.findings.differences == [
            Difference({"id": 77}, MISSING, 1, 0),
            Difference({"id": 78}, MULTIPLICITY, 1, 2),
            Difference({"id": 15000}, DIFFERENT, 1, 1, ("title", "rating")),
            Difference({"id": 20001}, EXTRA, 0, 1),
        ]
        assert found.findings.total == 4
        assert [each.low for each in found.findings.ranges if not each.equal] == [None, "15000", "18750"]

    def test_more_than_a_hundred_are_counted_not_listed(self, twenty_thousand: Cinema) -> None:
        twenty_thousand.world.sql("UPDATE analytics.film_dim SET rating = -1 WHERE id <= 150")
        found = twenty_thousand.reconciled()
        assert len(found.findings.differences) == 100
        assert found.findings.total == 150
        assert found.truncated

    def test_both_empty_is_in_sync_and_an_empty_source_leaves_all_extra(self, cinema: Cinema) -> None:
        cinema.both(FILM)
        assert cinema.reconciled().in_sync
        cinema.target(FILM, "1, 'a', 1", "NULL, 'b', 2")
        found = cinema.reconciled()
        assert [(each.nulls, each.rows_source, each.rows_target) for each in found.findings.ranges] == [
            (True, 0, 1),
            (False, 0, 1),
        ]
        assert {each.kind for each in found.findings.differences} == {EXTRA}


class TestTargetsThatDoNotFit:
    def test_one_that_is_missing_lacks_every_row(self, cinema: Cinema) -> None:
        cinema.source(FILM, "1, 'a', 1", "2, 'b', 2")
        found = cinema.reconciled()
        assert not found.in_sync
        assert [each.kind for each in found.findings.differences] == [MISSING, MISSING]
        assert "does not exist" in found.notes[0]
        cinema.source(FILM)
        assert not cinema.reconciled().in_sync

    def test_one_that_lacks_a_column_is_compared_by_the_others(self, cinema: Cinema) -> None:
        cinema.source(FILM, "1, 'a', 1")
        cinema.target("id bigint, title text, made_at date", "1, 'a', NULL")
        found = cinema.reconciled()
        assert not found.in_sync
        assert found.columns == ["id", "title"]
        assert not found.findings.differences
        assert "has no column 'rating' (numeric(4,2))" in found.notes[0]

    def test_columns_that_only_the_target_has_do_not_count(self, cinema: Cinema) -> None:
        cinema.source("id int", "1")
        cinema.target("made_at date, id int", "'2020-01-01', 1")
        assert cinema.reconciled().in_sync

    def test_one_without_any_column_of_the_query(self, cinema: Cinema) -> None:
        cinema.source(FILM)
        cinema.target("other int")
        with pytest.raises(SchemaChanged, match="no column in common"):
            cinema.reconciled()

    def test_an_incremental_one_keeps_what_the_source_deleted(self, cinema: Cinema) -> None:
        cinema.source(FILM, "1, 'a', 1")
        cinema.target(FILM, "1, 'a', 1", "2, 'b', 2")
        found = cinema.reconciled(EtlMode.INCREMENTAL)
        assert not found.in_sync
        assert "incremental" in found.notes[0]
        cinema.target(FILM, "1, 'a', 1")
        assert not cinema.reconciled(EtlMode.INCREMENTAL).notes


class TestBounds:
    @pytest.mark.parametrize(
        "query",
        [
            "DELETE FROM content.film RETURNING *",
            "SELECT pg_sleep(10)",
            "SELECT 1; SELECT 2",
            "SELECT * FROM pg_authid",
        ],
    )
    def test_a_query_that_may_not_run_is_refused(self, cinema: Cinema, query: str) -> None:
        cinema.query = query
        with pytest.raises(UnsafeQuery) as refused:
            cinema.reconciled()
        assert refused.value.fields[0].field == "source_query"

    def test_the_reader_cannot_look_where_it_may_not(self, cinema: Cinema) -> None:
        cinema.both(FILM)
        cinema.query = "SELECT * FROM dataops.ledger"
        with pytest.raises(SourceError, match="permission denied"):
            cinema.reconciled()

    def test_a_comparison_that_takes_too_long_is_ended(self, cinema: Cinema) -> None:
        cinema.query = "SELECT a AS id FROM generate_series(1, 30000) a, generate_series(1, 30000) b"
        cinema.target("id int")
        with pytest.raises(SourceError, match=r"took longer than 0\.3 s and was ended; narrow source_query"):
            cinema.reconciled(seconds=0.3)

    def test_a_query_that_fails_says_why(self, cinema: Cinema) -> None:
        cinema.both("id int, doc json", "0, '1'")
        cinema.query = "SELECT 1 / id AS id, doc FROM content.film"
        with pytest.raises(SourceError, match="division by zero"):
            cinema.reconciled()

    def test_a_publish_meanwhile_makes_no_difference(self, cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> None:
        cinema.both(FILM, "1, 'a', 1")
        opened, counted = PostgresSource.session, sql_rows.SqlRows.slices

        @contextmanager
        def open_and_then_a_publish(source: Any, seconds: float) -> Iterator[Any]:
            with opened(source, seconds) as connection:
                _publish(cinema)
                yield connection

        def count_and_then_a_publish(rows: Any, boundaries: Any) -> Any:
            found = counted(rows, boundaries)
            _publish(cinema)
            return found

        monkeypatch.setattr(PostgresSource, "session", open_and_then_a_publish)
        monkeypatch.setattr(sql_rows.SqlRows, "slices", count_and_then_a_publish)
        assert cinema.reconciled().in_sync
        assert cinema.world.sql("SELECT title FROM analytics.film_dim") == [("a+++",)]


def _publish(cinema: Cinema) -> None:
    cinema.world.sql("UPDATE content.film SET title = title || '+'; UPDATE analytics.film_dim SET title = title || '+'")
