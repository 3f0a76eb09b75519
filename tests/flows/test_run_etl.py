"""ETL pipelines: full and incremental, from the warehouse into a table, whatever happens to their workers."""

from typing import Any

import pytest

from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.etl import EtlState
from dataops_defs.domain.run import RunState
from dataops_defs.errors import Conflict, RunPaused, SchemaChanged
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.work import Work
from tests.flows.etl_scenes import (
    FILMS,
    SOURCE,
    asked,
    counts,
    dies_after,
    finish,
    lease_ends,
    more,
    pipeline,
    ran,
    same,
    state,
    worker,
)
from tests.scenes import World


class TestAFullRun:
    def test_makes_the_target_from_the_querys_types_and_fills_it(self, films: World) -> None:
        outcome = ran(films, pipeline(films))

        assert same(films)
        assert counts(outcome) == (25, 25, 0, 0, 0)
        types = films.sql(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'analytics.film_dim'::regclass AND attnum > 0 ORDER BY attnum"
        )
        assert types == [
            ("film_id", "integer"),
            ("title", "text"),
            ("rating", "numeric(3,1)"),
            ("updated_at", "timestamp with time zone"),
        ]

    def test_changes_only_what_differs_where_the_target_has_a_key(self, films: World) -> None:
        films.sql("CREATE TABLE analytics.film_dim (film_id int PRIMARY KEY, title text, rating numeric(3,1))")
        id = pipeline(films, query=SOURCE.replace("id,", "id AS film_id,"))
        ran(films, id)
        films.sql("DELETE FROM content.film_work WHERE id <= 3")
        films.sql("UPDATE content.film_work SET title = 'other' WHERE id = 4")
        films.sql("INSERT INTO content.film_work VALUES (99, 'new', 1, now())")

        assert counts(ran(films, id)) == (23, 1, 1, 21, 3)
        assert same(films)

    def test_leaves_nothing_behind(self, films: World) -> None:
        ran(films, pipeline(films))
        assert films.sql("SELECT relname FROM pg_class WHERE relname ~ '^load_'") == []
        assert list(films.platform.settings.home.glob("raw/etl-spool/**/*.parquet")) == []

    def test_of_a_target_without_a_key_replaces_all_rows(self, films: World) -> None:
        id = pipeline(films, query=SOURCE.replace("id,", "1 AS film_id,"))
        ran(films, id)
        assert counts(ran(films, id)) == (25, 25, 0, 0, 25)

    def test_rejects_a_row_that_the_target_refuses_and_then_deletes_nothing(self, films: World) -> None:
        films.sql(
            "CREATE TABLE analytics.film_dim (film_id int PRIMARY KEY, title text, rating numeric CHECK (rating < 9))"
        )
        films.sql("INSERT INTO analytics.film_dim VALUES (9, 'before', 1), (77, 'gone', 1)")
        id = pipeline(films, query=SOURCE.replace("id,", "id AS film_id,"))

        outcome = ran(films, id)

        assert (outcome.ledger.read, outcome.ledger.rejected, outcome.ledger.deleted) == (25, 2, 0)
        assert films.sql("SELECT title FROM analytics.film_dim WHERE film_id IN (9, 77) ORDER BY 1") == [
            ("before",),
            ("gone",),
        ]
        kept = films.sql("SELECT row_number, raw->>'film_id' FROM dataops.reject ORDER BY 1")
        assert [number for _, number in kept] == ["9", "19"]

    def test_whose_columns_no_longer_fit_says_what_changed(self, films: World) -> None:
        id = pipeline(films)
        ran(films, id)
        films.sql("ALTER TABLE content.film_work ALTER title TYPE int USING id")
        with pytest.raises(SchemaChanged, match=r"'title' as integer, analytics\.film_dim has it as text"):
            run_etl(worker(films, asked(films, id)), id)
        assert films.sql("SELECT count(*) FROM analytics.film_dim") == [(25,)]


