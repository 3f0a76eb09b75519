"""Triggers over HTTP, as document 000 prints them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from dataops_defs.catalogue.models import ScheduleRow
from dataops_defs.domain.run import RunState
from tests.api_shim.conftest import Api
from tests.api_shim.holders import holder
from tests.api_shim.trigger_scenes import DAILY, ETL, TRIGGERS, Triggers, triggers

__all__ = ["triggers"]
CREATED = "trigger_id name pipeline_id trigger_type cron_schedule next_execution status created_at timezone parameters"
LISTED = (
    "trigger_id name pipeline_id trigger_type cron_schedule status last_execution next_execution execution_count"
    " success_rate"
)

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cron_schedule": "* * * * * *"}, "cron_schedule"),
    ({"cron_schedule": "99 * * * *"}, "cron_schedule"),
    ({"cron_schedule": "*/0 * * * *"}, "cron_schedule"),
    ({"cron_schedule": ""}, "cron_schedule"),
    ({"cron_schedule": "0 0 30 2 *"}, "cron_schedule"),
    ({"cron_schedule": "60 24 32 13 8"}, "cron_schedule"),
    ({"cron_schedule": None}, "cron_schedule"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": ""}, "timezone"),
    ({"trigger_type": "manual", "cron_schedule": None, "timezone": ""}, "timezone"),
    ({"trigger_type": "webhook"}, "cron_schedule"),
    ({"trigger_type": "file", "cron_schedule": None}, "file"),
    ({"file": {"folder_path": "x"}}, "file"),
    ({"trigger_type": "moon"}, "trigger_type"),
    ({"name": ""}, "name"),
    ({"name": "…"}, "name"),
    ({"color": "red"}, "color"),
    ({"enabled": "yes"}, "enabled"),
    ({"parameters": {"date": "{{ tomorrow }}"}}, "parameters.date"),
    ({"parameters": {"date": "{{ 7*7 }}"}}, "parameters.date"),
    ({"parameters": {"date": "{% for x in y %}"}}, "parameters.date"),
    ({"parameters": {"date": "{{ payload.x }}"}}, "parameters.date"),
    ({"parameters": {"date": "{{ execution_date.__class__ }}"}}, "parameters.date"),
    ({"parameters": {"date": "30.06.2024"}}, "parameters.date"),
    ({"parameters": {"year": '{{ previous_execution_date | default("none") | format("%Y") }}'}}, "parameters.year"),
    ({"parameters": {"year": "{{ previous_execution_date | default(1) | days(1) }}"}}, "parameters.year"),
    ({"parameters": {"full_refresh": "yes"}}, "parameters.full_refresh"),
    ({"parameters": {"notification_email": "a@b.c\r\nBcc: x@y.z"}}, "parameters.notification_email"),
    ({"parameters": {"deep": {"er": ["{{ nothing }}"]}}}, "parameters.deep"),
]


class TestMakingATrigger:
    def test_answers_as_the_document_prints(self, triggers: Triggers) -> None:
        made = triggers.make()
        assert " ".join(made) == CREATED
        assert {name: made[name] for name in ("name", "pipeline_id", "trigger_type", "cron_schedule", "status")} == {
            **{name: DAILY[name] for name in ("name", "pipeline_id", "trigger_type", "cron_schedule")},
            "status": "active",
        }
        following = datetime.fromisoformat(made["next_execution"])
        assert (following.hour, following.minute, made["next_execution"][-1]) == (2, 0, "Z")
        assert timedelta(0) < following - datetime.now(UTC) <= timedelta(days=1)
        [listed] = triggers.get("?pipeline_id=pipe_customer_sync_001")["triggers"]
        assert " ".join(listed)[: len(LISTED)] == LISTED
        assert (listed["execution_count"], listed["success_rate"], listed["last_execution"]) == (0, 0, None)

    def test_the_short_form_of_the_use_case_is_enough(self, triggers: Triggers) -> None:
        triggers.pipeline(name="pipe_001")
        body = {"name": "hourly_sync", "pipeline_id": "pipe_001", "trigger_type": "cron", "cron_schedule": "0 * * * *"}
        assert triggers.client.post(f"{TRIGGERS}/create", json=body).json()["status"] == "active"

    def test_ticks_come_in_the_triggers_own_time_zone(self, triggers: Triggers) -> None:
        made = triggers.make(timezone="Asia/Tokyo", cron_schedule="30 9 * * *")
        assert made["next_execution"][10:19] == "T00:30:00"

    def test_a_pipeline_may_have_several_and_each_has_a_schedule_of_its_own(self, triggers: Triggers) -> None:
        triggers.make()
        triggers.make(name="Hourly sync", cron_schedule="0 * * * *")
        with triggers.world.platform.catalogue() as session:
            kept = [(each.name, each.subject_kind, each.cron) for each in session.query(ScheduleRow)]
        assert sorted(kept) == [
            ("trigger__daily_customer_sync", "trigger", "0 2 * * *"),
            ("trigger__hourly_sync", "trigger", "0 * * * *"),
        ]

    def test_a_pipeline_is_named_by_its_id_too_and_may_be_a_graph(self, triggers: Triggers, api: Api) -> None:
        graph = api.pipeline("daily_etl")
        etl = triggers.client.get(ETL).json()[0]
        by_id = triggers.make(pipeline_id=etl["id"])
        with_prefix = triggers.make(name="b", pipeline_id=f"pipe_{graph['id'].replace('-', '')}")
        by_name = triggers.make(name="c", pipeline_id="daily_etl")
        shown = [each["pipeline_id"] for each in (by_id, with_prefix, by_name)]
        assert shown == [etl["id"], graph["id"], "daily_etl"]
        assert triggers.get("?pipeline_id=daily_etl")["total"] == 2
        assert triggers.get(f"?pipeline_id={etl['id']}")["total"] == 1
        assert triggers.get("?pipeline_id=nobody") == {"triggers": [], "total": 0}
        assert triggers.get()["total"] == 3

    def test_a_name_that_two_pipelines_have_is_no_name(self, triggers: Triggers, api: Api) -> None:
        api.pipeline("pipe_customer_sync_001")
        assert triggers.refused() == (409, [])

    def test_a_second_of_the_same_name_is_409(self, triggers: Triggers) -> None:
        triggers.make()
        assert triggers.refused() == (409, [])

    def test_an_unknown_pipeline_is_404(self, triggers: Triggers) -> None:
        assert triggers.refused(pipeline_id="nobody") == (404, [])

    def test_what_is_wrong_is_named(self, triggers: Triggers) -> None:
        for more, field in WRONG:
            assert triggers.refused(**more) == (422, [field]), more
        assert triggers.get()["total"] == 0

    def test_one_that_is_not_enabled_is_made_paused(self, triggers: Triggers) -> None:
        made = triggers.make(enabled=False)
        assert (made["status"], made["next_execution"]) == ("paused", None)


class TestAFileTrigger:
    def test_names_its_folder_and_patterns(self, triggers: Triggers, files: Path) -> None:
        (files / "incoming").mkdir()
        wanted = {"folder_path": "incoming", "patterns": ["*.csv"], "recursive": True}
        given = {"trigger_type": "file", "cron_schedule": None, "parameters": {"path": "{{ file_path }}"}}
        made = triggers.make(**given, file=wanted)
        assert (made["file"], made["next_execution"], made["cron_schedule"]) == (wanted, None, None)
        assert triggers.get(f"/{made['trigger_id']}")["file"] == wanted
        for file, field in (
            ({"folder_path": "nowhere"}, "file.folder_path"),
            ({"folder_path": "../.."}, "file.folder_path"),
            ({"folder_path": "/etc"}, "file.folder_path"),
            ({"folder_path": "incoming\n"}, "file.folder_path"),
            ({"folder_path": ""}, "file.folder_path"),
            ({"folder_path": "incoming", "patterns": ["../*"]}, "file.patterns"),
            ({"folder_path": "incoming", "patterns": ["*a*b*c*d*e*f*g*h*i*j"]}, "file.patterns"),
            ({"folder_path": "incoming", "patterns": []}, "file.patterns"),
            ({"patterns": ["*"]}, "file.folder_path"),
        ):
            assert triggers.refused(**given, name="other", file=file) == (422, [field]), file
        assert triggers.get()["total"] == 1


class TestPausing:
    def test_pause_and_resume_answer_as_the_document_prints(self, triggers: Triggers) -> None:
        id = triggers.make()["trigger_id"]
        paused = triggers.put(f"/{id}/pause")
        assert list(paused) == ["trigger_id", "status", "paused_at"]
        assert (paused["trigger_id"], paused["status"]) == (id, "paused")
        assert triggers.put(f"/{id}/pause") == paused
        assert [triggers.get(f"/{id}")[name] for name in ("status", "next_execution")] == ["paused", None]
        resumed = triggers.put(f"/{id}/resume")
        assert (resumed["status"], resumed["next_execution"] is None) == ("active", False)
        assert triggers.get(f"/{id}")["status"] == "active"

    def test_dagster_is_told_again_of_what_the_row_says_already(self, triggers: Triggers) -> None:
        """Somebody may have turned it there a moment ago: the last one who asks is right."""
        id = triggers.make()["trigger_id"]
        for turn, enabled in (("pause", False), ("pause", False), ("resume", True), ("resume", True)):
            with triggers.world.platform.catalogue() as session:
                session.query(ScheduleRow).one().pending = False
            triggers.put(f"/{id}/{turn}")
            with triggers.world.platform.catalogue() as session:
                row = session.query(ScheduleRow).one()
                assert (row.enabled, row.pending) == (enabled, True)

    def test_a_deleted_one_is_gone_and_its_runs_stay(self, triggers: Triggers) -> None:
        id = triggers.make()["trigger_id"]
        run = triggers.manual(trigger_id=id)["run_id"]
        triggers.finished(run)
        deleted = triggers.client.delete(f"{TRIGGERS}/{id}").json()
        assert (deleted["trigger_id"], deleted["status"]) == (id, "deleted")
        for method, path in (("GET", ""), ("GET", "/history"), ("PUT", "/pause"), ("PUT", "/resume"), ("DELETE", "")):
            assert triggers.client.request(method, f"{TRIGGERS}/{id}{path}").status_code == 404
        assert triggers.run(run).state is RunState.SUCCEEDED
        with triggers.world.platform.catalogue() as session:
            assert session.query(ScheduleRow).count() == 0
        triggers.make()  # its name is free again

    def test_an_ill_formed_id_is_404(self, client: TestClient) -> None:
        for id in ("trigger_abc123", "x", "trigger_", "%00", "../../etc/passwd", "0" * 32):
            assert client.put(f"{TRIGGERS}/{id}/pause").status_code == 404


class TestAPipelineWithTriggers:
    def test_cannot_be_deleted_and_says_by_what_it_is_used(self, triggers: Triggers, api: Api) -> None:
        etl = triggers.client.get(ETL).json()[0]
        graph = api.pipeline("daily_etl")
        id = triggers.make()["trigger_id"]
        triggers.make(name="other", pipeline_id="daily_etl")
        refused = triggers.client.delete(f"{ETL}/{etl['id']}")
        assert refused.status_code == 409
        assert "trigger 'daily_customer_sync'" in refused.json()["detail"]
        refused = triggers.client.delete(f"/api/v1/dataops/pipelines/{graph['id']}")
        assert refused.status_code == 409
        assert "trigger 'other'" in refused.json()["detail"]
        triggers.client.delete(f"{TRIGGERS}/{id}")
        assert triggers.client.delete(f"{ETL}/{etl['id']}").status_code == 204


class TestWhoMay:
    def test_viewers_read_only(self, triggers: Triggers, api: Api, app: FastAPI) -> None:
        id = triggers.make()["trigger_id"]
        viewer = holder(api, app, "Vera", "viewer").client
        for method, path in (
            ("POST", "/create"),
            ("POST", "/manual/pipe_customer_sync_001"),
            ("PUT", f"/{id}/pause"),
            ("DELETE", f"/{id}"),
            ("POST", f"/{id}/secret"),
        ):
            assert viewer.request(method, f"{TRIGGERS}{path}", json={}).status_code == 403
        assert viewer.get(f"{TRIGGERS}/{id}/history").status_code == 200
        assert TestClient(app).get(TRIGGERS).status_code == 401

    def test_who_may_not_use_a_source_cannot_have_it_read_by_a_trigger(
        self, triggers: Triggers, api: Api, app: FastAPI
    ) -> None:
        graph = api.pipeline("daily_etl")
        source = next(node["data"]["sourceId"] for node in graph["nodes"] if node["type"] == "source")
        editor = holder(api, app, "Edda", "editor").client
        grants = {"grants": [{"role": "viewer", "may": "see"}]}
        assert api.client.put(f"/api/v1/dataops/sources/{source}/grants", json=grants).status_code == 200
        body = {**DAILY, "pipeline_id": "daily_etl"}
        assert editor.post(f"{TRIGGERS}/create", json=body).status_code == 403
        assert editor.post(f"{TRIGGERS}/manual/daily_etl", json={}).status_code == 403
        assert editor.post(f"{TRIGGERS}/create", json=DAILY).status_code == 200
