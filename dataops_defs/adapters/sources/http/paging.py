"""How a REST API's records are asked for in pieces: from each answer follows the next request, until there is none."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from dataops_defs.adapters.sources.http.answer import Answer, Ask
from dataops_defs.adapters.sources.http.client import ApiClient, Refused
from dataops_defs.adapters.sources.json.records import JsonDocument, Piece
from dataops_defs.adapters.sources.json.text import NO_JSON, NotJson
from dataops_defs.domain.extraction import Extraction, Paging, PagingType
from dataops_defs.errors import Invalid, SourceError

MAX_PAGES = 100_000
CHUNK_BYTES = 256 * 1024
NO_CONTENT = 204
COUNTED = (PagingType.PAGE, PagingType.OFFSET)


@dataclass
class Page:
    """An answer with records. What is next is known once ``pieces`` was taken to its end."""

    answer: Answer
    extraction: Extraction
    records: int = 0
    cursor: Any = None
    _digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def pieces(self) -> Iterator[Piece]:
        """The records.

        Raises:
            SourceError: the answer is not JSON, or holds none at the path.
        """
        if self.answer.status == NO_CONTENT:
            return
        chunks = iter(lambda: self.answer.body.read(CHUNK_BYTES), b"")
        paging = self.extraction.paging
        document = JsonDocument(chunks, self.extraction.records_path, paging.cursor_path, self.answer.encoding)
        for piece in document.pieces():
            self.records += len(piece.records)
            if paging.type in COUNTED:
                for record in piece.records:
                    self._digest.update(repr(record).encode(errors="backslashreplace"))
            yield piece
        self.cursor = document.cursor

    @property
    def digest(self) -> bytes:
        """The same for the same records."""
        return bytes(self._digest.digest())

    @property
    def link(self) -> str | None:
        """The next page's address, by the header ``Link`` (RFC 8288) with ``rel=next``."""
        found = httpx.Response(200, headers=self.answer.headers).links.get("next")
        return found.get("url") if found else None


class Pages:
    """The pages of an extraction. ``more`` says, after they were read, whether there are more than were wanted."""

    def __init__(
        self, client: ApiClient, url: httpx.URL, extraction: Extraction, given: Mapping[str, Any] = {}
    ) -> None:
        """Nothing is asked for yet; ``given`` are further parameters."""
        self.more = False
        self._client, self._extraction = client, extraction
        self._first = Ask(url, extraction.method, extraction.body)
        for name, value in given.items():
            self._first = _with(self._first, name, value)

    def pieces(self, max_pages: int = MAX_PAGES) -> Iterator[Piece]:
        """The records of all pages, or of so many.

        Raises:
            SourceError: an answer is no JSON or holds no records; a page comes again, or there are too many.
        """
        turn = _Turn(self._client, self._extraction.paging)
        ask: Ask | None = turn.first(self._first)
        for number in range(1, max_pages + 1):
            page = self._page(ask, number) if ask else None
            if ask is None or page is None:
                return
            with closing(page.answer.body):
                yield from self._records(ask, page)
            ask = turn.next(ask, page)
        self.more = ask is not None
        if self.more and max_pages == MAX_PAGES:
            raise SourceError(f"The API gives more than {MAX_PAGES:,} pages; ask for more records at a time")

    def _page(self, ask: Ask, number: int) -> Page | None:
        try:
            return Page(self._client.ask(ask), self._extraction)
        except Refused as error:
            # Some APIs have no empty page after the last: they do not know such a page.
            if error.status == 404 and number > 1 and self._extraction.paging.type in COUNTED:
                return None
            raise

    def _records(self, ask: Ask, page: Page) -> Iterator[Piece]:
        try:
            yield from page.pieces()
        except NotJson as error:
            said = f"The answer to {ask.method} {ask.url.path} is no JSON ({str(error).removeprefix(NO_JSON)})"
            raise SourceError(f"{said}{self._client.quoted(page.answer)}") from None


class _Turn:
    """Turns pages."""

    def __init__(self, client: ApiClient, paging: Paging) -> None:
        self._client, self._paging = client, paging
        self._place = self._first_place
        self._seen: set[bytes] = set()
        self._last: bytes | None = None
        self.next: Callable[[Ask, Page], Ask | None] = {
            PagingType.NONE: lambda _ask, _page: None,
            PagingType.PAGE: self._counted,
            PagingType.OFFSET: self._counted,
            PagingType.CURSOR: self._by_cursor,
            PagingType.LINK: self._by_link,
        }[paging.type]

    @property
    def _first_place(self) -> int:
        usual = 1 if self._paging.type is PagingType.PAGE else 0
        return usual if self._paging.first is None else self._paging.first

    def first(self, ask: Ask) -> Ask:
        """The request for the first page."""
        if self._paging.size_param:
            ask = _with(ask, self._paging.size_param, self._paging.size)
        return self._at_place(ask) if self._paging.type in COUNTED else ask

    def _at_place(self, ask: Ask) -> Ask:
        return _with(ask, self._paging.param or "", self._place)

    def _counted(self, ask: Ask, page: Page) -> Ask | None:
        """Until a page is empty: an API may give fewer records than asked for at any time."""
        if page.records == 0:
            return None
        if page.digest == self._last:
            raise SourceError(
                f"The API gave the same records twice, for '{self._paging.param}' {self._place} and the one before:"
                " it does not know that parameter, or comes to no end"
            )
        self._last = page.digest
        self._place += 1 if self._paging.type is PagingType.PAGE else page.records
        return self._at_place(ask)

    def _by_cursor(self, ask: Ask, page: Page) -> Ask | None:
        cursor = page.cursor
        if cursor is None or cursor is False or cursor == "":
            return None
        if isinstance(cursor, bool | dict | list):
            raise SourceError(
                f"What lies at '{self._paging.cursor_path}' is no cursor: it is neither text nor a number"
            )
        self._once_only(str(cursor), "cursor")
        return _with(ask, self._paging.param or "", cursor)

    def _by_link(self, ask: Ask, page: Page) -> Ask | None:
        if page.link is None:
            return None
        url = self._client.led(ask.url, page.link)
        self._once_only(str(url), "next page")
        return replace(ask, url=url)

    def _once_only(self, place: str, what: str) -> None:
        mark = hashlib.blake2b(place.encode(errors="backslashreplace"), digest_size=16).digest()
        if mark in self._seen:
            raise SourceError(f"The API gives the same {what} again and comes to no end")
        self._seen.add(mark)


def _with(ask: Ask, name: str, value: Any) -> Ask:
    """The request with a parameter: of its query, or for POST a member of its body."""
    if ask.method == "GET":
        return replace(ask, url=ask.url.copy_set_param(name, value))
    body = {} if ask.body is None else ask.body
    if not isinstance(body, dict):
        raise Invalid.field("extraction.body", f"must be an object, for '{name}' to be put in")
    return replace(ask, body={**body, name: value})
