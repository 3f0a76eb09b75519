"""One real PostgreSQL for all tests of a process; each test that asks gets fresh, migrated databases of its own.

They are left to the end of the server: dropping one costs more than making one.
"""

import os
import signal

# A process that holds gRPC channels may hang in fork() otherwise; our children execute another program at once.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"


import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

import dataops_defs.settings as settings_module
from dataops_defs.adapters.warehouse import migrate as warehouse_migrate
from dataops_defs.catalogue import database
from dataops_defs.catalogue import migrate as catalogue_migrate
from dataops_defs.flows.platform import Platform
from dataops_defs.services.bootstrap import bootstrap, close_to_others
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.passwords import role_passwords
from dataops_defs.settings import BUILDER, OWNER, READER, Settings
from tests.scenes import World

pytest_plugins = ["tests.no_skips", "tests.dynamodb", "tests.elasticsearch", "tests.mariadb"]


@pytest.fixture(autouse=True)
def _signals_reach_what_a_test_starts() -> None:
    """Children inherit what is ignored or blocked: whatever left it so, a test begins with neither."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


NUMBERS = itertools.count(1)
TEMPLATES = ("catalogue", "warehouse")


class Server:
    """The test server: bootstrapped once; databases are copied from its migrated ones."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.postgres = EmbeddedPostgres(settings, no_fsync=True)
        self.postgres.start()
        bootstrap(settings, self.postgres.superuser_url)
        close_to_others(self.postgres.superuser_url)
        passwords = role_passwords(settings)
        self._owner = passwords[OWNER]
        self._logins = {"reader": (READER, passwords[READER]), "builder": (BUILDER, passwords[BUILDER])}
        catalogue_migrate.upgrade(self.url("catalogue"))
        warehouse_migrate.upgrade(self.url("warehouse"))

    def url(self, name: str, role: str = "owner") -> str:
        login, password = self._logins.get(role, (OWNER, self._owner))
        return self.postgres.url(login, password, name)

    def execute(self, *statements: str) -> None:
        with closing(psycopg2.connect(self.postgres.superuser_url.replace("+psycopg2", ""))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def copy(self, template: str, name: str) -> str:
        """A copy; what may be done inside comes with it, who may enter does not."""
        self.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}",
            f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC",
        )
        if template == "warehouse":
            self.execute(
                f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {BUILDER}",
                f"GRANT CONNECT ON DATABASE {name} TO {READER}",
            )
        return self.url(name)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(Settings(home=tmp_path_factory.mktemp("postgres")))
    yield made
    made.postgres.destroy()


@pytest.fixture
def settings(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a home and databases of its own, also for code that reads the environment."""
    number = next(NUMBERS)
    names = {each: f"test_{each}_{number}" for each in TEMPLATES}
    for template, name in names.items():
        server.copy(template, name)
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
