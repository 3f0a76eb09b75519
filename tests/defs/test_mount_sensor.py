"""Mounts in Dagster: a tick of the sensor says which of them do not answer."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.mounts import mounts_sensor
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.domain.mount import Via
from tests.flows.test_places import mount
from tests.scenes import World


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(instance: dg.DagsterInstance) -> str:
    context = dg.build_sensor_context(instance=instance, resources={"platform": PlatformResource()})
    said = mounts_sensor.evaluate_tick(context)
    assert said.run_requests == []
    return said.skip_message or ""


def test_a_tick_tells_which_are_away(world: World, instance: dg.DagsterInstance) -> None:
    folder = world.files / "in"
    folder.mkdir()
    mount(world.platform, "/mnt/in", str(folder), Via.FOLDER)
    assert tick(instance) == "1 mounts, 0 of them degraded"
    folder.rmdir()
    assert tick(instance) == "1 mounts, 1 of them degraded; /mnt/in: no such file: /mnt/in"


def test_the_sensor_is_on(world: World) -> None:
    [found] = [each for each in build_definitions(read_state()).sensors or [] if each.name == "look_at_mounts"]
    assert found.default_status is dg.DefaultSensorStatus.RUNNING
