"""The client, the reloader and the schedules on a real Dagster webserver, served inside this process."""

import asyncio
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import httpx
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import PythonFileTarget
from dagster_webserver.webserver import DagsterWebserver

from api_shim.dagster.client import DagsterClient
from api_shim.dagster.reloader import Reloader
from api_shim.dagster.schedules import ScheduleMirror
from api_shim.schemas.watches import WatchOut
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.models import DatasetRow, SourceRow
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.sources import Sources
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.pipeline import DefinitionStatus
from dataops_defs.domain.schedule import Schedule
from dataops_defs.errors import DependencyUnavailable
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings

LOCATION = """
import dagster as dg

@dg.op(config_schema={"subject_id": str, "run_id": str})
def extract_dataset_by_id():
    pass

@dg.job(name="extract_dataset")
def extract():
    extract_dataset_by_id()

@dg.sensor(name="watch__incoming", job=extract, default_status=dg.DefaultSensorStatus.RUNNING)
def look():
    return dg.SkipReason("nothing new")

defs = dg.Definitions(
    jobs=[extract],
    sensors=[look],
    schedules=[dg.ScheduleDefinition(name="dataset__fleet", job=extract, cron_schedule="0 2 * * *")],
)
"""
CONFIG = {"ops": {"extract_dataset_by_id": {"config": {"subject_id": "a", "run_id": "b"}}}}
NAME = "dataset__fleet"
Result = TypeVar("Result")
Ask = Callable[[Callable[[DagsterClient], Awaitable[Any]]], Any]


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dg.DagsterInstance, Path]]:
    folder = tmp_path_factory.mktemp("dagster")
    file = folder / "location.py"
    file.write_text(textwrap.dedent(LOCATION))
    target = PythonFileTarget(str(file), attribute=None, working_directory=str(folder), location_name="dataops")
    with (
        dg.DagsterInstance.local_temp(str(folder)) as instance,
        WorkspaceProcessContext(instance, target) as context,
    ):
        yield DagsterWebserver(context).create_asgi_app(), instance, file


@pytest.fixture
def ask(webserver: tuple[Any, dg.DagsterInstance, Path]) -> Ask:
    """Runs one question or order against the webserver."""

    def run(question: Callable[[DagsterClient], Awaitable[Any]]) -> Any:
        async def asking() -> Any:
            client = DagsterClient("http://dagster", transport=httpx.ASGITransport(webserver[0]))
            try:
                return await question(client)
            finally:
                await client.close()

        return asyncio.run(asking())

    return run


@pytest.fixture
def fleet(settings: Settings) -> Platform:
    """A catalogue with one scheduled dataset."""
    platform = Platform(settings)
    with platform.catalogue() as session:
        source = Sources(session, platform.keyring).add(SourceRow(name="Registry", type="csv", connection={}))
        row = DatasetRow(name="Fleet", source_id=source.id, extraction={"type": "file"}, storage={})
        Datasets(session).add(row)
        Schedules(session).put("dataset", row.id, row.slug, Schedule("0 2 * * *", "UTC", enabled=True))
    return platform


def schedule_in(platform: Platform) -> tuple[bool, bool]:
    with platform.catalogue() as session:
        (row,) = Schedules(session).all()
        return row.enabled, row.pending


def change(platform: Platform, *, enabled: bool | None = None, status: DefinitionStatus | None = None) -> None:
    with platform.catalogue() as session:
        (row,) = Schedules(session).all()
        if enabled is not None:
            row.enabled, row.pending = enabled, True
        if status is not None:
            Datasets(session).get(row.subject_id).status = status
            Schedules(session).tell_again(row.subject_id)


class TestLaunching:
    def test_a_run_of_the_job_with_its_tags(self, ask: Ask, webserver: tuple[Any, dg.DagsterInstance, Path]) -> None:
        # Without a daemon nothing takes it out of the queue; the launcher of this instance starts it at once.
        run_id = ask(lambda client: client.launch("extract_dataset", CONFIG, {"dataops/run_id": "b"}))

        run = webserver[1].get_run_by_id(run_id)
        assert run is not None
        assert (run.job_name, run.tags["dataops/run_id"], run.run_config) == ("extract_dataset", "b", CONFIG)

    def test_a_job_it_does_not_know_is_told_without_inner_details(self, ask: Ask) -> None:
        with pytest.raises(DependencyUnavailable, match="did not launch the job 'nothing'") as refused:
            ask(lambda client: client.launch("nothing", {}, {}))
        assert "Traceback" not in str(refused.value)

    def test_ending_a_run_that_is_not_there_is_no_error(self, ask: Ask) -> None:
        ask(lambda client: client.terminate("00000000-0000-0000-0000-000000000000"))


