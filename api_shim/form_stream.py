"""A multipart form as it arrives, never held whole. Source: RFC 7578, and RFC 2046, section 5.1."""

from collections.abc import AsyncIterator, Awaitable, Callable
from email.parser import HeaderParser
from typing import Protocol

from api_shim.multipart import MOST_HEADER_BYTES, MOST_PARTS, boundary_of, parameter_of
from dataops_defs.errors import Invalid

MOST_FIELD_BYTES = 1024
MOST_BEFORE = 8192
Chunks = AsyncIterator[bytes]


class Taker(Protocol):
    """Who takes a file as it arrives."""

    async def begin(self, name: str) -> None:
        """Its name, as the sender wrote it: data, never a path."""

    async def take(self, part: bytes) -> None:
        """The next bytes."""


async def read_form(content_type: str, chunks: Chunks, field: str, taker: Taker) -> dict[str, str]:
    """Hand the file of the field of that name over as it arrives; returns the other fields.

    Raises:
        Invalid: no boundary, a form that breaks off, too many or too long fields, one of them twice, no file.
    """
    boundary = boundary_of(content_type)
    if boundary is None:
        raise Invalid.field(field, "is required: send it as a field of a form (multipart/form-data, with a boundary)")
    parts = _Parts(chunks, b"\r\n--" + boundary.encode(), field)
    fields: dict[str, str] = {}
    seen_file = False
    await parts.skip_to_first()
    for _ in range(MOST_PARTS):
        headers = await parts.headers()
        if headers is None:
            if not seen_file:
                raise Invalid.field(field, "is required: the file, as a field of the form")
            return fields
        name, file_name = headers
        if name == field:
            if seen_file:
                raise Invalid.field(field, "is there twice")
            seen_file = True
            await taker.begin(file_name or "")
            await parts.content(taker.take)
        else:
            fields[_new(name, fields)] = await _text(parts, name or "")
    raise Invalid.field(field, f"cannot be read: the form has more than {MOST_PARTS} parts")


def _new(name: str | None, fields: dict[str, str]) -> str:
    if not name or name in fields:
        raise Invalid.field((name or "form")[:60], "is there twice" if name else "has a field without a name")
    return name


async def _text(parts: "_Parts", name: str) -> str:
    taken = bytearray()

    async def take(part: bytes) -> None:
        taken.extend(part)
        if len(taken) > MOST_FIELD_BYTES:
            raise Invalid.field(name[:60], f"must not be longer than {MOST_FIELD_BYTES} bytes")

    await parts.content(take)
    try:
        return taken.decode()
    except UnicodeDecodeError:
        raise Invalid.field(name[:60], "must be UTF-8") from None


class _Parts:
    """The parts of a form, one after the other; holds a chunk, and what may be the beginning of a boundary."""

    def __init__(self, chunks: Chunks, mark: bytes, field: str) -> None:
        self._chunks, self._mark, self._field = chunks, mark, field
        # The first boundary has no line before it.
        self._held = b"\r\n"

    async def skip_to_first(self) -> None:
        """Leave out what stands before the first part."""
        skipped = 0

        async def skip(part: bytes) -> None:
            nonlocal skipped
            skipped += len(part)
            if skipped > MOST_BEFORE:
                raise self._broken("the form does not begin with its boundary")

        await self.content(skip)

    async def headers(self) -> tuple[str | None, str | None] | None:
        """The next part's field name and file name; None at the end of the form."""
        while len(self._held) < 2:
            await self._more()
        if self._held.startswith(b"--"):
            return None
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > MOST_HEADER_BYTES:
                raise self._broken("a part of the form has no sane headers")
            await self._more()
        head, self._held = self._held[:end], self._held[end + 4 :]
        given = head.lstrip(b" \t").removeprefix(b"\r\n")
        told = HeaderParser().parsestr(given.decode(errors="replace")).get("content-disposition", "")
        return parameter_of(told, "name", "content-disposition"), parameter_of(told, "filename", "content-disposition")

    async def content(self, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand over the bytes up to the next boundary."""
        while (place := self._held.find(self._mark)) < 0:
            sure = len(self._held) - len(self._mark) + 1
            if sure > 0:
                part, self._held = self._held[:sure], self._held[sure:]
                await take(part)
            await self._more()
        part, self._held = self._held[:place], self._held[place + len(self._mark) :]
        if part:
            await take(part)

    async def _more(self) -> None:
        async for chunk in self._chunks:
            if chunk:
                self._held += chunk
                return
        raise self._broken("the form is cut off")

    def _broken(self, reason: str) -> Invalid:
        return Invalid.field(self._field, f"cannot be read: {reason}")
