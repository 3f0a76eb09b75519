"""Files on other machines: ``sftp://``, ``smb://``, ``webdav://`` and ``webdavs://``, behind the interface of files
anywhere.

The libraries of each protocol are used as they are, not through fsspec's file systems: those share one SMB session
among all who name the same user, trust any SFTP host at first sight, and join pieces of a WebDAV file that changed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import unquote

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.hosts import addresses_of
from dataops_defs.adapters.line import During
from dataops_defs.adapters.storage.files import Files
from dataops_defs.adapters.storage.spool import MAX_BYTES
from dataops_defs.domain.connections import FileConnection
from dataops_defs.domain.mount import check_slashes
from dataops_defs.errors import Invalid

PORTS = {"sftp": 22, "smb": 445, "webdav": 80, "webdavs": 443}
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Patience:
    """Seconds that a server is waited for: to connect and log in, and for each answer."""

    connect: float = 10
    answer: float = 60


PATIENCE = Patience()


@dataclass(frozen=True)
class RemoteAddress:
    """Where remote files lie. ``path`` begins with a slash; in an address it is written with percent signs.

    ``addresses`` are the host's, once it was looked up.
    """

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The address without its path, as it is shown."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}"

    @classmethod
    def of(cls, text: str, *, field: str = "connection.path") -> Self | None:
        """The parts of an address; None for a path without a scheme, which is a local one.

        Raises:
            Invalid: an unknown scheme, a user or password in it, a path that climbs.
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            return None
        scheme = found[1].lower()
        if scheme not in PORTS:
            raise Invalid.field(field, f"'{scheme}://' is not served; use {', '.join(f'{each}://' for each in PORTS)}")
        if "@" in found[2]:
            raise Invalid.field(field, "must not hold a user or password: give them as username and password")
        host = _HOST.fullmatch(found[2])
        port = int(host[2] or PORTS[scheme]) if host else 0
        if host is None or not 0 < port < 65536:
            raise Invalid.field(field, "must name a host, and perhaps a port, after ://")
        path = unquote(found[3] or "/")
        if ".." in path.replace("\\", "/").split("/") or any(ord(each) < 32 or ord(each) == 127 for each in path):
            raise Invalid.field(field, "must not hold '..' or control characters")
        if scheme == "smb":
            check_slashes(path, field)
            if not path.strip("/"):
                raise Invalid.field(field, "must name a share: smb://host/share/path")
        return cls(scheme, host[1].strip("[]").lower(), port, path)


@contextmanager
def remote_files(
    given: FileConnection,
    address: RemoteAddress,
    *,
    listed: bool = True,
    max_bytes: int = MAX_BYTES,
    during: During = nullcontext,
    patience: Patience = PATIENCE,
) -> Iterator[Files]:
    """Connect and log in; ``during`` is told of the line as long as it is open.

    Args:
        listed: an administrator named the host; others must not be this machine itself.

    Raises:
        SourceUnavailable: no such host, or it did not answer. SourceError: it refused, or is not who it should be.
    """
    address = replace(
        address,
        addresses=tuple(addresses_of(address.host, address.port, "connection.path", listed=listed, private=True)),
    )
    line = HeldLine()
    given = replace(given, username=given.username or None, password=given.password or None)
    # Each of these takes a fifth of a second to import: only those who use it pay.
    with during(line):
        if address.scheme == "sftp":
            from dataops_defs.adapters.storage.remote.sftp import sftp_files

            with sftp_files(given, address, line, patience, max_bytes) as files:
                yield files
        elif address.scheme == "smb":
            from dataops_defs.adapters.storage.remote.smb import smb_files

            with smb_files(given, address, line, patience, max_bytes) as files:
                yield files
        else:
            from dataops_defs.adapters.storage.remote.webdav import webdav_files

            with webdav_files(given, address, line, patience, max_bytes) as files:
                yield files
