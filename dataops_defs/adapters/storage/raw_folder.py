"""Raw copies in a local folder: a file is written beside its place and renamed into it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dataops_defs.errors import DependencyUnavailable, NotFound

PREFIX = "raw:"
PARTIAL = ".partial"


class FolderPlaces:
    """Buckets are folders below ``root``; users see ``raw:<bucket>/<key>``, never the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, bucket: str, key: str) -> str:
        """``raw:<bucket>/<key>``."""
        return f"{PREFIX}{bucket}/{key}"

    @contextmanager
    def create(self, bucket: str, key: str) -> Iterator[BinaryIO]:
        """A file to write, renamed into place at the end, removed on any failure."""
        place = self._root / bucket / key
        partial = place.with_name(f".{secrets.token_hex(8)}{PARTIAL}")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
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

    def _place(self, uri: str) -> Path:
        inside = uri.removeprefix(PREFIX)
        if inside == uri or any(part in ("", ".", "..") for part in inside.split("/")) or "\x00" in uri:
            raise NotFound(f"there is no raw copy {uri}")
        return self._root / inside


def _unavailable(error: OSError) -> DependencyUnavailable:
    return DependencyUnavailable(f"the raw store cannot be written: {os.strerror(error.errno or 0).lower()}")