class TestAnIncrementalRun:
    def test_brings_over_what_is_new_or_changed(self, films: World) -> None:
        id = pipeline(films, "incremental")
        assert counts(ran(films, id)) == (25, 25, 0, 0, 0)
        more(films, 24, 30, "2025-03-01")

        assert counts(ran(films, id)) == (7, 5, 2, 0, 0)
        assert same(films)

    def test_without_anything_new_reads_the_row_at_the_mark_only(self, films: World) -> None:
        id = pipeline(films, "incremental")
        ran(films, id)
        assert counts(ran(films, id)) == (1, 0, 0, 1, 0)

    def test_finds_ties_that_were_committed_later(self, films: World) -> None:
        id = pipeline(films, "incremental")
        ran(films, id)
        films.sql("INSERT INTO content.film_work SELECT 99, 'tie', 1, max(updated_at) FROM content.film_work")
        ran(films, id)
        assert same(films)

    def test_finds_late_rows_within_the_lag(self, films: World) -> None:
        id = pipeline(films, "incremental", lag_seconds=7200)
        ran(films, id)
        films.sql(
            "INSERT INTO content.film_work SELECT 99, 'late', 1, max(updated_at) - interval '1 hour'"
            " FROM content.film_work"
        )
        ran(films, id)
        assert same(films)

    def test_does_not_lose_rows_without_a_cursor(self, films: World) -> None:
        films.sql("UPDATE content.film_work SET updated_at = NULL WHERE id < 4")
        id = pipeline(films, "incremental")
        ran(films, id)
        films.sql("UPDATE content.film_work SET title = 'x' WHERE id = 2")
        assert counts(ran(films, id)) == (4, 0, 1, 3, 0)
        assert same(films)

    def test_begins_anew_with_another_query(self, films: World) -> None:
        id = pipeline(films, "incremental")
        ran(films, id)
        with films.platform.catalogue() as session:
            EtlPipelines(session).get(id).source_query = FILMS.replace("title,", "upper(title) AS title,")
        assert counts(ran(films, id)) == (25, 0, 25, 0, 0)

    def test_takes_the_latest_of_rows_with_one_key(self, films: World) -> None:
        query = FILMS.replace("id AS", "least(id, 20) AS")
        outcome = ran(films, pipeline(films, "incremental", query=query, key_columns=["film_id"], batch_size=7))
        assert films.sql("SELECT title FROM analytics.film_dim WHERE film_id = 20") == [("film 25",)]
        assert outcome.ledger.balanced().read == 25

    def test_rejects_a_row_without_a_key(self, films: World) -> None:
        query = FILMS.replace("id AS", "nullif(id, 3) AS")
        outcome = ran(films, pipeline(films, "incremental", query=query, key_columns=["film_id"]))
        assert (outcome.ledger.inserted, outcome.ledger.rejected) == (24, 1)

    def test_refuses_a_target_with_duplicates(self, films: World) -> None:
        films.sql("CREATE TABLE analytics.film_dim AS " + FILMS)
        films.sql("INSERT INTO analytics.film_dim " + FILMS)
        id = pipeline(films, "incremental")
        with pytest.raises(SchemaChanged, match="several rows with one key"):
            run_etl(worker(films, asked(films, id)), id)


@pytest.mark.parametrize("mode", ["full", "incremental"])
class TestAWorkerThatDies:
    @pytest.mark.parametrize("batches", [1, 2, 3])
    def test_is_continued_with_the_first_row_that_is_not_committed(self, films: World, mode: str, batches: int) -> None:
        id = pipeline(films, mode)
        run = asked(films, id)
        dies_after(films, worker(films, run), id, batches)
        films.sql("UPDATE content.film_work SET title = 'not read again'")
        lease_ends(films)

        work = worker(films, run)
        outcome = run_etl(work, id)
        finish(films, work)

        assert counts(outcome) == (25, 25, 0, 0, 0)
        assert films.sql("SELECT count(*), count(DISTINCT film_id), min(title) FROM analytics.film_dim") == [
            (25, 25, "film 1")
        ]
        assert films.sql("SELECT count(*), sum(read) FROM dataops.ledger WHERE run_id = %s", run) == [(1, 25)]

    def test_that_failed_is_followed_by_a_run_that_brings_all_there_is(self, films: World, mode: str) -> None:
        id = pipeline(films, mode)
        failed = worker(films, asked(films, id))
        dies_after(films, failed, id, 1)
        finish(films, failed, RunState.FAILED)
        films.sql("INSERT INTO content.film_work VALUES (99, 'since', 1, '2026-01-01')")

        outcome = ran(films, id)

        assert (outcome.ledger.inserted, state(films, id)) == (26 if mode == "full" else 16, EtlState.IDLE)
        assert films.sql("SELECT count(*) FROM analytics.film_dim") == [(26,)]


class TestPausing:
    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_takes_effect_after_the_batch_and_run_goes_on_from_there(self, films: World, mode: str) -> None:
        id = pipeline(films, mode)
        run = asked(films, id)
        work = worker(films, run)
        batch = work.lease.look

        def pause() -> None:
            with films.platform.catalogue() as session:
                EtlPipelines(session).pause(EtlPipelines(session).get(id, lock=True))
            batch()

        with films.platform.catalogue() as session:
            assert EtlPipelines(session).state(EtlPipelines(session).get(id)) is EtlState.RUNNING
        look_twice(work, pause)
        with pytest.raises(RunPaused):
            run_etl(work, id)
        with films.platform.catalogue() as session:
            assert Runs(session).pause(run, work.lease.epoch)
        assert state(films, id) is EtlState.PAUSED
        assert films.sql("SELECT position, rows FROM dataops.checkpoint") == [(10, 25)]

        assert asked(films, id) == run
        again = worker(films, run)
        assert counts(run_etl(again, id)) == (25, 25, 0, 0, 0)
        assert same(films)

    def test_nobody_else_may_work_at_a_paused_pipeline(self, films: World) -> None:
        id = pipeline(films)
        run = asked(films, id)
        with films.platform.catalogue() as session:
            EtlPipelines(session).pause(EtlPipelines(session).get(id, lock=True))
        with pytest.raises(Conflict, match=f"PAUSED already, as execution {run}"):
            run_etl(films.work(), id)


def look_twice(work: Work, then: Any) -> None:
    """The first look is before the step begins, the second after its first batch."""
    look, looks = work.lease.look, 0

    def looked() -> None:
        nonlocal looks
        looks += 1
        (then if looks == 2 else look)()

    work.lease.look = looked  # type: ignore[method-assign]
