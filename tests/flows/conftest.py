"""What stories of ETL pipelines begin with."""

import itertools
from urllib.parse import urlsplit

import pytest

from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.conftest import TEMPLATES, Server
from tests.flows import extraction_scenes
from tests.flows.etl_scenes import TABLE, more
from tests.flows.extraction_scenes import Orders
from tests.scenes import World

NUMBERS = itertools.count(1)


@pytest.fixture
def films(world: World) -> World:
    """25 films in the warehouse."""
    world.sql(TABLE)
    more(world, 1, 25)
    return world


@pytest.fixture(scope="module")
def lasting(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, str]:
    """A world, and the URL of a user's database, for all tests of a module; new ones for each would take longer than
    the tests.
    """
    number = next(NUMBERS)
    urls = {f"{each}_url": server.copy(each, f"shop_{each}_{number}") for each in TEMPLATES}
    home = tmp_path_factory.mktemp("home")
    settings = Settings(_env_file=None, home=home, allowed_hosts="127.0.0.1", **urls)  # type: ignore[call-arg,arg-type]
    name = f"shop_{number}"
    server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'shop-pw'", f"CREATE DATABASE {name} OWNER {name}")
    parts = urlsplit(server.url(name))
    url = parts._replace(netloc=f"{name}:shop-pw@{parts.hostname}:{parts.port}").geturl()
    return World(Platform(settings), settings.roots[0]), url


@pytest.fixture
def orders(lasting: tuple[World, str]) -> Orders:
    """Three orders, of the first three days of January 2025."""
    made = Orders(*lasting, name=f"Orders {next(NUMBERS)}")
    made.sql("ALTER ROLE CURRENT_USER RESET ALL")
    made.sql("DROP TABLE IF EXISTS orders")
    made.sql(extraction_scenes.TABLE)
    made.put((1, "a", 1), (2, "b", 2), (3, "c", 3))
    return made
