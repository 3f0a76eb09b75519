"""The app behind a real server, and a way into its catalogue."""

import socket
from collections.abc import Iterator

import psycopg2
import pytest
from fastapi import FastAPI

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import ADMIN
from tests.api_shim.following import Served, served


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket with small buffers: a reader that does not read is felt soon."""
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made.bind(("127.0.0.1", 0))
        # From here on a client that comes too early waits.
        made.listen()
        yield made


@pytest.fixture
def live(app: FastAPI, listener: socket.socket) -> Iterator[Served]:
    """The app behind a real server."""
    with served(app, ADMIN, listener) as running:
        yield running


@pytest.fixture
def platform(shim_settings: Settings) -> Platform:
    return Platform(shim_settings)


@pytest.fixture
def connection(catalogue_url: str) -> Iterator[psycopg2.extensions.connection]:
    """A connection of our own to the catalogue, statement by statement."""
    made = psycopg2.connect(libpq_url(catalogue_url))
    made.autocommit = True
    yield made
    made.close()
