"""The account a PostgreSQL server runs as: our own, or ``nobody`` where we are root, whom PostgreSQL refuses."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypedDict

UNPRIVILEGED = "nobody"


class Identity(TypedDict, total=False):
    """The arguments of ``Popen`` that change who a process is."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """Who owns and runs a server; ``foreign`` when that is not us."""

    uid: int
    gid: int

    @classmethod
    def for_server(cls, data: Path | None = None) -> Self:
        """Ourselves; when we are root, the owner of the server's ``data``, or the unprivileged account."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        if data is not None and data.exists():
            return cls(data.stat().st_uid, data.stat().st_gid)
        entry = pwd.getpwnam(UNPRIVILEGED)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def foreign(self) -> bool:
        """Whether the server runs as someone else than this process."""
        return self.uid != os.geteuid()

    @property
    def identity(self) -> Identity:
        """What ``Popen`` needs so that the child is this account, with no other group."""
        return Identity(user=self.uid, group=self.gid, extra_groups=[]) if self.foreign else Identity()

    def own(self, path: Path) -> None:
        """Hand a file or folder of ours to the account."""
        if self.foreign:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether the account can pass through or execute ``path``, asked of the kernel, as only it knows ACLs."""
        if not self.foreign:
            return os.access(path, os.X_OK)
        found = subprocess.run(["/usr/bin/test", "-x", path], cwd="/", env={}, check=False, **self.identity)
        return found.returncode == 0
