"""Secrets by name: how a setting refers to one, and to which servers one may be sent.

Source: document 001, ``"source": "secret:NAME"``; CHECKLIST P033 and P038.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from dataops_defs.errors import FieldProblem, Invalid

PREFIX = "secret:"
NAME = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,100}")
NAME_RULE = "must be 1 to 100 letters, digits, '_', '-' or '.'"
MOST_HOSTS = 100
# Nothing that two readers of an address could take for different hosts.
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Server:
    """Where a connection sends its secrets; without a port any port of the host is meant."""

    host: str
    port: int | None = None

    @classmethod
    def of(cls, text: str, port: int | None = None) -> Self | None:
        """The server of ``host`` or ``host:port``, with ``port`` where the text has none; None for anything else."""
        found = _SERVER.fullmatch(text)
        if found is None:
            return None
        return cls(found[1].strip("[]").lower(), int(found[2]) if found[2] else port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def refers(value: object) -> bool:
    """Whether a setting is meant to name a secret instead of holding one."""
    return isinstance(value, str) and value.startswith(PREFIX)


def why_no_reference(value: str) -> str | None:
    """Why ``secret:NAME`` names nothing that could exist."""
    if NAME.fullmatch(value.removeprefix(PREFIX)):
        return None
    return f"must read {PREFIX}NAME; the name {NAME_RULE}"


def allowed_servers(hosts: Sequence[str]) -> list[str]:
    """Hosts that a secret may be sent to, as they are kept: ``host`` or ``host:port``, each once.

    Raises:
        Invalid: one of them is neither, named ``allowedHosts.<position>``.
    """
    found = [Server.of(each.strip()) for each in hosts]
    problems = [
        FieldProblem(f"allowedHosts.{place}", "must be a host, or host:port")
        for place, each in enumerate(found)
        if each is None or each.port == 0 or (each.port or 0) > 65535
    ]
    if len(hosts) > MOST_HOSTS:
        problems.append(FieldProblem("allowedHosts", f"must not hold more than {MOST_HOSTS} hosts"))
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
    return list(dict.fromkeys(map(str, found)))


def may_go_to(server: Server | None, hosts: Sequence[str]) -> bool:
    """Whether a secret with these allowed hosts may be sent to that server; to None, which nobody knows, never."""
    return server is not None and bool({str(server), str(Server(server.host))} & set(hosts))
