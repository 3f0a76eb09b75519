"""What happens to sources and targets between two runs, or in one: nothing is lost without a word."""

import threading
from typing import Any

import pytest

from dataops_defs.adapters.warehouse.checkpoint import hold_target
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.errors import DataOpsError, Invalid, RunStopped, SchemaChanged
from dataops_defs.flows.outbox import settle_books
from dataops_defs.flows.run_etl import run_etl
from tests.flows.etl_scenes import (
    asked,
    counts,
    dies_after,
    finish,
    lease_ends,
    more,
    pipeline,
    ran,
    same,
    worker,
)
from tests.scenes import World


def refused(world: World, id: str) -> DataOpsError:
    work = worker(world, asked(world, id))
    with pytest.raises(DataOpsError) as refusal:
        run_etl(work, id)
    finish(world, work, RunState.FAILED)
    return refusal.value


def continued(world: World, run: str, id: str) -> None:
    """What the next worker makes of a run whose worker died."""
    lease_ends(world)
    work = worker(world, run)
    run_etl(work, id)
    finish(world, work)


class TestATargetThatIsRemoved:
    def test_is_filled_with_all_rows_again(self, films: World) -> None:
        id = pipeline(films, "incremental")
        ran(films, id)
        films.sql("DROP TABLE analytics.film_dim")
        more(films, 26, 27, "2025-03-01")

        assert counts(ran(films, id)) == (27, 27, 0, 0, 0)
        assert same(films)

    def test_in_the_middle_of_a_load_is_filled_from_the_first_row(self, films: World) -> None:
        id = pipeline(films, "incremental")
        run = asked(films, id)
        dies_after(films, worker(films, run), id, 2)
        films.sql("DROP TABLE analytics.film_dim")
        continued(films, run, id)
        assert same(films)

    def test_in_the_middle_of_a_later_load_is_filled_with_all_rows(self, films: World) -> None:
        id = pipeline(films, "incremental")
        ran(films, id)
        more(films, 20, 60, "2025-03-01")
        run = asked(films, id)
        dies_after(films, worker(films, run), id, 2)
        films.sql("DROP TABLE analytics.film_dim")
        continued(films, run, id)
        assert same(films)


class TestARowFromTheFuture:
    @pytest.mark.parametrize(
        ("kind", "moment"),
        [("timestamptz", "infinity"), ("timestamp", "infinity"), ("date", "infinity"), ("timestamptz", "9999-12-31")],
    )
    def test_hides_none_that_come_later(self, films: World, kind: str, moment: str) -> None:
        films.sql(f"ALTER TABLE content.film_work ALTER updated_at TYPE {kind}")
        films.sql("UPDATE content.film_work SET updated_at = %s WHERE id = 3", moment)
        id = pipeline(films, "incremental")
        ran(films, id)
        films.sql("INSERT INTO content.film_work VALUES (99, 'now', 1, now())")

        assert ran(films, id).ledger.inserted == 1
        assert same(films)


class TestACursorThatIsNoNumber:
    @pytest.mark.parametrize("value", ["NaN", "Infinity"])
    @pytest.mark.parametrize("kind", ["numeric", "double precision"])
    def test_hides_none_that_come_later(self, films: World, kind: str, value: str) -> None:
        films.sql(f"ALTER TABLE content.film_work ADD version {kind}")
        films.sql(f"UPDATE content.film_work SET version = CASE id WHEN 3 THEN '{value}'::{kind} ELSE id END")
        query = "SELECT id AS film_id, title, rating, version FROM content.film_work"
        id = pipeline(films, "incremental", query=query, cursor_column="version")
        ran(films, id)
        films.sql("INSERT INTO content.film_work VALUES (99, 'later', 1, now(), 26)")

        assert ran(films, id).ledger.inserted == 1
        assert same(films)


class TestAQueryThatHasLostAColumn:
    @pytest.mark.parametrize("mode", ["full", "incremental"])
    def test_is_refused_until_it_is_said_that_this_is_meant(self, films: World, mode: str) -> None:
        films.sql("CREATE VIEW content.films AS SELECT id AS film_id, title, rating, updated_at FROM content.film_work")
        id = pipeline(films, mode, query="SELECT * FROM content.films")
        ran(films, id)
        films.sql("DROP VIEW content.films")
        films.sql("CREATE VIEW content.films AS SELECT id AS film_id, title, updated_at FROM content.film_work")

        refusal = refused(films, id)
        assert isinstance(refusal, SchemaChanged)
        assert "no longer gives 'rating' (numeric(3,1))" in str(refusal)

        with films.platform.catalogue() as session:
            EtlPipelines(session).get(id).source_query = "SELECT film_id, title, updated_at FROM content.films"
        assert ran(films, id).ledger.read == 25


