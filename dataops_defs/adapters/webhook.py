"""Webhooks: one POST, signed, to an address that was looked at; the answer's status is all that counts of it.

Source: DECISIONS 31; SAFETY design, section 6, "Outgoing connections"; standard-webhooks.
"""

import socket
import time
from collections.abc import Collection, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import httpx

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.hosts import addresses_of, is_listed
from dataops_defs.adapters.line import ended_after, shut
from dataops_defs.adapters.sources.http.guard import PORTS
from dataops_defs.adapters.undelivered import Receipt, Undelivered
from dataops_defs.domain.alert_channels import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    WebhookChannel,
    signature,
)
from dataops_defs.errors import Invalid, SourceUnavailable

SECONDS = 15.0
SECONDS_TO_CONNECT = 5.0
FIELD = "channel.url"
_CONNECTED = ("connection.connect_tcp.complete", "connection.start_tls.complete")


def check_reach(url: str, allowed_hosts: Collection[str]) -> None:
    """Refuse what is known, without a look-up, to be no place for webhooks: names are looked up when one is sent.

    Raises:
        Invalid: it is not among the hosts that an administrator has listed, or is this machine or its network.
    """
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Invalid.field(FIELD, f"is no address: {error}") from None
    listed = is_listed(found.host, _port(found), allowed_hosts, FIELD)
    try:
        if found.host.lower() != "localhost":
            socket.getaddrinfo(found.host, _port(found), flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    addresses_of(found.host, _port(found), FIELD, listed=listed, private=False)


def post(
    channel: WebhookChannel, id: str, body: bytes, allowed_hosts: Collection[str], seconds: float = SECONDS
) -> Receipt:
    """Send a body of JSON; whoever gets the same ``id`` twice has the same message twice.

    The connection goes to an address that was looked at, whatever the name means a moment later; redirects are not
    followed, and of the answer nothing is read but its head.

    Raises:
        Undelivered: it could not be sent there, was not answered in time, or not with a status of 200 to 299.
    """
    line = HeldLine()
    try:
        url = httpx.URL(channel.url)
        listed = is_listed(url.host, _port(url), allowed_hosts, FIELD)
        addresses = addresses_of(url.host, _port(url), FIELD, listed=listed, private=False)
        with ended_after(seconds, line.cut):
            status = _status(_requests(channel, url, addresses, id, body, line))
    except Invalid as error:
        raise Undelivered(error.fields[0].message) from None
    except (httpx.TransportError, SourceUnavailable) as error:
        raise Undelivered(_lost(url, error, seconds if line.is_cut else None)) from None
    if 300 <= status < 400:
        raise Undelivered(f"{url.host} answered with {status}: redirects are not followed", status)
    if not 200 <= status < 300:
        raise Undelivered(f"{url.host} answered with {status}", status)
    return Receipt(status)


def _requests(
    channel: WebhookChannel, url: httpx.URL, addresses: list[str], id: str, body: bytes, line: HeldLine
) -> Iterator[httpx.Request]:
    """The same request to each address of the host."""
    moment = int(time.time())
    headers = httpx.Headers({"User-Agent": "dataops", **channel.headers})
    headers.update({"Host": url.netloc.decode(), "Content-Type": "application/json", "Accept-Encoding": "identity"})
    headers.update({ID_HEADER: id, "Idempotency-Key": id, TIME_HEADER: str(moment)})
    if channel.key is not None:
        headers[SIGNATURE_HEADER] = signature(channel.key, id, moment, body)

    def trace(event: str, info: dict[str, Any]) -> None:
        if event in _CONNECTED:
            opened = info["return_value"].get_extra_info("socket")
            if isinstance(opened, socket.socket):
                line.hold(partial(shut, opened))

    timeout = {"connect": SECONDS_TO_CONNECT, "pool": SECONDS_TO_CONNECT, "read": SECONDS, "write": SECONDS}
    for address in addresses:
        line.check()
        extensions = {"timeout": timeout, "trace": trace, "sni_hostname": url.host}
        yield httpx.Request("POST", url.copy_with(host=address), headers=headers, content=body, extensions=extensions)


def _status(requests: Iterator[httpx.Request]) -> int:
    """The status that the first reachable address answers with. Proxies of the environment are not used."""
    unreachable: httpx.TransportError | None = None
    with closing(httpx.HTTPTransport(limits=httpx.Limits(max_connections=1))) as transport:
        for request in requests:
            try:
                with closing(transport.handle_request(request)) as response:
                    return response.status_code
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                unreachable = error
    raise unreachable or SourceUnavailable("The host has no address")


def _lost(url: httpx.URL, error: Exception, cut_after: float | None) -> str:
    if cut_after is not None:
        return f"{url.host} did not answer within {cut_after:g} seconds"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"The certificate of {url.host} is not one that is trusted here"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"{url.host} cannot be reached"
    if isinstance(error, SourceUnavailable):
        return str(error)
    return f"The connection to {url.host} broke off before there was an answer"


def _port(url: httpx.URL) -> int:
    return url.port or PORTS[url.scheme]
