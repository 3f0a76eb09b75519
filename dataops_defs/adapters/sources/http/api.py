"""A REST API as a source."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx

from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.http.answer import Ask
from dataops_defs.adapters.sources.http.client import ApiClient, Limits, Refused
from dataops_defs.adapters.sources.http.paging import Pages
from dataops_defs.adapters.sources.json.records import Piece, json_reading
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.connections import ApiConnection
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.incremental import Mark, MarkKind, Moment
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid

# Nothing need lie at the base itself: such an answer still comes from the API.
NOTHING_THERE = frozenset({404, 405})

# A run waits longer than a person would: it can be cancelled and paused meanwhile.
READING = Limits(seconds=3600, longest_pause=900)
QUICK = Limits(seconds=15, connect_seconds=5, read_seconds=10, tries=3)


@dataclass(frozen=True)
class ApiSource:
    """A REST API that answers in JSON.

    Its pages are all read, and their records kept in a temporary file, before the first batch is given: types are
    proven over all of them (see ``json_types``). A column of objects or arrays holds their JSON text.

    Args:
        listed: an administrator named the host, which may then lie in a private network.
        limits, quick: what reading takes at most; what a test or preview takes.
        during: may end what waits for the API.
    """

    source: Source
    listed: bool = False
    limits: Limits = READING
    quick: Limits = QUICK
    during: During = field(default=nullcontext)

    def test(self) -> str:
        """Ask for the base."""
        with self._client(replace(self.quick, tries=1)) as client:
            try:
                answer = client.ask(Ask(self._url(None), whole=False))
            except Refused as error:
                if error.status not in NOTHING_THERE:
                    raise
                return f"{self._host} answered with {error.status}: nothing lies at the endpoint itself"
            with answer.body:
                kind = answer.headers.get("content-type", "").partition(";")[0] or "no type"
                return f"{self._host} answered with {answer.status} ({kind[:50]})"

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first records of the first page, in the types that these show."""
        with self._client(self.quick) as client:
            pages = Pages(client, self._url(extraction.endpoint), extraction)
            with json_reading(_up_to(limit + 1, pages.pieces(1))) as reading:
                shown = preview_of(reading.schema, reading.batches, limit)
        return replace(shown, truncated=shown.truncated or pages.more)

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All records of all pages; what is no object is rejected."""
        with closing(self._pieces(extraction)) as pieces, json_reading(pieces) as reading:
            yield reading

    @contextmanager
    def changes(self, extraction: Extraction, since: Mark | None) -> Iterator[Reading]:
        """The records from the mark on, as the API understands its parameter; the moment is of our own clock."""
        moment = Moment.of(datetime.now(UTC))
        given = {} if since is None else {extraction.by_cursor.param or "": _asked_since(since)}
        with closing(self._pieces(extraction, given)) as pieces, json_reading(pieces) as reading:
            yield replace(reading, moment=moment)

    def _pieces(self, extraction: Extraction, given: Mapping[str, Any] = {}) -> Generator[Piece, None, None]:
        """The connection is given up with the last record, before the first batch is written."""
        with self._client(self.limits) as client:
            yield from Pages(client, self._url(extraction.endpoint), extraction, given).pieces()

    @contextmanager
    def _client(self, limits: Limits) -> Iterator[ApiClient]:
        with ApiClient.opened(self._connection, limits, listed=self.listed, during=self.during) as client:
            yield client

    @property
    def _connection(self) -> ApiConnection:
        return ApiConnection.of({**self.source.connection, **self.source.secrets})

    @property
    def _host(self) -> str:
        return self._url(None).host

    def _url(self, endpoint: str | None) -> httpx.URL:
        base = self._connection.endpoint
        path, _, query = (endpoint or "").partition("?")
        try:
            url = httpx.URL(f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base)
            return url.copy_with(query=query.encode()) if query else url
        except httpx.InvalidURL as error:
            raise Invalid.field("connection.endpoint", f"is no address: {error}") from None


def _asked_since(since: Mark) -> str:
    """The mark as a parameter, a second or a unit earlier: to some APIs "since" means "after"."""
    if since.kind is MarkKind.NUMBER:
        return since.lower(Decimal(1)).text
    return since.earlier(1).text


def _up_to(limit: int, pieces: Iterator[Piece]) -> Iterator[Piece]:
    for piece in pieces:
        yield Piece(piece.records[:limit], piece.chars)
        limit -= len(piece.records)
        if limit <= 0:
            return
