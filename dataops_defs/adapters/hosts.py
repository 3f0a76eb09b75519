"""Which hosts a source may name, and which of their addresses are reached.

A source must not lead into the platform itself: its databases and Dagster listen on this machine's own addresses.
Source: SAFETY design, section 6, "Outgoing connections".
"""

import socket
from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from dataops_defs.errors import Invalid, SourceUnavailable

ALL_OTHERS = "*"
# IPv6 addresses that stand for IPv4 ones, which is what counts (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")
# More of that kind, whose use today is to get around rules (RFC 8215, 3056, 4380).
_TUNNELS = [ip_network(each) for each in ("64:ff9b:1::/48", "2002::/16", "2001::/32")]
Address = IPv4Address | IPv6Address
_ITSELF = IPv4Address("127.0.0.1")


def is_listed(host: str, port: int | None, allowed: Collection[str] | str, field: str) -> bool:
    """Whether an administrator named the host; there may be no list.

    Args:
        allowed: hosts or ``host:port``, as a list or separated by commas; ``*`` stands for all others.
        field: of the request, that names the host.
    Raises:
        Invalid: there is a list, and the host is not on it.
    """
    given = allowed.split(",") if isinstance(allowed, str) else allowed
    known = {each.strip().lower() for each in given if each.strip()}
    host = host.lower()
    listed = bool(known & {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"})
    if known and not listed and ALL_OTHERS not in known:
        raise Invalid.field(field, f"'{host}' is not among the hosts that sources may name")
    return listed


def addresses_of(host: str, port: int, field: str, *, listed: bool, private: bool) -> list[str]:
    """The addresses of a host; whoever connects should use these, as the next look-up may give others.

    Args:
        listed: an administrator named the host. This machine and its link (where clouds answer questions about
            credentials) are reached only where they are named as such.
        private: whether hosts in private networks may be reached without being named, as databases are.
    Raises:
        SourceUnavailable: the host is not known.
        Invalid: an address of it may not be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, OverflowError):
        raise SourceUnavailable(f"The host '{host}' is not known") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not all(may_be_reached(ip_address(each), host, listed=listed, private=private) for each in addresses):
        what = "a host that sources may name: it is this machine, or on its link" if private else "a public host"
        raise Invalid.field(field, f"'{host}' is not {what}; an administrator can list it in DATAOPS_ALLOWED_HOSTS")
    return addresses


def same_host(one: str, other: str) -> bool:
    """Whether two names may be one host's. They are looked up where they differ; if that fails, they may be."""
    if one == other:
        return True
    try:
        return bool(_known_as(one) & _known_as(other))
    except (OSError, UnicodeError):
        return True


def connected(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """A connection to the first address that takes one, each asked for so long at most."""
    for address in addresses[:-1]:
        try:
            return socket.create_connection((address, port), seconds)
        except OSError:
            continue
    return socket.create_connection((addresses[-1], port), seconds)


def may_be_reached(address: Address, host: str, *, listed: bool, private: bool) -> bool:
    """Whether a connection to ``host`` may go to one of its addresses; see `addresses_of`."""
    address = _meant(address)
    if any(address in each for each in _TUNNELS) or address.is_multicast:
        return False
    if address.is_global:
        return True
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        return listed and _names_itself(host)
    return private or listed


def _meant(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _known_as(host: str) -> set[Address]:
    """The addresses of a host; this machine has one, whichever of its own is named."""
    found = {_meant(ip_address(str(each[4][0]))) for each in socket.getaddrinfo(host, None)}
    return {_ITSELF if each.is_loopback or each.is_unspecified else each for each in found}


def _names_itself(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return True
