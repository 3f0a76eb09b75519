"""The nightly job: what it removes from Dagster and from the platform, and what it leaves."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import RunRow
from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.retention import retention_job, retention_schedule
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import RunKind
from dataops_defs.settings import PROJECT
from tests.scenes import World


@pytest.fixture
def instance(world: World, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The platform's own instance: runs and events in PostgreSQL, what runs print in the home."""
    from dagster._core.instance.ref import InstanceRef

    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path / "dagster"), config_dir=str(PROJECT))) as made:
        yield made


class InAYear(datetime):
    """A clock that is a year ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + timedelta(days=366)


@pytest.fixture
def in_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataops_defs.defs.retention.datetime", InAYear)


def retention(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return retention_job.execute_in_process(
        instance=instance, resources={"platform": PlatformResource()}, raise_on_error=False
    )


def shown(result: dg.ExecuteInProcessResult, op: str) -> dict[str, Any]:
    """The numbers that Dagster shows with an op's result."""
    [event] = [each for each in result.events_for_node(op) if each.is_successful_output]
    return {name: each.value for name, each in event.step_output_data.metadata.items()}


@dg.asset
def planes() -> None:
    print("3,322 planes")


class TestTheEventLog:
    def test_loses_old_runs_but_for_the_ones_an_asset_is_shown_by(
        self, world: World, instance: dg.DagsterInstance, in_a_year: None
    ) -> None:
        old, newest = (dg.materialize([planes], instance=instance).run_id for _ in range(2))
        with world.platform.catalogue() as session:
            session.add(RunRow(kind=RunKind.ASSETS, subject_name="planes", dagster_run_id=old))

        result = retention(instance)

        assert result.success
        assert instance.get_run_by_id(old) is None
        assert instance.get_run_by_id(newest) is not None
        assert [each.run_id for each in instance.fetch_materializations(planes.key, limit=9).records] == [newest]
        assert shown(result, "purge_event_log")["runs"] >= 1
        with world.platform.catalogue() as session:
            assert [row.dagster_run_id for row in session.query(RunRow)] == [old]

    def test_is_purged_page_by_page(
        self, world: World, instance: dg.DagsterInstance, in_a_year: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dataops_defs.defs.retention.BATCH", 2)
        runs = [dg.materialize([planes], instance=instance).run_id for _ in range(6)]
        retention(instance)
        assert [run for run in runs if instance.get_run_by_id(run)] == runs[-1:]

    def test_is_kept_for_ever_when_the_policy_says_so(
        self, world: World, instance: dg.DagsterInstance, in_a_year: None
    ) -> None:
        world.platform.settings.event_log_days = 0
        runs = [dg.materialize([planes], instance=instance).run_id for _ in range(2)]
        assert shown(retention(instance), "purge_event_log") == {"runs": 0}
        assert all(instance.get_run_by_id(run) for run in runs)


class TestWhatRunsPrinted:
    def test_goes_with_the_run_also_when_somebody_deleted_it_in_the_ui(
        self, world: World, instance: dg.DagsterInstance, in_a_year: None
    ) -> None:
        by_policy, by_hand, newest = (dg.materialize([planes], instance=instance).run_id for _ in range(3))
        instance.delete_run(by_hand)

        result = retention(instance)

        storage = world.platform.settings.home / "dagster" / "storage"
        left = {each.name for each in storage.iterdir()}
        assert not {by_policy, by_hand} & left
        assert newest in left
        assert shown(result, "purge_compute_logs")["folders"] >= 1
        assert shown(result, "purge_compute_logs")["bytes"] > 0


class TestADatasetExtractedAgainAndAgain:
    def test_keeps_its_current_copy_which_can_be_synced_a_year_later(
        self, world: World, instance: dg.DagsterInstance, in_a_year: None
    ) -> None:
        dataset = world.dataset(world.csv("planes.csv", "tail\nN1\nN2\n"))
        kind = world.object_type("plane", "tail", {"tail": {"type": "string"}})
        mapping = world.mapping(dataset, kind, {"tail": "tail"})
        world.platform.settings.raw_keep = 1
        definitions = build_definitions(read_state())

        def run(job: str, **config: str) -> dg.ExecuteInProcessResult:
            run_config = {"ops": {op_name(job): {"config": config}}} if config else {}
            return definitions.resolve_job_def(job).execute_in_process(run_config, instance=instance)

        for _ in range(3):
            run("extract_dataset", subject_id=dataset)
        purged = run("retention")

        with world.platform.catalogue() as session:
            current = Datasets(session).get(dataset).raw_uri or ""
        folder = current.rpartition("/")[0]
        assert [copy.uri for copy in world.platform.raw_store.copies(folder)] == [current]
        assert shown(purged, "purge_raw_copies")["superseded"] == 2
        assert run("sync_mapping", subject_id=mapping).success
        assert world.sql("SELECT count(*) FROM objects.plane") == [(2,)]


class TestTheJob:
    def test_tells_what_each_purge_removed(self, world: World, instance: dg.DagsterInstance) -> None:
        export = world.platform.settings.home / "exports" / "sales.xlsx"
        export.parent.mkdir(parents=True)
        export.write_bytes(b"x" * 500)
        os.utime(export, (time.time() - 31 * 86_400,) * 2)

        result = retention(instance)

        assert shown(result, "purge_exports") == {"items": 1, "bytes": 500}
        assert shown(result, "purge_rejects") == {"items": 0, "bytes": 0}
        assert shown(result, "purge_raw_copies") == {"superseded": 0, "unaccounted": 0, "unfinished": 0, "bytes": 0}
        assert shown(result, "purge_idempotency_keys") == {"keys": 0}
        assert not export.exists()

    def test_goes_on_when_one_purge_fails(self, world: World, instance: dg.DagsterInstance) -> None:
        world.dataset(world.csv("planes.csv", "tail\nN1\n"))
        world.platform.settings.raw_store = "ftp://nowhere"
        result = retention(instance)
        failed = {each.step_key for each in result.get_step_failure_events()}
        done = {each.step_key for each in result.all_events if each.is_step_success}
        assert not result.success
        assert failed == {"purge_raw_copies", "purge_imported_files"}
        assert done == {node.name for node in retention_job.nodes} - failed

    def test_runs_every_night_by_itself(self) -> None:
        assert retention_schedule.cron_schedule == "30 3 * * *"
        assert retention_schedule.default_status is dg.DefaultScheduleStatus.RUNNING
