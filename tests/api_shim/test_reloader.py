"""What is in the catalogue comes to Dagster, whoever dies in between: the real location behind a real webserver."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, PythonFileTarget, WorkspaceLoadTarget
from dagster_webserver.webserver import DagsterWebserver

from api_shim.dagster import reloader
from api_shim.dagster.client import DagsterClient
from api_shim.dagster.reloader import Reloader
from api_shim.dagster.schedules import ScheduleMirror
from dataops_defs.catalogue.fingerprint import fingerprint
from dataops_defs.catalogue.models import DatasetRow, ScheduleRow, SourceRow
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.snapshot import read_snapshot
from dataops_defs.domain.schedule import Schedule
from dataops_defs.flows.platform import Platform
from tests.scenes import World

LOOKS = 8
OLD_CODE = "import dagster as dg\ndefs = dg.Definitions()\n"


class Webserver(httpx.AsyncBaseTransport):
    """The way to a webserver in this process, that may be ``down`` for some questions; counts the reloads."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self.down = 0
        self.reloads = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            self.down -= 1
            raise httpx.ConnectError("the webserver is down")
        self.reloads += b"reloadRepositoryLocation" in request.content
        return await self._inner.handle_async_request(request)


@dataclass
class Dagster:
    """A webserver with the location, and REST servers that come and go beside it."""

    webserver: Webserver
    platform: Platform
    seen: list[set[str]] = field(default_factory=list)

    def while_a_rest_server_runs(self, enough: Callable[[set[str]], bool]) -> set[str]:
        """A new REST server looks after the location until the schedules that Dagster has are enough; returns them."""
        return asyncio.run(self._serve(enough))

    async def _serve(self, enough: Callable[[set[str]], bool]) -> set[str]:
        client = DagsterClient("http://dagster", transport=self.webserver)
        looking = Reloader(client, ScheduleMirror(client, self.platform), self.platform)
        onlooker = DagsterClient("http://dagster", transport=self.webserver._inner)
        looking.start()
        try:
            async with asyncio.timeout(60):
                while not enough(schedules := set(await onlooker.schedules())):
                    await asyncio.sleep(0.1)
            return schedules
        finally:
            await looking.stop()
            await client.close()
            await onlooker.close()

    def for_some_looks(self) -> set[str]:
        """A REST server has time enough to look a few times."""
        looks = iter(range(LOOKS * 2))
        return self.while_a_rest_server_runs(lambda _schedules: next(looks, None) is None)


@pytest.fixture
def dagster_of(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Dagster]]:
    monkeypatch.setattr(reloader, "SECONDS_BETWEEN_LOOKS", 0.1)
    monkeypatch.setattr(reloader, "LOOKS_BETWEEN_COMPARISONS", 2)
    opened: list[WorkspaceProcessContext] = []
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:

        def open_(target: WorkspaceLoadTarget) -> Dagster:
            opened.append(WorkspaceProcessContext(instance, target).__enter__())
            return Dagster(Webserver(DagsterWebserver(opened[0]).create_asgi_app()), world.platform)

        yield open_
        for each in opened:
            each.__exit__(None, None, None)


def nightly(world: World, name: str) -> str:
    """A scheduled dataset, committed, and nobody has been told; returns the schedule's name."""
    dataset = world.dataset(world.csv(f"{name}.csv", "a,b\n1,2\n"), name)
    with world.platform.catalogue() as session:
        row = session.get_one(DatasetRow, dataset)
        Schedules(session).put("dataset", row.id, row.slug, Schedule("0 2 * * *", "UTC", enabled=True))
        return Schedules(session).all()[-1].name


class TestAChangeWhoseServerDied:
    def test_is_loaded_once_by_a_server_that_lives_even_if_dagster_comes_later(
        self, world: World, dagster_of: Callable[..., Dagster]
    ) -> None:
        first = nightly(world, "first")
        dagster = dagster_of(ModuleTarget("dataops_defs.definitions", None, str(Path.cwd()), "dataops"))
        assert first in dagster.for_some_looks()
        assert dagster.webserver.reloads == 0

        second = nightly(world, "second")
        dagster.webserver.down = 5
        late: list[str] = []

        def all_there(found: set[str]) -> bool:
            if second in found and not late:
                # That the schedule was started there and a source was tested here changes no definition.
                tested(world)
                late.append(nightly(world, "late"))
            return {first, second, *late} <= found and bool(late)

        dagster.while_a_rest_server_runs(all_there)
        tested(world)
        dagster.for_some_looks()
        assert (dagster.webserver.down, dagster.webserver.reloads) == (0, 2)


def tested(world: World) -> None:
    with world.platform.catalogue() as session:
        session.query(SourceRow).update({"status": "error"})


class TestALocationThatIsOfOtherCode:
    def test_is_loaded_again_once_and_then_left_alone(
        self, world: World, tmp_path: Path, dagster_of: Callable[..., Dagster]
    ) -> None:
        file = tmp_path / "location.py"
        file.write_text(OLD_CODE)
        dagster = dagster_of(PythonFileTarget(str(file), None, str(tmp_path), "dataops"))

        dagster.for_some_looks()

        assert dagster.webserver.reloads == 1


class TestTheFingerprint:
    def test_changes_with_every_definition_that_dagster_is_built_from(self, world: World) -> None:
        seen = [now(world)]
        name = nightly(world, "planes")
        seen.append(now(world))
        with world.platform.catalogue() as session:
            session.query(ScheduleRow).filter_by(name=name).update({"cron": "0 3 * * *"})
        seen.append(now(world))
        with world.platform.catalogue() as session:
            session.query(ScheduleRow).delete()
        seen.append(now(world))

        assert len(set(seen)) == len(seen)
        assert now(world) == seen[-1]


def now(world: World) -> str:
    with world.platform.catalogue() as session:
        return fingerprint(read_snapshot(session))
