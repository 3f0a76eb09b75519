"""What the project's ``dagster.yaml`` makes of an instance, opened as Dagster opens it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from dagster import AssetMaterialization, DagsterInstance, asset, materialize
from dagster._core.test_utils import create_run_for_test

from dataops_defs.instance.coordinator import AtOnceRunCoordinator
from dataops_defs.instance.storage import EnvStorage
from dataops_defs.instance.warm_launcher import WarmRunLauncher
from dataops_defs.settings import PROJECT, Settings
from tests.services.test_bootstrap import ask


@pytest.fixture
def instance(settings: Settings, tmp_path: Path) -> Iterator[DagsterInstance]:
    """As ``dagster dev`` opens it: a temporary home, the configuration of the checkout."""
    from dagster._core.instance.ref import InstanceRef

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(temporary), config_dir=str(PROJECT))) as opened:
        yield opened


class TestTheInstance:
    def test_runs_are_kept_in_the_database_of_the_settings(self, instance: DagsterInstance, settings: Settings) -> None:
        @asset
        def planes() -> None: ...

        result = materialize([planes], instance=instance)

        kept = ask(settings.url("instance"), f"SELECT status FROM runs WHERE run_id = '{result.run_id}'")
        assert kept == [("SUCCESS",)]

    def test_no_address_of_a_database_is_passed_from_process_to_process(self, instance: DagsterInstance) -> None:
        assert "postgresql" not in str(instance.get_ref().to_dict())
        assert instance.get_ref().to_dict()["storage_data"].class_name == EnvStorage.__name__

    def test_what_runs_print_is_kept_in_the_platforms_home(self, instance: DagsterInstance, settings: Settings) -> None:
        @asset
        def planes() -> AssetMaterialization | None:
            print("3,322 planes")

        materialize([planes], instance=instance)

        printed = [path for path in settings.home.rglob("*.out") if "3,322 planes" in path.read_text()]
        assert len(printed) == 1

    def test_it_monitors_runs_limits_them_and_sends_no_telemetry(self, instance: DagsterInstance) -> None:
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 86_400
        assert not instance.telemetry_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 4

    def test_it_launches_at_once_and_warm(self, instance: DagsterInstance) -> None:
        assert isinstance(instance.run_launcher, WarmRunLauncher)
        assert isinstance(instance.run_coordinator, AtOnceRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config.max_user_code_failure_retries > 0

    def test_no_tag_of_a_run_is_lost_to_what_others_write_in_the_same_moment(self, instance: DagsterInstance) -> None:
        run = create_run_for_test(instance, "planes")
        tags = {f"tag {n}": str(n) for n in range(20)}

        def write(item: tuple[str, str]) -> None:
            instance.add_run_tags(run.run_id, dict([item]))
            instance.report_run_canceling(run)

        with ThreadPoolExecutor(10) as people:
            list(people.map(write, tags.items()))
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert tags.items() <= found.tags.items()


class TestTheWorkspace:
    def test_it_names_the_one_code_location(self) -> None:
        workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text())

        assert workspace["load_from"] == [
            {"python_module": {"module_name": "dataops_defs.definitions", "location_name": "dataops"}}
        ]
