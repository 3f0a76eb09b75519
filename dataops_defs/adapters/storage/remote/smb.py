"""Files of a share on a Windows or Samba server (SMB 2 and 3). No other server is asked, by DFS or otherwise."""

import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import smbclient
from smbprotocol.connection import Connection
from smbprotocol.exceptions import (
    LogonFailure,
    SMBAuthenticationError,
    SMBException,
    SMBOSError,
    SMBResponseException,
)
from smbprotocol.header import NtStatus
from smbprotocol.tree import TreeConnect
from spnego.exceptions import SpnegoError

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.line import ended_after
from dataops_defs.adapters.storage.files import Entry
from dataops_defs.adapters.storage.remote.address import Patience, RemoteAddress
from dataops_defs.adapters.storage.remote.copy import RemoteFiles
from dataops_defs.domain.connections import FileConnection
from dataops_defs.domain.mount import check_slashes
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

BLOCK = 1024 * 1024
_REFUSED = {
    NtStatus.STATUS_LOGON_FAILURE,
    getattr(NtStatus, "STATUS_ACCOUNT_DISABLED", 0xC0000072),
    getattr(NtStatus, "STATUS_PASSWORD_EXPIRED", 0xC0000071),
    getattr(NtStatus, "STATUS_ACCOUNT_LOCKED_OUT", 0xC0000234),
    getattr(NtStatus, "STATUS_ACCOUNT_RESTRICTION", 0xC000006E),
}


@contextmanager
def smb_files(
    given: FileConnection, address: RemoteAddress, line: HeldLine, patience: Patience, max_bytes: int
) -> Iterator["SmbFiles"]:
    """Connect and log in; the connection is of this reading alone."""
    if not given.username:
        raise Invalid.field("connection.username", "is required for smb://")
    files = SmbFiles(given, address, line, patience, max_bytes)
    line.hold(files.close)
    try:
        with files.asked():
            connection = Connection(uuid4(), address.host, address.port)
            files.connections[f"{address.host}:{address.port}"] = connection
            connection.connect(timeout=patience.connect)
            session = smbclient.register_session(address.host, **files.login)
            # Connected here, or the library would ask other servers for a share that this one does not have.
            share = address.path.strip("/").partition("/")[0]
            tree = TreeConnect(session, f"\\\\{address.host}\\{share}")
            tree.connect(require_secure_negotiate=True)
        if tree.is_dfs_share:
            raise SourceError(f"{address.place}/{share} leads to other servers (DFS); name the server and share there")
        yield files
    finally:
        files.close()


@dataclass(frozen=True)
class SmbFiles(RemoteFiles):
    """The files of a server that let us in. The first name of a path is the share."""

    given: FileConnection
    address: RemoteAddress
    line: HeldLine
    patience: Patience
    max_bytes: int
    # The library's own would hand this login to whoever names the same user.
    connections: dict[str, Any] = field(default_factory=dict)

    @property
    def login(self) -> dict[str, Any]:
        """What each call of the library has to be told, to stay on this connection."""
        return {
            "username": self.given.username,
            "password": self.given.password or "",
            "port": self.address.port,
            "connection_cache": self.connections,
            "connection_timeout": self.patience.connect,
        }

    def entry(self, path: str) -> Entry | None:
        """What lies at a path."""
        with self.asked():
            try:
                return self._entry(path)
            except SMBOSError as error:
                if error.ntstatus in (NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, NtStatus.STATUS_OBJECT_PATH_NOT_FOUND):
                    return None
                raise

    def entries(self, folder: str) -> Iterator[Entry]:
        """What lies directly in a folder; links are left out."""
        with self.asked():
            listed = list(smbclient.scandir(self._unc(folder), **self.login))
        for each in listed:
            path, size = f"{folder.rstrip('/')}/{each.name}", each.smb_info.end_of_file
            if each.is_symlink():
                continue
            if each.is_dir(follow_symlinks=False):
                yield Entry(path, is_folder=True)
            else:
                written = round(each.smb_info.last_write_time.timestamp() * 1000)
                yield Entry(path, size, f"{size}:{written}")

    def free_bytes(self, folder: str) -> int | None:
        """What this user may still write."""
        with self.asked():
            return int(smbclient.stat_volume(self._unc(folder), **self.login).caller_available_size)

    def close(self) -> None:
        """End the connection, and whatever waits for it."""
        for each in list(self.connections.values()):
            if each.transport is not None:
                each.disconnect(close=False)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """A question to the server: bounded in time, its refusals in the platform's words."""
        self.line.check()  # what was ended would be connected again
        clock = HeldLine()
        clock.hold(self.close)
        place = self.address.place
        try:
            with ended_after(self.patience.answer, clock.cut):
                yield
        except (LogonFailure, SMBAuthenticationError, SpnegoError):
            raise SourceError(f"{place} refused the credentials: are username and password right?") from None
        except SMBOSError as error:
            raise self._refusal(error.ntstatus) from None
        except SMBResponseException as error:
            raise self._refusal(error.status) from None
        except (SMBException, ValueError, OSError):
            self.line.check()
            if clock.is_cut:
                raise SourceUnavailable(f"{place} did not answer in time") from None
            raise SourceUnavailable(f"{place} cannot be reached, or broke off") from None

    def _refusal(self, status: int) -> SourceError:
        place, share = self.address.place, self.address.path.strip("/").partition("/")[0]
        if status in _REFUSED:
            return SourceError(f"{place} refused the credentials: are username and password right?")
        if status == NtStatus.STATUS_BAD_NETWORK_NAME:
            return SourceError(f"{place} has no share '{share}'")
        if status == NtStatus.STATUS_ACCESS_DENIED:
            return SourceError(f"{place} does not let this user read there")
        if status == NtStatus.STATUS_SHARING_VIOLATION:
            return SourceUnavailable(f"{place} has the file open for somebody else, who lets nobody read it now")
        if status in (NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, NtStatus.STATUS_OBJECT_PATH_NOT_FOUND):
            return SourceError(f"{place} has no such file or folder (any more)")
        return SourceError(f"{place} refused (status {status:#010x})")

    def blocks(self, entry: Entry, size: int) -> Generator[bytes, None, None]:
        """The file as it is read from the server."""
        # Others may go on writing; what changes is found out by its mark.
        with self.asked():
            remote = smbclient.open_file(
                self._unc(entry.path), mode="rb", buffering=0, share_access="rwd", **self.login
            )
        try:
            while True:
                with self.asked():
                    block = remote.read(BLOCK)
                if not block:
                    return
                yield block
        finally:
            with suppress(SourceError), self.asked():
                remote.close()

    def _entry(self, path: str) -> Entry:
        found = smbclient.stat(self._unc(path), **self.login)
        if stat.S_ISDIR(found.st_mode):
            return Entry(path, is_folder=True)
        return Entry(path, found.st_size, f"{found.st_size}:{round(found.st_mtime * 1000)}")

    def _unc(self, path: str) -> str:
        check_slashes(path, "path")
        inside = path.strip("/").replace("/", "\\")
        return f"\\\\{self.address.host}\\{inside}"
