"""A stand-in for Elasticsearch: ``osmem-server``, a real process that keeps indexes in memory and speaks the REST API.

It is no Elasticsearch: it refuses the official client's media types, so DATAOPS_ELASTICSEARCH_COMPATIBLE is set for it.
"""

from collections.abc import Iterator

import pytest
from osmem_server import OsmemServer


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[OsmemServer]:
    with OsmemServer.start(japanese=False) as server:
        yield server


@pytest.fixture
def elasticsearch_url(elasticsearch_server: OsmemServer) -> Iterator[str]:
    """A server without any index, on a port of its own."""
    with elasticsearch_server.clone() as clone:
        yield clone.url
