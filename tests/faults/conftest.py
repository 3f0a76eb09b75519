"""A table of films in the warehouse, for pipelines to bring over."""

import pytest

from tests.flows.etl_scenes import TABLE, more
from tests.scenes import World


@pytest.fixture
def films(world: World) -> World:
    world.sql(TABLE)
    more(world, 1, 25)
    return world
