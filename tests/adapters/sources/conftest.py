"""REST APIs for the stories of sources."""

from collections.abc import Iterator

import pytest

from tests.adapters.sources.rest_server import RestServer


@pytest.fixture
def rest() -> Iterator[RestServer]:
    with RestServer().running() as rest:
        yield rest


@pytest.fixture
def elsewhere() -> Iterator[RestServer]:
    """Another host, where nothing must arrive."""
    with RestServer().running() as elsewhere:
        yield elsewhere
        assert elsewhere.asked == []
