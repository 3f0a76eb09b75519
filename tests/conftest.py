"""One real PostgreSQL for all tests of a process; each test that asks gets empty, migrated databases of its own."""

import os
import signal

# A process that holds gRPC channels may hang in fork() otherwise; our children execute another program at once.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"


import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import dataops_defs.settings as settings_module
from dataops_defs.catalogue import database
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.databases import TEMPLATES, Server
from tests.scenes import World

pytest_plugins = ["tests.no_skips", "tests.workers", "tests.dynamodb", "tests.elasticsearch", "tests.mariadb"]


@pytest.fixture(autouse=True)
def _signals_reach_what_a_test_starts() -> None:
    """Children inherit what is ignored or blocked: whatever left it so, a test begins with neither."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(Settings(home=tmp_path_factory.mktemp("postgres")))
    yield made
    made.postgres.destroy()


@pytest.fixture
def settings(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a home and databases of its own, also for code that reads the environment."""
    names = {each: server.lend(each) for each in TEMPLATES}
    values = {
        "HOME": str(tmp_path / "home"),
        "ALLOWED_HOSTS": "127.0.0.1,localhost,*",
        "CATALOGUE_URL": server.url(names["catalogue"]),
        "WAREHOUSE_URL": server.url(names["warehouse"]),
        "READER_URL": server.url(names["warehouse"], "reader"),
        "BUILDER_URL": server.url(names["warehouse"], "builder"),
        "INSTANCE_URL": server.url("dagster"),
    }
    for name, value in values.items():
        monkeypatch.setenv(f"DATAOPS_{name}", value)
    settings_module.settings.cache_clear()
    yield settings_module.settings()
    settings_module.settings.cache_clear()
    database.engine(values["CATALOGUE_URL"]).dispose()
    for template, name in names.items():
        server.take_back(template, name)


@pytest.fixture
def catalogue_url(settings: Settings) -> str:
    return settings.url("catalogue")


@pytest.fixture
def warehouse_url(settings: Settings) -> str:
    return settings.url("warehouse")


@pytest.fixture
def operations_url(server: Server) -> str:
    """An empty database that plays a user's source, with a login of its own."""
    name = f"operations_{next(NUMBERS)}"
    server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'operations-pw'", f"CREATE DATABASE {name} OWNER {name}")
    parts = urlsplit(server.url(name))
    return parts._replace(netloc=f"{name}:operations-pw@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture
def world(settings: Settings) -> World:
    """A platform, and a folder its files lie in."""
    files = settings.roots[0]
    files.mkdir(parents=True, exist_ok=True)
    return World(Platform(settings), files)
