"""Where paths lead: several lead to one file, through mounts, roots and links at which these begin.

Every path is brought to the one form of its place, by which it is compared with others: a server, and names as the
least particular file system takes them.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self
from unicodedata import normalize

from sqlalchemy.orm import Session

from dataops_defs.adapters.hosts import same_host
from dataops_defs.adapters.storage.glob import Glob, is_pattern
from dataops_defs.adapters.storage.remote.address import PORTS, RemoteAddress
from dataops_defs.domain.mount import StorageType, is_below, plain_path
from dataops_defs.errors import Invalid
from dataops_defs.flows.platform import Platform

_BUCKETS = "s3://"
# NTFS: the contents of a file, or of a folder, by the name of the stream that holds them.
_STREAM = re.compile(r":[^:]*:\$\w+\Z")
# Alone among the letters of Unicode, these two have a case that depends on the language.
_LETTER_I = str.maketrans("İı", "ii")


class Server(NamedTuple):
    """Who keeps files; this machine, and a bucket by any endpoint, have no host. The usual port is None."""

    protocol: str
    host: str = ""
    port: int | None = None


class End(NamedTuple):
    """A place of files, in the one form by which it is compared."""

    server: Server
    path: str

    @classmethod
    def of(cls, server: Server, path: str) -> Self:
        """The place of a path as it is written there; of a pattern, the folder that it looks into."""
        fixed = Glob(path).folder if is_pattern(path) else path
        names = plain_path(fixed.replace("\\", "/")).split("/")
        return cls(server, "/".join(_name(each) for each in names))

    def is_below(self, other: "End") -> bool:
        """Whether it is the other place, or lies in it. Hosts are looked up where nothing else tells them apart."""
        here, there = self.server, other.server
        if (here.protocol, here.port) != (there.protocol, there.port) or not is_below(self.path, other.path):
            return False
        return same_host(here.host, there.host)


@dataclass(frozen=True)
class Ways:
    """The roots of files, and what is mounted: pairs of a path, and the server and path that it stands for."""

    roots: Sequence[Path]
    mounts: Sequence[tuple[str, tuple[Server, str]]]

    @classmethod
    def of(cls, platform: Platform, session: Session) -> Self:
        """All that there are now."""
        rows = platform.mounts(session).all()
        return cls(
            platform.settings.roots,
            [(row.local_path, place) for row in rows for place in _places(row.storage_type, row.address)],
        )

    def meet(self, path: str, other: str, *, either: bool = False) -> bool:
        """Whether a path may lead to the place where another one does, or to one below it.

        Args:
            either: the other one may lie below the path too.
        """
        pairs = [(one, two) for one in self._ends(path) for two in self._ends(other)]
        return any(one.is_below(two) or (either and two.is_below(one)) for one, two in pairs)

    def _ends(self, path: str) -> set[End]:
        """Every place that a path may lead to."""
        if "://" in path:
            return {End.of(*place) for place in _addressed(path)}
        if not path.startswith("/"):
            return {self._here(plain_path(f"{root.absolute()}/{path}")) for root in self.roots}
        plain = plain_path(path)
        found = {self._here(plain)}
        for at, (server, base) in self.mounts:
            if is_below(plain, at):
                there = base + plain[len(at) :]
                found.add(self._here(there) if server == _HERE else End.of(server, there))
        return found

    def _here(self, path: str) -> End:
        """Links below a root are not followed; the root itself may be one, or lie in one."""
        for root in self.roots:
            at = str(root.absolute())
            if is_below(path, at):
                return End.of(_HERE, str(root.resolve()) + path[len(at) :])
        return End.of(_HERE, path)


_HERE = Server("file")


def _places(kind: StorageType, address: str) -> list[tuple[Server, str]]:
    """The place of a mount; none where its address leads nowhere."""
    if kind is StorageType.LOCAL:
        return [(_HERE, address)]
    if kind is StorageType.NFS:
        host, _, path = address.rpartition(":/")
        return [(Server("nfs", host.strip("[]").lower()), f"/{path}")]
    return _addressed(address)


def _addressed(address: str) -> list[tuple[Server, str]]:
    if address.lower().startswith(_BUCKETS):
        return [(Server("s3"), f"/{address[len(_BUCKETS) :]}")]
    with suppress(Invalid):
        if (found := RemoteAddress.of(address)) is not None:
            port = None if found.port == PORTS[found.scheme] else found.port
            return [(Server(found.scheme.removesuffix("s"), found.host, port), found.path)]
    return []


def _name(text: str) -> str:
    """A name without what some file systems do not tell apart: case, forms of a character, blanks and dots at its end.

    Two forms too many cost a right that need not have been asked for; one too few is a way around it.
    """
    plain = _STREAM.sub("", normalize("NFC", text)).rstrip(" .").translate(_LETTER_I)
    return normalize("NFC", plain.casefold().upper().casefold())
