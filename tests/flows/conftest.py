"""What stories of ETL pipelines begin with."""

import pytest

from tests.flows.etl_scenes import TABLE, more
from tests.scenes import World


@pytest.fixture
def films(world: World) -> World:
    """25 films in the warehouse."""
    world.sql(TABLE)
    more(world, 1, 25)
    return world
