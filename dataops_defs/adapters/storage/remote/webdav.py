"""Files of a WebDAV server. Its answers must not lead to another one, where the password would go too."""

import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import ParseError

import httpx
from webdav4.client import Client, ClientError, HTTPError, ResourceNotFound
from webdav4.http import Client as HttpClient

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.line import shut
from dataops_defs.adapters.storage.files import UNKNOWN, Entry
from dataops_defs.adapters.storage.remote.address import Patience, RemoteAddress
from dataops_defs.adapters.storage.remote.copy import RemoteFiles
from dataops_defs.domain.connections import FileConnection
from dataops_defs.errors import SourceError, SourceUnavailable

BLOCK = 1024 * 1024
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
_QUOTA = '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><quota-available-bytes/></prop></propfind>'
_LATER = (429, 500, 502, 503, 504, 509)


@contextmanager
def webdav_files(
    given: FileConnection, address: RemoteAddress, line: HeldLine, patience: Patience, max_bytes: int
) -> Iterator["WebdavFiles"]:
    """A client; nothing is asked yet."""
    scheme = "https" if address.scheme == "webdavs" else "http"
    host = f"[{address.host}]" if ":" in address.host else address.host
    base = httpx.URL(f"{scheme}://{host}:{address.port}")
    opened: list[socket.socket] = []
    auth = (given.username, given.password or "") if given.username else None
    http = HttpClient(
        base_url=base,
        auth=auth,
        timeout=httpx.Timeout(patience.answer, connect=patience.connect),
        headers={"Accept-Encoding": "identity"},
        event_hooks={
            "request": [lambda request: request.extensions.update(trace=partial(_hold, line, opened))],
            "response": [lambda response: _stay(response, address)],
        },
    )
    with closing(http):
        yield WebdavFiles(Client(base, http_client=http), address, line, max_bytes)


def _hold(line: HeldLine, opened: list[socket.socket], event: str, info: dict[str, Any]) -> None:
    """Whatever connections are opened can be ended."""
    if event in _CONNECTED:
        opened.append(info["return_value"].get_extra_info("socket"))
        line.hold(partial(_shut, opened))


def _shut(opened: Sequence[socket.socket]) -> None:
    for each in opened:
        shut(each)


def _stay(response: httpx.Response, address: RemoteAddress) -> None:
    if response.has_redirect_location:
        to, here = response.request.url.join(response.headers["Location"]), response.request.url
        if (to.scheme, to.host, to.port) != (here.scheme, here.host, here.port):
            raise SourceError(f"{address.place} leads to {to.scheme}://{to.host}; if that is right, name it in path")


@dataclass(frozen=True)
class WebdavFiles(RemoteFiles):
    """The files of a server."""

    client: Client
    address: RemoteAddress
    line: HeldLine
    max_bytes: int

    def entry(self, path: str) -> Entry | None:
        """What lies at a path."""
        with self._errors():
            try:
                found = self.client.propfind(quote(path), headers={"Depth": "0"}, follow_redirects=True).responses
            except ResourceNotFound:
                return None
        first = next(iter(found.values()), None)
        return None if first is None else _entry(path, first)

    def entries(self, folder: str) -> Iterator[Entry]:
        """What lies directly in a folder."""
        with self._errors():
            found = self.client.propfind(quote(folder), headers={"Depth": "1"}, follow_redirects=True).responses
        here = folder.rstrip("/")
        for each in found.values():
            self.line.check()
            parent, _, name = each.path_norm.rstrip("/").rpartition("/")
            if name and parent == here:
                yield _entry(f"{here}/{name}", each)

    def free_bytes(self, folder: str) -> int | None:
        """By the property for it, where the server has it (RFC 4331, section 3)."""
        with self._errors():
            found = self.client.propfind(
                quote(folder), data=_QUOTA, headers={"Depth": "0"}, follow_redirects=True
            ).responses
        first = next(iter(found.values()), None)
        told = None if first is None else first.response_xml.findtext(".//{DAV:}quota-available-bytes")
        return int(told) if told and told.strip().isdecimal() else None

    def blocks(self, entry: Entry, size: int) -> Generator[bytes, None, None]:
        """The file as it is read from the server."""
        with self._errors():
            request = self.client.http.build_request("GET", self.client.join_url(quote(entry.path)))
            with closing(self.client.http.send(request, stream=True, follow_redirects=True)) as response:
                if response.status_code != httpx.codes.OK:
                    raise self._refusal(response.status_code)
                told = response.headers.get("Content-Length", "")
                if told.isdigit() and int(told) != entry.size:
                    raise SourceError(f"{entry.path} changed while it was read")
                yield from response.iter_raw(BLOCK)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        place = self.address.place
        try:
            yield
        except HTTPError as error:
            raise self._refusal(error.status_code) from None
        except ResourceNotFound:
            raise self._refusal(httpx.codes.NOT_FOUND) from None
        except (ClientError, ParseError, ValueError, AssertionError):
            raise SourceError(f"{place} does not answer as a WebDAV server does there") from None
        except httpx.TimeoutException:
            raise SourceUnavailable(f"{place} did not answer in time") from None
        except httpx.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise SourceError(f"The certificate of {place} is not one that is trusted here") from None
            raise SourceUnavailable(f"{place} cannot be reached, or broke off") from None

    def _refusal(self, status: int) -> SourceError:
        place = self.address.place
        if status == httpx.codes.UNAUTHORIZED:
            return SourceError(f"{place} refused the credentials: are username and password right?")
        if status == httpx.codes.FORBIDDEN:
            return SourceError(f"{place} does not let this user read there")
        if status == httpx.codes.NOT_FOUND:
            return SourceError(f"{place} has no such file or folder (any more)")
        if status == httpx.codes.METHOD_NOT_ALLOWED:
            return SourceError(f"{place} does not answer as a WebDAV server does there")
        if status in _LATER:
            return SourceUnavailable(f"{place} is too busy or broken (status {status})")
        return SourceError(f"{place} refused (status {status})")


def _entry(path: str, found: Any) -> Entry:
    told = found.properties
    if told.collection:
        return Entry(path, is_folder=True)
    size = UNKNOWN if told.content_length is None else told.content_length
    return Entry(path, size, f"{size}:{told.etag or ''}:{told.modified or ''}")
