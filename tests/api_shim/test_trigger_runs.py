"""What triggers run: by hand, with which parameters, and what their history tells."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.models import AuditRow, RunRow
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.domain.trigger import EMAIL
from tests.api_shim.conftest import Api
from tests.api_shim.in_process import InProcessLauncher
from tests.api_shim.trigger_scenes import ETL, TRIGGERS, Triggers, problem, triggers, uuid_of

__all__ = ["triggers"]
ATTACKS: list[tuple[dict[str, Any], str]] = [
    ({"date": "{{ 7*7 }}"}, "parameters.date"),
    ({"date": "${7*7}"}, "parameters.date"),
    ({"date": "{% for x in range(999999999) %}x{% endfor %}"}, "parameters.date"),
    ({"date": "%(secret)s {0.__class__}"}, "parameters.date"),
    ({"notification_email": "a@b.c\r\nBcc: x@y.z"}, "parameters.notification_email"),
    ({"notification_email": "x' -oQ/dev/shm -X/dev/shm/a.php @b.c"}, "parameters.notification_email"),
    ({"notification_email": "{{ run_id }}@b.c"}, "parameters.notification_email"),
    ({"a": "{{" * 6000}, "parameters.a"),
    ({"a": ["x" * 70_000]}, "parameters"),
]


class TestRunningByHand:
    GIVEN = {"date": "2024-06-30", "full_refresh": True, "notification_email": "data-team@company.com"}

    def test_answers_as_the_document_prints_and_really_runs(self, triggers: Triggers) -> None:
        answer = triggers.manual(parameters=self.GIVEN)
        assert list(answer)[:5] == ["run_id", "pipeline_id", "status", "started_at", "parameters"]
        assert (answer["pipeline_id"], answer["status"]) == ("pipe_customer_sync_001", "running")
        assert answer["parameters"] == {"date": "2024-06-30", "full_refresh": True}
        assert answer["notification"]["email"] == "data-team@company.com"
        assert "DATAOPS_SMTP_URL" in answer["notification"]["problem"]
        run = triggers.finished(answer["run_id"])
        assert (run.state, run.trigger, run.kind, run.records_processed) == (
            RunState.SUCCEEDED,
            "manual",
            RunKind.ETL,
            10,
        )
        assert triggers.world.sql("SELECT count(*) FROM analytics.film_dim") == [(10,)]

    def test_says_in_dagster_what_it_works_with(self, triggers: Triggers, launcher: InProcessLauncher) -> None:
        triggers.manual(parameters={"date": "{{ execution_date }}"})
        [launch] = launcher.launched
        today = datetime.now(UTC).date().isoformat()
        assert launch.tags["dataops/trigger"] == "manual"
        assert launch.tags["dataops/parameters"] == f'{{"date": "{today}"}}'

    def test_runs_a_graph(self, triggers: Triggers, api: Api) -> None:
        api.pipeline("daily_etl")
        run = triggers.finished(triggers.manual("daily_etl", parameters={"full_refresh": True})["run_id"])
        assert (run.state, run.kind) == (RunState.SUCCEEDED, RunKind.PIPELINE)

    def test_runs_a_disabled_one_too(self, triggers: Triggers) -> None:
        triggers.pipeline(name="off", enabled=False)
        assert triggers.finished(triggers.manual("off")["run_id"]).state is RunState.SUCCEEDED

    def test_full_refresh_reads_all_rows_of_an_incremental_pipeline_again(self, triggers: Triggers) -> None:
        new = {"name": "new", "mode": "incremental", "target_table": "analytics.film_rating_agg"}
        triggers.pipeline(**new, lag_seconds=0)

        def read(**parameters: object) -> tuple[int, int]:
            run = triggers.finished(triggers.manual("new", parameters=parameters)["run_id"])
            assert run.state is RunState.SUCCEEDED, run.error
            [(there,)] = triggers.world.sql("SELECT count(*) FROM analytics.film_rating_agg")
            return run.records_processed, there

        assert read() == (10, 10)
        triggers.world.sql("DELETE FROM content.film_work WHERE id = 1")
        triggers.world.sql("UPDATE content.film_work SET updated_at = '2020-01-01' WHERE id = 2")
        assert read()[1] == 10
        assert read(full_refresh=True) == (9, 9)  # the deleted row is gone, too
        triggers.world.sql("INSERT INTO content.film_work VALUES (11, 'new', 1, now())")
        assert read()[1] == 10
        assert triggers.client.get(f"{ETL}/new").json()["mode"] == "incremental"

    def test_a_pipeline_that_runs_already_is_409(self, triggers: Triggers, launcher: InProcessLauncher) -> None:
        launcher.held = True
        first = triggers.manual()["run_id"]
        answer = triggers.client.post(f"{TRIGGERS}/manual/pipe_customer_sync_001", json={})
        assert problem(answer) == (409, [])
        assert str(uuid_of(first)) in answer.json()["detail"]

    def test_a_paused_run_is_not_resumed_by_it(self, triggers: Triggers, launcher: InProcessLauncher) -> None:
        launcher.held = True
        triggers.manual()
        triggers.client.post(f"{ETL}/pipe_customer_sync_001/pause")
        answer = triggers.client.post(f"{TRIGGERS}/manual/pipe_customer_sync_001")
        assert problem(answer) == (409, [])
        assert "paused" in answer.json()["detail"]

    def test_attacks_are_refused_and_nothing_runs(self, triggers: Triggers) -> None:
        for given, field in ATTACKS:
            answer = triggers.client.post(f"{TRIGGERS}/manual/pipe_customer_sync_001", json={"parameters": given})
            assert problem(answer) == (422, [field]), given
        assert triggers.runs() == 0

    def test_an_unknown_pipeline_is_404(self, triggers: Triggers) -> None:
        assert problem(triggers.client.post(f"{TRIGGERS}/manual/nobody", json={})) == (404, [])

    def test_the_same_idempotency_key_runs_it_once(self, triggers: Triggers) -> None:
        key = {"Idempotency-Key": new_id()}
        first, second = (triggers.manual(headers=key, parameters={"date": "2024-06-30"}) for _ in range(2))
        assert first == second
        other = triggers.client.post(f"{TRIGGERS}/manual/pipe_customer_sync_001", json={}, headers=key)
        assert problem(other) == (422, ["Idempotency-Key"])
        triggers.finished(first["run_id"])
        assert triggers.runs() == 1

    def test_in_the_name_of_a_trigger_its_parameters_are_the_defaults(self, triggers: Triggers) -> None:
        made = triggers.make(
            trigger_type="manual", cron_schedule=None, parameters={"region": "eu", "by": "{{ trigger_name }}"}
        )
        answer = triggers.manual(trigger_id=made["trigger_id"], parameters={"region": "us"})
        assert answer["parameters"] == {"region": "us", "by": "daily_customer_sync"}
        assert triggers.get(f"/{made['trigger_id']}/history")["total_executions"] == 1
        triggers.finished(answer["run_id"])
        told = triggers.make(trigger_type="manual", cron_schedule=None, name="t", parameters={EMAIL: "ann@example.com"})
        assert triggers.manual(trigger_id=told["trigger_id"])["notification"]["email"] == "ann@example.com"
        triggers.pipeline(name="other")
        refused = triggers.client.post(f"{TRIGGERS}/manual/other", json={"trigger_id": made["trigger_id"]})
        assert problem(refused) == (422, ["trigger_id"])


class TestHistory:
    STATES = [RunState.SUCCEEDED] * 24 + [RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT] + [RunState.RUNNING]

    def test_is_newest_first_and_counts_all(self, triggers: Triggers) -> None:
        id = triggers.make()["trigger_id"]
        began = datetime(2024, 6, 29, 2, 0, 10, tzinfo=UTC)
        with triggers.world.platform.catalogue() as session:
            for number, state in enumerate(self.STATES):
                at = began + timedelta(days=number)
                session.add(
                    RunRow(
                        id=new_id(),
                        kind=RunKind.ETL,
                        trigger="cron",
                        trigger_id=str(uuid_of(id)),
                        state=state,
                        started_at=at,
                        finished_at=at + timedelta(seconds=145) if state.ended else None,
                        records_processed=15430,
                    )
                )
                session.flush()
        found = triggers.get(f"/{id}/history?limit=5")
        assert (found["trigger_id"], found["total_executions"], found["success_rate"]) == (id, 28, 0.8889)
        assert [each["status"] for each in found["history"]] == [
            "running",
            "failed",
            "cancelled",
            "failed",
            "success",
        ]
        assert list(found["history"][1])[:5] == [
            "execution_id",
            "executed_at",
            "status",
            "duration_seconds",
            "rows_processed",
        ]
        assert (found["history"][1]["duration_seconds"], found["history"][1]["rows_processed"]) == (145, 15430)
        [listed] = triggers.get()["triggers"]
        assert (listed["execution_count"], listed["success_rate"]) == (28, 0.8889)
        assert listed["last_execution"] == found["history"][0]["executed_at"]

    def test_the_limit_is_1_to_500(self, triggers: Triggers) -> None:
        id = triggers.make()["trigger_id"]
        for limit in ("0", "501", "x", "-1"):
            assert problem(triggers.client.get(f"{TRIGGERS}/{id}/history?limit={limit}")) == (422, ["limit"])

    def test_every_change_is_in_the_audit(self, triggers: Triggers) -> None:
        id = triggers.make()["trigger_id"]
        triggers.put(f"/{id}/pause")
        triggers.put(f"/{id}/resume")
        triggers.client.delete(f"{TRIGGERS}/{id}")
        with triggers.world.platform.catalogue() as session:
            told = [
                row.action for row in session.query(AuditRow).order_by(AuditRow.id) if row.subject == str(uuid_of(id))
            ]
        assert told == ["trigger.create", "trigger.pause", "trigger.resume", "trigger.delete"]


class TestAParameterThatAQueryNames:
    FILMS = "SELECT id AS film_id, title, updated_at FROM content.film_work"
    QUERY = f"{FILMS} WHERE :date IS NULL OR updated_at::date = :date"

    def test_is_bound_there_and_null_where_it_is_not_given(self, triggers: Triggers) -> None:
        triggers.world.sql("UPDATE content.film_work SET updated_at = '2024-06-30' WHERE id < 4")
        triggers.pipeline(name="of a day", source_query=self.QUERY)

        def there(**parameters: object) -> int:
            run = triggers.finished(triggers.manual("of a day", parameters=parameters)["run_id"])
            assert run.state is RunState.SUCCEEDED, run.error
            assert triggers.client.get(f"{ETL}/of a day/reconciliation").json()["in_sync"]
            [(count,)] = triggers.world.sql("SELECT count(*) FROM analytics.film_dim")
            return int(count)

        assert (there(date="2024-06-30"), there(), there(date="2024-07-01")) == (3, 10, 0)

    def test_stays_a_value_whatever_it_holds(self, triggers: Triggers) -> None:
        triggers.pipeline(name="by title", source_query=f"{self.FILMS} WHERE title = :title")
        for title in ("'; DROP TABLE content.film_work; --", "\\' OR 1=1 --", "$$", "film 1' OR 'a'='a"):
            run = triggers.manual("by title", parameters={"title": title})["run_id"]
            assert triggers.finished(run).records_processed == 0
        listed = triggers.manual("by title", parameters={"title": ["a"]})["run_id"]
        assert "parameters.title" in str(triggers.finished(listed).error)
        assert triggers.world.sql("SELECT count(*) FROM content.film_work") == [(10,)]