class TestLookingAfterTheLocation:
    def test_it_is_loaded_and_no_daemon_was_seen(self, ask: Ask) -> None:
        assert ask(lambda client: client.location_loaded_and_daemons_healthy()) == (True, False)

    def test_a_webserver_that_is_not_there(self) -> None:
        async def asking() -> None:
            client = DagsterClient("http://127.0.0.1:1")
            with pytest.raises(DependencyUnavailable, match="does not answer"):
                await client.reload()
            await client.close()

        asyncio.run(asking())

    def test_requests_to_reload_are_joined_and_the_new_definitions_are_there(
        self, ask: Ask, webserver: tuple[Any, dg.DagsterInstance, Path], fleet: Platform
    ) -> None:
        webserver[2].write_text(textwrap.dedent(LOCATION).replace(NAME, "dataset__other"))

        async def reload_twice(client: DagsterClient) -> list[str]:
            reloader = Reloader(client, ScheduleMirror(client, fleet), fleet)
            reloader.start()
            reloader.request()
            reloader.request()
            async with asyncio.timeout(60):
                while NAME in await client.schedules():
                    await asyncio.sleep(0.2)
            await reloader.stop()
            return list(await client.schedules())

        try:
            assert ask(reload_twice) == ["dataset__other"]
        finally:
            webserver[2].write_text(textwrap.dedent(LOCATION))
            ask(lambda client: client.reload())


class TestKeepingSchedulesAlike:
    def align(self, ask: Ask, platform: Platform) -> bool:
        async def aligned(client: DagsterClient) -> bool:
            await ScheduleMirror(client, platform).align()
            return (await client.schedules())[NAME].running

        running: bool = ask(aligned)
        return running

    def test_what_is_enabled_here_is_started_there(self, ask: Ask, fleet: Platform) -> None:
        assert self.align(ask, fleet) is True
        assert schedule_in(fleet) == (True, False)

    def test_what_is_disabled_here_is_stopped_there(self, ask: Ask, fleet: Platform) -> None:
        self.align(ask, fleet)
        change(fleet, enabled=False)

        assert self.align(ask, fleet) is False
        assert schedule_in(fleet) == (False, False)

    def test_what_is_stopped_there_is_noted_here(self, ask: Ask, fleet: Platform) -> None:
        self.align(ask, fleet)
        ask(lambda client: ScheduleMirror(client, fleet).stop(NAME))

        assert self.align(ask, fleet) is False
        assert schedule_in(fleet) == (False, False)

    def test_a_paused_definition_does_not_fire_and_keeps_its_wish(self, ask: Ask, fleet: Platform) -> None:
        self.align(ask, fleet)

        change(fleet, status=DefinitionStatus.PAUSED)
        assert self.align(ask, fleet) is False
        assert self.align(ask, fleet) is False
        assert schedule_in(fleet) == (True, False)

        change(fleet, status=DefinitionStatus.ACTIVE)
        assert self.align(ask, fleet) is True


class TestWatchesFollowTheirSensors:
    def test_one_that_is_stopped_there_is_stopped_here_until_it_is_started_again(
        self, ask: Ask, fleet: Platform
    ) -> None:
        with fleet.catalogue() as session:
            Watches(session).add(WatchRow(name="incoming", folder="incoming", patterns=[{"pattern": "*"}]))

        def status() -> tuple[bool, str]:
            ask(lambda client: ScheduleMirror(client, fleet).align())
            with fleet.catalogue() as session:
                [row] = Watches(session).all()
                shown = WatchOut.of(row, {})
            return shown.watching, shown.status

        async def stop(client: DagsterClient) -> None:
            await client.stop_sensor((await client.sensors())["watch__incoming"].id)

        assert status() == (True, "watching")
        ask(stop)
        assert status() == (False, "stopped")
        ask(lambda client: client.start_sensor("watch__incoming"))
        assert status() == (True, "watching")
