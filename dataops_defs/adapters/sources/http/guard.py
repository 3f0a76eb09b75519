"""Which addresses a request may go to. A server's own network must not be reached through a source.

Source: SAFETY design, section 6, "Outgoing connections".
"""

import socket
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpx

from dataops_defs.adapters.allowed_hosts import is_listed
from dataops_defs.errors import Invalid, SourceUnavailable

PORTS = {"http": 80, "https": 443}
# IPv6 addresses that stand for IPv4 ones, which is what counts (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")
# More of that kind, whose use today is to get around rules (RFC 8215, 3056, 4380).
_TUNNELS = [ip_network(each) for each in ("64:ff9b:1::/48", "2002::/16", "2001::/32")]
Address = IPv4Address | IPv6Address


def is_endpoint_listed(connection: Mapping[str, Any], allowed: Collection[str] | str) -> bool:
    """Whether an administrator named the host of the connection's ``endpoint``; see ``is_listed``."""
    try:
        url = httpx.URL(str(connection.get("endpoint")))
    except httpx.InvalidURL as error:
        raise Invalid.field("connection.endpoint", f"is no address: {error}") from None
    return is_listed(url.host, url.port or PORTS.get(url.scheme), allowed, "connection.endpoint")


def addresses_of(host: str, port: int, *, listed: bool) -> list[str]:
    """The addresses of a host; whoever connects has to use these, as the next look-up may give others.

    Args:
        listed: an administrator named the host, which may then lie in a private network. This machine and its link
            (where clouds answer questions about credentials) are reached only where they are named as such.
    Raises:
        SourceUnavailable: the host is not known.
        Invalid: an address of it may not be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError):
        raise SourceUnavailable(f"The host '{host}' is not known") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not all(may_be_reached(ip_address(each), host, listed=listed) for each in addresses):
        raise Invalid.field(
            "connection.endpoint",
            f"'{host}' is not a public host; an administrator can list it in DATAOPS_ALLOWED_HOSTS",
        )
    return addresses


def may_be_reached(address: Address, host: str, *, listed: bool) -> bool:
    """Whether a request to ``host`` may go to one of its addresses; see `addresses_of`."""
    address = _meant(address)
    if any(address in each for each in _TUNNELS) or address.is_multicast:
        return False
    if address.is_global:
        return True
    own = address.is_loopback or address.is_link_local or address.is_unspecified
    return listed and (not own or _names_itself(host))


def _meant(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _names_itself(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
