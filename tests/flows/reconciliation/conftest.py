from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from dataops_defs.catalogue import database
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.flows.reconciliation.cinema import Cinema
from tests.scenes import World


@pytest.fixture(scope="session")
def shared(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One platform for all of these tests: they read, and make their tables anew."""
    files = tmp_path_factory.mktemp("files")
    server.copy("warehouse", "reconciled")
    settings = Settings(
        allowed_hosts="127.0.0.1",
        home=tmp_path_factory.mktemp("home"),
        file_roots=str(files),
        catalogue_url=SecretStr(server.copy("catalogue", "reconciled_catalogue")),
        warehouse_url=SecretStr(server.url("reconciled")),
        reader_url=SecretStr(server.url("reconciled", "reader")),
    )
    yield World(Platform(settings), files)
    database.engine(settings.url("catalogue")).dispose()


@pytest.fixture
def cinema(shared: World) -> Cinema:
    shared.sql("DROP TABLE IF EXISTS content.film, analytics.film_dim")
    return Cinema(shared)
