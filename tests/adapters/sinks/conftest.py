from collections.abc import Iterator

import pytest

from dataops_defs.adapters.sinks.index import bulk as etl_index_bulk
from tests.adapters.sinks.cinema import Cinema
from tests.adapters.sinks.index_proxy import Proxy, proxy_before


@pytest.fixture
def cinema(elasticsearch_url: str) -> Iterator[Cinema]:
    made = Cinema(elasticsearch_url)
    yield made
    made.client.close()


@pytest.fixture
def proxy(elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(etl_index_bulk, "WAIT_SECONDS", (0.01, 0.01, 0.01))
    with proxy_before(elasticsearch_url) as made:
        yield made
