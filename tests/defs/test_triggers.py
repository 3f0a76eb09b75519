"""Triggers in Dagster: schedules that make one run a tick, sensors that make one run a file, with what they know."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.models import AuditRow, PipelineRow
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.trigger_rows import TriggerFiringRow
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.triggers import mail_ends
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.domain.trigger_template import template
from dataops_defs.flows.outbox import due_launches
from tests.flows.etl_scenes import TABLE, more, pipeline
from tests.scenes import World
from tests.trigger_scenes import launch_again, pause, runs_of, skip_of, trigger

TICK = datetime(2024, 6, 30, 17, 0, tzinfo=UTC)
FILES: dict[str, Any] = {"folder_path": "incoming", "patterns": ["*.csv"], "recursive": False}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def films(world: World) -> World:
    world.sql(TABLE)
    more(world, 1, 10)
    (world.files / "incoming").mkdir()
    return world


def evaluated(instance: dg.DagsterInstance, name: str, tick: datetime = TICK) -> dg.RunRequest | str:
    """What the schedule of that name makes of a tick: a request, or a sentence."""
    schedule = build_definitions(read_state()).resolve_schedule_def(name)
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=tick, resources={"platform": PlatformResource()}
    )
    said = schedule.evaluate_tick(context)
    return said.run_requests[0] if said.run_requests else str(said.skip_message)


def carried_out(instance: dg.DagsterInstance, request: dg.RunRequest, job: str = "run_etl") -> None:
    done = build_definitions(read_state()).resolve_job_def(job)
    assert done.execute_in_process(request.run_config, tags=dict(request.tags), instance=instance).success


class TestATick:
    def test_makes_a_run_that_knows_its_day_in_the_triggers_own_time_zone(
        self, films: World, instance: dg.DagsterInstance
    ) -> None:
        given = {
            "date": "{{ execution_date }}",
            "before": "{{ previous_execution_date }}",
            "file": '{{ execution_date | days(-1) | format("%Y%m%d") }}.csv',
            "run": "{{ run_id }}",
        }
        id = trigger(films, pipeline(films), name="Daily", cron="0 2 * * *", timezone="Asia/Tokyo", parameters=given)
        request = evaluated(instance, "trigger__daily")
        assert isinstance(request, dg.RunRequest)
        carried_out(instance, request)

        [run] = runs_of(films, id)
        assert (run.state, run.kind, run.trigger, run.records_processed) == (
            RunState.SUCCEEDED,
            RunKind.ETL,
            "cron",
            10,
        )
        assert run.parameters["parameters"] == {
            "date": "2024-07-01",
            "before": "2024-06-30",
            "file": "20240630.csv",
            "run": f"run_{run.id.replace('-', '')}",
        }
        assert request.tags["dataops/trigger"] == "cron"
        assert request.tags["dataops/trigger_id"] == id
        assert '"date": "2024-07-01"' in request.tags["dataops/parameters"]
        with films.platform.catalogue() as session:
            [line] = session.query(AuditRow).filter(AuditRow.action == "etl.run")
        assert line.actor == "schedule:trigger__daily"

    def test_is_taken_once_and_launched_by_the_outbox_if_the_scheduler_dies(
        self, films: World, instance: dg.DagsterInstance
    ) -> None:
        id = trigger(films, pipeline(films), name="Daily")
        first = evaluated(instance, "trigger__daily")
        second = evaluated(instance, "trigger__daily")
        [run] = runs_of(films, id)
        assert isinstance(first, dg.RunRequest)
        assert second == f"Taken already, by run run_{run.id.replace('-', '')}"
        launch_again(films)
        [launch] = due_launches(films.platform)
        assert (launch.run_id, launch.job) == (run.id, "run_etl")

    def test_passes_while_the_pipeline_is_disabled_at_work_or_gone(
        self, films: World, instance: dg.DagsterInstance
    ) -> None:
        etl = pipeline(films, enabled=False)
        id = trigger(films, etl, name="Daily")
        assert evaluated(instance, "trigger__daily") == "Passed over: Pipeline 'film_dim_full' is disabled"
        assert skip_of(films, id) == "Pipeline 'film_dim_full' is disabled"
        with films.platform.catalogue() as session:
            EtlPipelines(session).get(etl).enabled = True
        assert "Taken already" in str(evaluated(instance, "trigger__daily"))
        assert isinstance(evaluated(instance, "trigger__daily", TICK + timedelta(days=1)), dg.RunRequest)
        assert "RUN_REQUESTED already" in str(evaluated(instance, "trigger__daily", TICK + timedelta(days=2)))
        assert len(runs_of(films, id)) == 1

    def test_runs_a_graph_unless_that_is_paused(self, films: World, instance: dg.DagsterInstance) -> None:
        source = films.csv("planes.csv", "tail\nN1\n")
        graph = films.pipeline("daily_etl", {"dataset": films.dataset(source)})
        id = trigger(films, "daily_etl", name="Daily")
        with films.platform.catalogue() as session:
            Pipelines(session).get(graph).status = DefinitionStatus.PAUSED
        assert "is paused" in str(evaluated(instance, "trigger__daily"))
        with films.platform.catalogue() as session:
            Pipelines(session).get(graph).status = DefinitionStatus.ACTIVE
        request = evaluated(instance, "trigger__daily", TICK + timedelta(days=1))
        assert isinstance(request, dg.RunRequest)
        carried_out(instance, request, "execute_pipeline")
        assert [run.state for run in runs_of(films, id)] == [RunState.SUCCEEDED]

    def test_of_a_paused_trigger_that_dagster_has_not_heard_of_yet_makes_none(
        self, films: World, instance: dg.DagsterInstance
    ) -> None:
        id = trigger(films, pipeline(films), name="Daily")
        pause(films, id)
        assert "was paused at" in str(evaluated(instance, "trigger__daily"))
        assert runs_of(films, id) == []

    def test_that_lies_ahead_may_be_tried_out_and_is_not_used_up(
        self, films: World, instance: dg.DagsterInstance
    ) -> None:
        id = trigger(films, pipeline(films), name="Daily")
        assert "still to come" in str(evaluated(instance, "trigger__daily", datetime.now(UTC) + timedelta(hours=1)))
        assert runs_of(films, id) == []
        with films.platform.catalogue() as session:
            assert session.query(TriggerFiringRow).count() == 0

    def test_what_a_worker_is_asked_to_read_in_full_it_reads_in_full(
        self, films: World, instance: dg.DagsterInstance
    ) -> None:
        etl = pipeline(films, "incremental")
        id = trigger(films, etl, name="Daily", parameters={"full_refresh": True})
        for day in range(2):
            request = evaluated(instance, "trigger__daily", TICK + timedelta(days=day))
            assert isinstance(request, dg.RunRequest)
            carried_out(instance, request)
        assert [run.records_processed for run in runs_of(films, id)] == [10, 10]


class TestDefinitions:
    def test_a_broken_pipeline_sets_its_triggers_aside_and_the_rest_loads(self, films: World) -> None:
        trigger(films, pipeline(films), name="Sound")
        films.pipeline("broken", {"dataset": films.dataset(films.csv("a.csv", "a\n1\n"))})
        trigger(films, "broken", name="Unsound")
        with films.platform.catalogue() as session:
            session.query(PipelineRow).update({PipelineRow.nodes: [{"id": "x", "type": "dataset", "data": {}}]})
        loaded = build_definitions(read_state())
        names = {each.name for each in loaded.schedules or ()}
        assert "trigger__sound" in names
        assert "trigger__unsound" not in names
        with films.platform.catalogue() as session:
            problems = {row.name: row.problem for row in Triggers(session).of_pipeline(None, limit=9)[0]}
        assert problems == {"Sound": None, "Unsound": "the pipeline it is built on is missing or broken"}

    def test_the_sensor_that_sends_mail_says_what_it_did(self, films: World, instance: dg.DagsterInstance) -> None:
        context = dg.build_sensor_context(instance=instance, resources={"platform": PlatformResource()})
        assert mail_ends.evaluate_tick(context).skip_message == "0 messages sent, 0 to be tried again"


class Watcher:
    """The sensor of a file trigger, look by look."""

    def __init__(self, world: World, instance: dg.DagsterInstance, **more: Any) -> None:
        self.world, self.instance = world, instance
        self.id = trigger(world, pipeline(world), "file", name="Arrivals", file=FILES, **more)
        self.sensor = build_definitions(read_state()).resolve_sensor_def("trigger__arrivals")
        self.cursor: str | None = None

    def write(self, name: str, text: str, seconds: int = 0) -> None:
        path = self.world.files / "incoming" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (1_700_000_000 + seconds, 1_700_000_000 + seconds))

    def look(self) -> list[dg.RunRequest] | str:
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"platform": PlatformResource()}
        )
        said = self.sensor.evaluate_tick(context)
        self.cursor = said.cursor or self.cursor
        return said.run_requests or str(said.skip_message)

    def looks(self, times: int = 2) -> list[str]:
        """Paths of the files that several looks have made runs for, all of which are carried out."""
        before = len(runs_of(self.world, self.id))
        for _ in range(times):
            found = self.look()
            for each in found if isinstance(found, list) else ():
                carried_out(self.instance, each)
        return [run.parameters["parameters"]["path"] for run in runs_of(self.world, self.id)[before:]]


class TestAFile:
    GIVEN = {"path": "{{ file_path }}", "name": "{{ file_name }}"}

    @pytest.fixture
    def watcher(self, films: World, instance: dg.DagsterInstance) -> Watcher:
        (films.files / "incoming" / "old.csv").write_text("a\n1\n")
        return Watcher(films, instance, parameters=self.GIVEN)

    def test_makes_one_run_once_it_has_stopped_growing(self, watcher: Watcher) -> None:
        assert watcher.looks() == []  # what was there before is no news
        watcher.write("new.csv", "a\n")
        watcher.write("new.txt", "a\n")
        assert watcher.looks(1) == []
        watcher.write("new.csv", "a\n1\n", seconds=1)
        assert watcher.looks(1) == []
        assert watcher.looks(1) == ["incoming/new.csv"]
        assert watcher.looks(3) == []
        assert watcher.look() == "The folder is as it was"
        watcher.write("new.csv", "a\n2\n", seconds=2)  # another version
        assert watcher.looks() == ["incoming/new.csv"]
        [run, _] = runs_of(watcher.world, watcher.id)
        assert (run.trigger, run.parameters["parameters"]["name"]) == ("file", "new.csv")

    def test_that_vanishes_and_comes_back_is_no_other_one_and_a_lost_folder_is_told(self, watcher: Watcher) -> None:
        watcher.write("new.csv", "a\n1\n")
        assert watcher.looks() == ["incoming/new.csv"]
        folder = watcher.world.files / "incoming"
        folder.rename(watcher.world.files / "away")
        assert "incoming" in str(watcher.look())
        (watcher.world.files / "away").rename(folder)
        assert watcher.looks(3) == []

    def test_waits_for_a_pipeline_that_is_at_work_or_disabled(self, watcher: Watcher) -> None:
        for name in ("a.csv", "b.csv"):
            watcher.write(name, "a\n1\n")
        watcher.look()
        [first] = watcher.look()
        assert isinstance(watcher.look(), str)  # the second waits for the first
        with watcher.world.platform.catalogue() as session:
            [row] = EtlPipelines(session).page(limit=1)[0]
            row.enabled = False
        carried_out(watcher.instance, first)
        assert watcher.looks() == []
        with watcher.world.platform.catalogue() as session:
            EtlPipelines(session).get(row.id).enabled = True
        assert watcher.looks() == ["incoming/b.csv"]

    def test_is_taken_once_by_two_sensors_and_by_one_that_forgot_its_cursor(self, watcher: Watcher) -> None:
        watcher.write("new.csv", "a\n1\n")
        watcher.looks()
        watcher.cursor = None
        assert watcher.looks(3) == []

    def test_of_thousands_all_are_kept_in_mind_in_a_small_cursor(self, watcher: Watcher) -> None:
        folder = watcher.world.files / "incoming"
        for number in range(3_000):
            (folder / f"{number:05d}.csv").touch()
        watcher.look()
        assert len(watcher.cursor or "") < 64_000
        assert watcher.looks(2) == ["incoming/00000.csv", "incoming/00001.csv"]  # one after the other, none is left out


def test_a_template_is_looked_up_and_never_evaluated() -> None:
    known = frozenset({"payload", "execution_date"})
    values = {"payload": {"a": "{{ execution_date }}", "__class__": "text"}}
    assert template("{{ payload.a }}", known).fill(values) == "{{ execution_date }}"
    assert template("{{ payload.__class__ }}", known).fill(values) == "text"
