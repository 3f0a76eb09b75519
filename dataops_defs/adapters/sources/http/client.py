"""Requests to a REST API: patient, bounded in time and size, and to no other host than the source's."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.hosts import addresses_of
from dataops_defs.adapters.line import During, ended_after, shut
from dataops_defs.adapters.sources.http.answer import Answer, Ask, body_of, is_passing, quoted, seconds_to_wait
from dataops_defs.adapters.sources.http.guard import PORTS
from dataops_defs.domain.connections import ApiConnection
from dataops_defs.errors import SourceError, SourceUnavailable

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPS_METHOD = frozenset({307, 308})
REFUSED_CREDENTIALS = frozenset({401, 403})
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


@dataclass(frozen=True)
class Limits:
    """What a reading may take, in seconds; ``answer_bytes`` counts one answer, unpacked.

    ``longest_pause`` is the longest that is waited when an API asks for it, ``first_pause`` the first where it
    does not say; later ones are twice as long.
    """

    seconds: float
    connect_seconds: float = 10
    read_seconds: float = 60
    answer_bytes: int = 64 * 1024 * 1024
    tries: int = 5
    first_pause: float = 1
    longest_pause: float = 120


class Refused(SourceError):
    """The API answered with an error that asking again does not mend."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Later(SourceUnavailable):
    """It is worth asking again; after ``pause`` seconds, where the API said so."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class ApiClient:
    """Asks one REST API, with its credentials. Whatever it asks only reads, and may be asked again: a POST too.

    It works on a transport, not on a client of httpx: that one logs the address of each request, where a key may
    stand. Proxies and passwords that the environment names are not used.
    """

    def __init__(self, connection: ApiConnection, limits: Limits, *, listed: bool, line: HeldLine) -> None:
        self._connection, self._limits, self._listed, self._line = connection, limits, listed, line
        self._deadline = time.monotonic() + limits.seconds
        self._transport = httpx.HTTPTransport(limits=httpx.Limits(max_connections=1))
        self._addresses: list[str] = []

    @classmethod
    @contextmanager
    def opened(
        cls, connection: ApiConnection, limits: Limits, *, listed: bool, during: During
    ) -> Iterator["ApiClient"]:
        """A client until the end of the block or of its time; ``during`` may end it too."""
        line = HeldLine()
        client = cls(connection, limits, listed=listed, line=line)
        with closing(client._transport), ended_after(limits.seconds, line.cut), during(line):
            yield client

    def ask(self, ask: Ask) -> Answer:
        """The answer, from wherever on the same host it is. Whoever gets it closes its body.

        Raises:
            Refused: the answer is an error. SourceError: it is too long, or leads to another host.
            SourceUnavailable: none came, however often it was asked for.
            Invalid: the host must not be reached.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._patiently(ask)
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or target is None:
                return answer
            answer.body.close()
            if ask.method != "GET" and answer.status not in KEEPS_METHOD:
                raise SourceError(f"{_named(ask)} is redirected in a way that loses its body ({answer.status})")
            ask = replace(ask, url=self.led(ask.url, target))
        raise SourceError(f"{_named(ask)} is redirected more than {MAX_REDIRECTS} times")

    def led(self, url: httpx.URL, target: str) -> httpx.URL:
        """Where an answer of ``url`` leads; the credentials must not follow it to another host.

        Raises:
            SourceError: it is another host, port or scheme.
        """
        try:
            found = url.join(target)
        except httpx.InvalidURL:
            raise SourceError("The API leads to an address that is none") from None
        if (found.scheme, found.host, found.port) != (url.scheme, url.host, url.port):
            raise SourceError(
                f"The API leads to {found.scheme}://{found.netloc.decode(errors='replace')[:100]}, where the"
                " credentials must not go; if that is right, make it the source's endpoint"
            )
        return found

    def quoted(self, answer: Answer) -> str:
        """The beginning of an answer as an error may show it."""
        answer.body.seek(0)
        return quoted(answer.body, self._connection.token)

    def _patiently(self, ask: Ask) -> Answer:
        backoff = wait_random_exponential(multiplier=self._limits.first_pause, max=self._limits.longest_pause)

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            told = error.pause if isinstance(error, _Later) else None
            return backoff(state) if told is None else told

        return Retrying(
            retry=retry_if_exception_type(_Later),
            stop=stop_after_attempt(self._limits.tries),
            wait=pause,
            sleep=self._rest,
            reraise=True,
        )(self._once, ask)

    def _rest(self, seconds: float) -> None:
        self._line.rest(seconds)
        if self._line.is_cut:
            raise self._ended()

    def _once(self, ask: Ask) -> Answer:
        try:
            with closing(self._sent(ask)) as response:
                body = body_of(response, self._limits.answer_bytes if ask.whole else 0)
        except httpx.LocalProtocolError:
            # What it says may hold the token.
            raise SourceError(f"{_named(ask)} cannot be asked: a header or the token is ill-formed") from None
        except httpx.TransportError as error:
            self._addresses = []
            raise self._lost(ask, error) from None
        answer = Answer(ask.url, response.status_code, response.headers, body)
        if not 200 <= answer.status < 300 and answer.status not in REDIRECTS:
            with closing(body):
                raise self._error(ask, answer)
        return answer

    def _sent(self, ask: Ask) -> httpx.Response:
        """Sent to an address that was looked at, whatever the name means a moment later."""
        if self._line.is_cut:
            raise self._ended()
        url = ask.url
        port = url.port or PORTS[url.scheme]
        addresses = self._addresses or addresses_of(
            url.host, port, "connection.endpoint", listed=self._listed, private=False
        )
        for address in addresses:
            try:
                response = self._transport.handle_request(self._request(ask, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == addresses[-1]:
                    raise
            else:
                self._addresses = [address]
                return response
        raise SourceUnavailable(f"The host '{url.host}' has no address")

    def _request(self, ask: Ask, address: str) -> httpx.Request:
        given = self._connection
        headers = httpx.Headers({"Accept": "application/json", "User-Agent": "dataops"})
        headers.update({**(given.headers or {}), "Host": ask.url.netloc.decode(), "Accept-Encoding": "gzip"})
        url = ask.url.copy_with(host=address)
        if given.auth_type == "bearer":
            headers["Authorization"] = f"Bearer {given.token}"
        elif given.auth_type == "apikey" and given.api_key_in == "header":
            headers[given.api_key_name] = str(given.token)
        elif given.auth_type == "apikey":
            url = url.copy_set_param(given.api_key_name, given.token)
        left = max(0.1, self._deadline - time.monotonic())
        connect, read = (min(left, each) for each in (self._limits.connect_seconds, self._limits.read_seconds))
        extensions: dict[str, Any] = {
            "timeout": {"connect": connect, "pool": connect, "read": read, "write": read},
            "trace": self._trace,
            "sni_hostname": ask.url.host,
        }
        return httpx.Request(ask.method, url, headers=headers, json=ask.body, extensions=extensions)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event in _CONNECTED:
            opened = info["return_value"].get_extra_info("socket")
            if isinstance(opened, socket.socket):
                self._line.hold(partial(shut, opened))

    def _lost(self, ask: Ask, error: httpx.TransportError) -> SourceError:
        if self._line.is_cut:
            return self._ended()
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return SourceError(f"The certificate of {ask.url.host} is not one that is trusted here")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return _Later(f"{ask.url.host} cannot be reached")
        if isinstance(error, httpx.TimeoutException):
            return _Later(f"{_named(ask)} was not answered within {self._limits.read_seconds:g} seconds")
        return _Later(f"The connection broke off while {_named(ask)} was answered")

    def _error(self, ask: Ask, answer: Answer) -> SourceError:
        said = f"{_named(ask)} was answered with {answer.status}{self.quoted(answer)}"
        if answer.status in REFUSED_CREDENTIALS:
            return Refused(answer.status, f"The API refused the credentials: {said}")
        if not is_passing(answer.status):
            return Refused(answer.status, said)
        pause = seconds_to_wait(answer.status, answer.headers)
        left = self._deadline - time.monotonic()
        if pause is not None and pause > min(left, self._limits.longest_pause):
            until = datetime.now(UTC) + timedelta(seconds=pause)
            asked = f"The API wants to be left alone for {pause:.0f} seconds"
            return Refused(answer.status, f"{asked}, try again after {until:%Y-%m-%d %H:%M:%S} UTC: {said}")
        return _Later(said, pause)

    def _ended(self) -> SourceError:
        if time.monotonic() >= self._deadline:
            return SourceError(f"The API needs longer than the {self._limits.seconds:g} seconds that it has")
        return SourceUnavailable("The reading was ended")


def _named(ask: Ask) -> str:
    """A request without its query, in which secrets may stand."""
    return f"{ask.method} {ask.url.path}"
