"""Alerts in Dagster: a run that really fails, the sensor that tells of it, and the purge of what was told."""

from collections.abc import Iterator

import dagster as dg
import pytest
from sqlalchemy import text

from dataops_defs.catalogue.alert_rows import AlertDeliveryRow
from dataops_defs.defs.alerts import AlertsNotDelivered, deliver_alerts
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.retention import retention_job
from dataops_defs.domain.alerts import MOST_TRIES
from dataops_defs.domain.naming import op_name
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.alert_scenes import alert, deliveries, ended, hook, long_ago, take_mail_to, told
from tests.flows.delivery_scenes import rest
from tests.mailbox import Mailbox
from tests.scenes import World

__all__ = ["rest"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def extract(instance: dg.DagsterInstance, dataset: str) -> bool:
    job = build_definitions(read_state()).resolve_job_def("extract_dataset")
    config = {"ops": {op_name("extract_dataset"): {"config": {"subject_id": dataset}}}}
    return job.execute_in_process(config, instance=instance, raise_on_error=False).success


def tick(instance: dg.DagsterInstance) -> str:
    """What the sensor says of one turn."""
    context = dg.build_sensor_context(instance=instance, resources={"platform": PlatformResource()})
    said = deliver_alerts.evaluate_tick(context)
    assert said.run_requests == []
    return said.skip_message or ""


class TestADatasetWhoseFileIsGone:
    def test_is_told_of_by_mail_and_to_a_webhook_and_once_more_when_it_works_again(
        self, world: World, instance: dg.DagsterInstance, rest: RestServer
    ) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tail\nN1\n"))
        file = world.files / "planes.csv"
        content = file.read_bytes()
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            alert(world, "run_failed", filter={"subject_id": dataset})
            alert(world, "run_recovered", to=hook(rest), filter={"kind": "extract"})

            assert extract(instance, dataset)
            file.unlink()
            assert not extract(instance, dataset)
            file.write_bytes(content)
            assert extract(instance, dataset)

            assert tick(instance).startswith("2 messages sent, 0 to be tried again")
            assert mailbox.subjects == ["[DataOps] extract of 'Aircraft' failed"]
            assert "planes.csv" in mailbox.messages[0].get_content()
            assert [asked.body["event"] for asked in rest.asked] == ["run_recovered"]
            assert tick(instance).startswith("0 messages sent")


class TestATick:
    def test_fails_in_dagster_when_a_message_is_given_up(
        self, world: World, instance: dg.DagsterInstance, rest: RestServer
    ) -> None:
        rest.answers("/hook", Reply({}, 500))
        wanted = alert(world, "run_failed", to=hook(rest), name="Pager")
        ended(world)
        assert tick(instance).startswith("0 messages sent, 1 to be tried again")
        with world.platform.catalogue() as session:
            row = session.get_one(AlertDeliveryRow, deliveries(world, wanted)[0].id)
            row.tries, row.due_at = MOST_TRIES - 1, row.created_at

        with pytest.raises(AlertsNotDelivered, match=r"'Pager': 127\.0\.0\.1 answered with 500"):
            tick(instance)
        assert tick(instance).startswith("0 messages sent, 0 to be tried again")

    def test_notes_what_was_not_refreshed_in_time(self, world: World, instance: dg.DagsterInstance) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tail\nN1\n"))
        wanted = alert(world, "freshness", thresholds={"stale_minutes": 60})
        assert extract(instance, dataset)
        tick(instance)
        assert told(world, wanted) == []

        with world.platform.catalogue() as session:
            session.execute(text("UPDATE dataset SET last_extracted_at = now() - interval '61 minutes'"))
        assert "1 definitions newly out of date" in tick(instance)
        assert "0 definitions newly out of date" in tick(instance)
        assert told(world, wanted) == ["freshness"]

    def test_belongs_to_a_sensor_that_runs_by_itself(self) -> None:
        found = build_definitions({}).get_sensor_def("deliver_alerts")
        assert found.default_status is dg.DefaultSensorStatus.RUNNING


class TestRetention:
    def test_forgets_what_was_told_long_ago(self, world: World, instance: dg.DagsterInstance) -> None:
        wanted = alert(world, "run_failed")
        for _ in range(3):
            ended(world)
        old, *_ = deliveries(world, wanted)
        long_ago(world, AlertDeliveryRow, old.id, days=91)

        result = retention_job.execute_in_process(
            instance=instance, resources={"platform": PlatformResource()}, raise_on_error=False
        )

        [done] = [each for each in result.events_for_node("purge_alert_deliveries") if each.is_successful_output]
        assert done.step_output_data.metadata["events"].value == 1
        assert len(deliveries(world, wanted)) == 2
