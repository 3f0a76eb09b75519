"""Raw copies in a local folder: a file is written beside its place and renamed into it."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from dataops_defs.adapters.storage.raw_copy import RawCopy
from dataops_defs.errors import DataOpsError, DependencyUnavailable, InsufficientStorage, NotFound

PREFIX = "raw:"
PARTIAL = ".partial"
FULL = (errno.ENOSPC, errno.EDQUOT)


class FolderPlaces:
    """Buckets are folders below ``root``; users see ``raw:<bucket>/<key>``, never the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, bucket: str, key: str) -> str:
        """``raw:<bucket>/<key>``."""
        return f"{PREFIX}{bucket}/{key}"

    @contextmanager
    def create(self, bucket: str, key: str, writer: str) -> Iterator[BinaryIO]:
        """A file to write, renamed into place at the end, removed on any failure.

        Files that the same ``writer`` was writing before go first: it was killed, or has lost its right.
        """
        place = self._root / bucket / key
        partial = place.with_name(f".{writer}.{secrets.token_hex(8)}{PARTIAL}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            for earlier in place.parent.glob(f".{writer}.*{PARTIAL}") if writer else ():
                earlier.unlink(missing_ok=True)
            file = partial.open("xb", buffering=1024 * 1024)
        except OSError as error:
            raise _unavailable(error) from None
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(place)
        except OSError as error:
            raise _unavailable(error) from None
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def open(self, uri: str) -> Iterator[BinaryIO]:
        """The file to read."""
        try:
            file = self._place(uri).open("rb")
        except OSError:
            raise NotFound(f"there is no raw copy {uri}") from None
        with file:
            yield file

    def delete(self, uri: str) -> None:
        """Remove the file, if it is there."""
        try:
            self._place(uri).unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(error) from None

    def exists(self, uri: str) -> bool:
        """Whether the file is there."""
        try:
            return self._place(uri).is_file()
        except NotFound:
            return False

    def copies(self, folder: str) -> Iterator[RawCopy]:
        """The finished files directly in a folder, in no order."""
        for file, found in self._files(folder):
            if file.suffix != PARTIAL:
                yield RawCopy(f"{folder}/{file.name}", found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def discard_unfinished(self, folder: str, before: datetime) -> list[int]:
        """Remove files that were being written and have not grown since ``before``; the bytes of each."""
        gone = []
        for file, found in self._files(folder):
            if file.suffix == PARTIAL and found.st_mtime < before.timestamp():
                file.unlink(missing_ok=True)
                gone.append(found.st_size)
        return gone

    def _files(self, folder: str) -> Iterator[tuple[Path, os.stat_result]]:
        try:
            for each in self._place(folder).iterdir():
                with suppress(FileNotFoundError):  # a writer has just renamed it
                    found = each.lstat()
                    if stat.S_ISREG(found.st_mode):
                        yield each, found
        except (NotFound, FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _unavailable(error, "read") from None

    def _place(self, uri: str) -> Path:
        inside = uri.removeprefix(PREFIX)
        if inside == uri or any(part in ("", ".", "..") for part in inside.split("/")) or "\x00" in uri:
            raise NotFound(f"there is no raw copy {uri}")
        return self._root / inside


def _unavailable(error: OSError, done: str = "written") -> DataOpsError:
    if error.errno in FULL:
        return InsufficientStorage("The disk of the raw store is full: make room on it, then try again")
    return DependencyUnavailable(f"the raw store cannot be {done}: {os.strerror(error.errno or 0).lower()}")
