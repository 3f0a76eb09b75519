"""What `make demo` prints and leaves behind, held against SQL that knows nothing of the platform's code."""

import csv
from pathlib import Path

import dataops_defs.demo.run as demo
from tests.stories.conftest import RunningStack

DATA = Path(demo.__file__).parent / "data"


class TestTheNumbers:
    def test_all_planes_are_read_and_accounted_for(self, stack: RunningStack) -> None:
        rows = stack.sql(
            "WAREHOUSE",
            "SELECT read, inserted + updated + unchanged + rejected + filtered FROM dataops.ledger"
            " WHERE target = 'objects.aircraft' ORDER BY id DESC LIMIT 1",
        )
        assert rows == [(3322, 3322)]
        assert "Planes read: 3,322; accounted for: 3,322" in stack.demo_output

    def test_the_objects_are_the_registry_row_for_row(self, stack: RunningStack) -> None:
        with (DATA / "planes.csv").open() as file:
            registry = {
                row["tailnum"]: (row["model"], int(row["year"]) if row["year"] else None)
                for row in csv.DictReader(file)
            }
        rows = stack.sql("WAREHOUSE", 'SELECT "tailNumber", model, "yearBuilt" FROM objects.aircraft')
        assert {tail: (model, year) for tail, model, year in rows} == registry

    def test_flights_without_a_known_plane_are_counted_by_the_check(self, stack: RunningStack) -> None:
        [(orphans,)] = stack.sql(
            "WAREHOUSE",
            'SELECT count(*) FROM objects.flight f LEFT JOIN objects.aircraft a USING ("tailNumber")'
            ' WHERE a."tailNumber" IS NULL',
        )
        assert orphans == 52_606
        assert "withoutPartner 52,606" in stack.demo_output

    def test_every_write_balances_and_every_reject_is_kept(self, stack: RunningStack) -> None:
        rows = stack.sql("WAREHOUSE", "SELECT run_id, subject_id, read, rejected FROM dataops.ledger")
        assert sum(read for _, _, read, _ in rows) > 2 * 336_776
        for run, subject, _, rejected in rows:
            [(kept,)] = stack.sql(
                "WAREHOUSE", "SELECT count(*) FROM dataops.reject WHERE run_id = %s AND subject_id = %s", run, subject
            )
            assert kept == rejected

    def test_the_datamart_agrees_with_a_query_of_ones_own(self, stack: RunningStack) -> None:
        [(flights, aircraft)] = stack.sql(
            "WAREHOUSE", "SELECT sum(flights)::bigint, count(*) FROM analytics.aircraft_activity"
        )
        assert (flights, aircraft) == (336_776 - 52_606, 3322)

    def test_the_watched_file_is_imported_once(self, stack: RunningStack) -> None:
        assert stack.sql("WAREHOUSE", "SELECT count(*) FROM raw.weather") == [(2226,)]

    def test_what_the_documents_name_is_there(self, stack: RunningStack) -> None:
        tables = (
            "customers",
            "orders",
            "products",
            "order_items",
            "sales",
            "ml_model_predictions",
            "daily_sales_aggregation",
        )
        for table in tables:
            [(rows,)] = stack.sql("WAREHOUSE", f"SELECT count(*) FROM public.{table}")
            assert rows > 0
        assert stack.sql("WAREHOUSE", "SELECT count(*) FROM content.film_work") == [(1000,)]
        assert stack.sql("WAREHOUSE", "SELECT count(*) FROM calculate_metrics()") == [(3,)]
        names = {each["name"] for each in stack.api.get("/api/v1/dataops/sources").json()}
        assert "conn_postgres_warehouse" in names
        pipelines = {each["name"] for each in stack.api.get("/api/v1/dataops/pipelines?limit=100").json()}
        assert pipelines >= {"daily_etl", "pipeline_etl", "pipe_etl", "pipe_001", "pipe_customer_sync_001"}
        spent = "SELECT count(*), sum(total_orders) FROM analytics.customer_360"
        assert stack.sql("WAREHOUSE", spent) == [(500, 2000)]


class TestTheDemosEtlPipelines:
    def test_have_brought_over_every_film(self, stack: RunningStack) -> None:
        films = "SELECT id, rating FROM content.film_work EXCEPT ALL SELECT film_id, rating FROM analytics.film_dim"
        titles = (
            "SELECT id, title FROM content.film_work EXCEPT ALL SELECT film_id, title FROM analytics.film_rating_agg"
        )
        assert stack.sql("WAREHOUSE", films) == []
        assert stack.sql("WAREHOUSE", titles) == []
        counted = "SELECT count(*), sum(ratings) FROM analytics.film_rating_agg"
        ratings = "SELECT (SELECT count(*) FROM content.film_work), (SELECT count(*) FROM content.film_rating)"
        assert stack.sql("WAREHOUSE", counted) == stack.sql("WAREHOUSE", ratings)

    def test_read_in_their_second_run_only_what_had_changed(self, stack: RunningStack) -> None:
        runs = stack.api.get("/api/v1/pipelines/film_ratings_new/runs").json()
        assert [each["rows_written"] for each in runs[-2:]] == [8, 1000]


class TestADemoRunAgain:
    def test_changes_nothing_but_the_films_that_have_news_each_time(self, stack: RunningStack) -> None:
        again = stack.command("demo")
        assert again.returncode == 0, again.stdout
        assert "incremental, the first" not in again.stdout
        runs = stack.api.get("/api/v1/pipelines/film_ratings_new/runs?limit=2").json()
        assert [each["rows_written"] for each in runs] == [8, 0]
        [(unchanged,)] = stack.sql(
            "WAREHOUSE", "SELECT unchanged FROM dataops.ledger WHERE target = 'objects.flight' ORDER BY id DESC LIMIT 1"
        )
        assert unchanged == 336_776
