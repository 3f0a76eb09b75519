"""Words to set a scene with a REST API."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from dataops_defs.adapters.sources.http.api import ApiSource
from dataops_defs.adapters.sources.http.client import Limits
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.domain.extraction import Extraction, extraction
from dataops_defs.domain.source import Source, SourceType
from tests.adapters.sources.rest_server import Asked, Reply, RestServer

TOKEN = "s3cret/tok+en&1"
RECORDS = [{"id": number, "name": f"N{number:05}"} for number in range(10_000)]
BRISK = Limits(seconds=20, connect_seconds=2, read_seconds=2, first_pause=0.02)


def source(rest: RestServer, base: str = "", token: str | None = None, **connection: Any) -> ApiSource:
    given = Source(
        "1",
        "api",
        "api",
        SourceType.API,
        "app",
        {"endpoint": f"{rest.url}{base}"} | connection,
        {"token": token} if token else {},
    )
    found = open_source(given, roots=(), allowed_hosts=[f"127.0.0.1:{rest.port}"])
    assert isinstance(found, ApiSource)
    return replace(found, limits=BRISK, quick=replace(BRISK, tries=2))


def wanted(endpoint: str | None = "/aircraft", **more: Any) -> Extraction:
    return extraction({"type": "api", "endpoint": endpoint, **more}, SourceType.API)


def read(api: ApiSource, what: Extraction) -> pa.Table:
    with api.read(what) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        assert reading.expected_rows == found.num_rows + len(reading.rejected)
        return found


def ids(api: ApiSource, what: Extraction) -> list[int]:
    return list(read(api, what)["id"].to_pylist())


def paged(size: int, records: list[Any] = RECORDS) -> Callable[[Asked], Reply]:
    """By page (from 1), offset or cursor, in the query or in the body, at most ``size`` at a time."""

    def route(asked: Asked) -> Reply:
        given = asked.query | (asked.body or {})
        many = min(size, int(given.get("limit", size)))
        start = int(given.get("offset") or given.get("cursor") or (int(given.get("page", 1)) - 1) * many)
        left = start + many < len(records)
        return Reply(
            {"data": {"items": records[start : start + many]}, "next": start + many if left else None},
            headers={"Link": f'</aircraft?offset={start + many}>; rel="next", </aircraft>; rel=first'} if left else {},
        )

    return route


PAGINGS: dict[str, dict[str, Any]] = {
    "page": {"type": "page", "param": "page", "sizeParam": "limit", "size": 500},
    "offset": {"type": "offset", "param": "offset", "sizeParam": "limit", "size": 500},
    "cursor": {"type": "cursor", "param": "cursor", "cursorPath": "next"},
    "link": {"type": "link"},
}