class TestAValueThatIsEqualButNotTheSame:
    @pytest.mark.parametrize(
        ("mode", "kind", "old", "new"),
        [
            ("full", "numeric", "1.0", "1.00"),
            ("incremental", "numeric[]", "{1.0}", "{1.00}"),
            ("full", "interval", "1 mon", "30 days"),
            ("incremental", "jsonb", '{"a": 1.0}', '{"a": 1.00}'),
            ("full", "double precision", "0", "-0"),
        ],
    )
    def test_is_brought_over(self, films: World, mode: str, kind: str, old: str, new: str) -> None:
        films.sql(f"ALTER TABLE content.film_work ADD extra {kind} DEFAULT '{old}'")
        query = "SELECT id AS film_id, extra, updated_at FROM content.film_work"
        id = pipeline(films, mode, query=query, key_columns=["film_id"])
        ran(films, id)
        films.sql(f"UPDATE content.film_work SET extra = '{new}', updated_at = '2025-04-01' WHERE id = 3")

        assert ran(films, id).ledger.updated == 1
        [(found,)] = films.sql("SELECT extra::text FROM analytics.film_dim WHERE film_id = 3")
        [(wanted,)] = films.sql("SELECT extra::text FROM content.film_work WHERE id = 3")
        assert found == wanted


class TestAFullRunThatFails:
    def test_has_written_nothing_as_far_as_readers_can_tell(self, films: World) -> None:
        id = pipeline(films)
        ran(films, id)
        films.sql(
            "CREATE FUNCTION analytics.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not today'; END $$"
        )
        films.sql("CREATE TRIGGER refuse BEFORE INSERT ON analytics.film_dim EXECUTE FUNCTION analytics.refuse()")
        run = asked(films, id)
        work = worker(films, run)
        with pytest.raises(Exception, match="not today"):
            run_etl(work, id)

        with films.platform.catalogue() as session:
            [step] = Runs(session).steps(run)
        assert (step.ledger["read"], step.ledger["inserted"], step.ledger["updated"]) == (25, 0, 0)


class TestARunThatIsEndedFromOutside:
    @pytest.mark.parametrize(("mode", "inserted"), [("full", 0), ("incremental", 20)])
    def test_has_what_it_had_committed_in_its_record(self, films: World, mode: str, inserted: int) -> None:
        id = pipeline(films, mode)
        run = asked(films, id)
        work = worker(films, run)
        dies_after(films, work, id, 2)
        with films.platform.catalogue() as session:
            settle_books(films.platform, session, run, work.lease.epoch)

        with films.platform.catalogue() as session:
            [step] = Runs(session).steps(run)
        assert (step.ledger["read"], step.ledger["inserted"]) == (20, inserted)


class TestTwoPipelinesOfOneTarget:
    def test_take_turns(self, films: World) -> None:
        id = pipeline(films)
        done: list[Any] = []
        with films.platform.warehouse("another pipeline") as other:
            assert hold_target(other, "analytics.film_dim")
            thread = threading.Thread(target=lambda: done.append(ran(films, id)))
            thread.start()
            thread.join(1.5)
            assert done == []
        thread.join(30)
        assert counts(done[0]) == (25, 25, 0, 0, 0)

    def test_that_waits_can_be_cancelled(self, films: World) -> None:
        id = pipeline(films)
        run = asked(films, id)
        work = worker(films, run)
        with films.platform.warehouse("another pipeline") as other:
            assert hold_target(other, "analytics.film_dim")
            with films.platform.catalogue() as session:
                RunControl(session).cancel(run)
            with work.lease.kept(), pytest.raises(RunStopped):
                run_etl(work, id)


class TestColumnsThatNoTableCanHold:
    def test_are_named(self, films: World) -> None:
        refusal = refused(films, pipeline(films, query="SELECT ROW(1, 2) AS pair"))
        assert isinstance(refusal, Invalid)
        assert refusal.fields[0].field == "source_query"
        assert "'pair' is a record" in str(refusal)

    @pytest.mark.parametrize(
        ("keys", "told"), [(["film_id", "film_id"], "twice"), (["nokey"], "does not give 'nokey'")]
    )
    def test_keys_are_columns_of_the_query(self, films: World, keys: list[str], told: str) -> None:
        query = "SELECT id AS film_id, to_json(title) AS doc, updated_at FROM content.film_work"
        refusal = refused(films, pipeline(films, query=query, key_columns=keys))
        assert told in str(refusal)
