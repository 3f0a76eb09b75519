"""What a REST API is asked, and what comes back: bodies unpacked within limits, errors quoted, when to ask again."""

import codecs
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import quote, quote_plus

import httpx

from dataops_defs.adapters.sources.csv.dialect import ENCODINGS
from dataops_defs.errors import SourceError

IN_MEMORY_BYTES = 1024 * 1024
UNPACKED_BYTES = 256 * 1024
ERROR_BYTES = 64 * 1024
QUOTED_CHARS = 200
TOO_MANY = 429
TRY_LATER = frozenset({408, 425, TOO_MANY})
NEVER = frozenset({501, 505})
FIRST_MOMENT = 1_000_000_000
"""A number of seconds from there on is no pause but a moment: seconds since 1970."""
_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Ask:
    """One request; ``body`` is sent as JSON. Unless the ``whole`` answer is wanted, its body is not read."""

    url: httpx.URL
    method: str = "GET"
    body: Any = None
    whole: bool = True


@dataclass(frozen=True)
class Answer:
    """What came back. ``url`` is what was asked; ``body`` is unpacked, and stands at its beginning."""

    url: httpx.URL
    status: int
    headers: httpx.Headers
    body: IO[bytes]

    @property
    def encoding(self) -> str:
        """How the text is written: UTF-8 (RFC 8259, section 8.1) unless the header says otherwise.

        Raises:
            SourceError: in a way that is not known.
        """
        named = httpx.Response(self.status, headers=self.headers).charset_encoding or "utf-8"
        try:
            known = codecs.lookup(named).name
        except LookupError:
            known = ""
        if known not in ENCODINGS:
            raise SourceError(f"The answer is written in '{named[:50]}', which is not known; UTF-8 is")
        return "utf-8" if known == "ascii" else known


def body_of(response: httpx.Response, limit: int) -> IO[bytes]:
    """The unpacked body in a temporary file, in memory while it is short; of an error what can be quoted of it.

    Args:
        limit: of its bytes; 0 for a body that is not wanted.

    Raises:
        SourceError: it is longer than that, or packed otherwise than with gzip.
    """
    file: IO[bytes] = SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - whoever gets the answer closes it
    if response.status_code >= 400:
        with suppress(SourceError):
            _copy(response, file, ERROR_BYTES)
    elif limit:
        _copy(response, file, limit)
    file.seek(0)
    return file


def _copy(response: httpx.Response, file: IO[bytes], limit: int) -> None:
    size = 0
    for part in _unpacked(response):
        size += len(part)
        if size > limit:
            raise SourceError(f"The answer is longer than {limit / 2**20:.0f} MB; ask for fewer records at a time")
        file.write(part)


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    if packed in ("", "identity"):
        yield from response.iter_raw()
    elif packed in ("gzip", "x-gzip"):
        yield from _gunzipped(response.iter_raw())
    else:
        raise SourceError(f"The answer is packed as '{packed[:50]}', though only gzip was asked for")


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Never more than a little at a time, however much a few bytes unpack to."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield unpacker.decompress(rest, UNPACKED_BYTES)
                rest = unpacker.unconsumed_tail
                if unpacker.eof:
                    rest, unpacker = unpacker.unused_data, zlib.decompressobj(_GZIP)
        yield unpacker.flush(UNPACKED_BYTES)
    except zlib.error:
        raise SourceError("The answer says that it is packed with gzip, and is not") from None


def quoted(body: IO[bytes], secret: str | None) -> str:
    """The beginning of an answer, on one line, without the secret; nothing of an empty one."""
    text = " ".join(body.read(ERROR_BYTES).decode(errors="replace").split())
    if secret:
        for form in {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}:
            text = text.replace(form, "***")
    shown = text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1] + "…"
    return f": {shown}" if shown else ""


def is_passing(status: int) -> bool:
    """Whether a later answer may be another one; that it does not know how (501, 505) a server says for good."""
    return status in TRY_LATER or (status >= 500 and status not in NEVER)


def seconds_to_wait(status: int, headers: httpx.Headers) -> float | None:
    """The pause that an answer asks for; None where it does not.

    ``Retry-After`` tells it in seconds or as a date (RFC 9110, section 10.2.3). Without that, one that was too many
    (429) waits for ``X-RateLimit-Reset``, which others bear too: in seconds, or as seconds since 1970.
    """
    told = _seconds(headers.get("retry-after", "").strip())
    if told is not None or status != TOO_MANY:
        return told
    return _seconds(headers.get("x-ratelimit-reset", "").strip()) or None


def _seconds(told: str) -> float | None:
    try:
        if not _NUMBER.fullmatch(told):
            return _until(parsedate_to_datetime(told))
        number = float(told)
        return number if number < FIRST_MOMENT else _until(datetime.fromtimestamp(number, UTC))
    except (ValueError, OverflowError):
        return None


def _until(moment: datetime) -> float:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())
