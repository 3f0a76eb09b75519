"""Files below configured folders, behind the interface of files anywhere."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dataops_defs.adapters.storage.files import Entry
from dataops_defs.adapters.storage.free_space import space_at
from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.adapters.storage.roots import is_folder, list_files, mark_of, names_left_out, open_file, open_folder
from dataops_defs.errors import SourceError


@dataclass(frozen=True)
class RootFiles:
    """Local files; ``field`` is what a refusal names. See ``roots`` for what is refused."""

    roots: Sequence[Path]
    field: str = "connection.path"

    @property
    def at_once(self) -> int:
        """One."""
        return 1

    def entry(self, path: str) -> Entry | None:
        """What lies there."""
        if is_folder(self.roots, path, field=self.field):
            return Entry(path, is_folder=True)
        try:
            with open_file(self.roots, path, field=self.field) as file:
                return _entry(path, file)
        except SourceError:
            return None

    def entries(self, folder: str) -> Iterator[Entry]:
        """The regular files in a folder; folders in it are left out."""
        for each in list_files(self.roots, folder or ".", field=self.field):
            yield Entry(each.path.removeprefix("./"), each.size, each.mark)

    def matching(self, pattern: Glob) -> Iterator[Entry]:
        """The files that match."""
        root = "/" if pattern.pattern.startswith("/") else "."
        for each in list_files(self.roots, pattern.folder or root, recursive=pattern.recursive, field=self.field):
            path = each.path.removeprefix("./")
            if pattern.matches(path):
                yield Entry(path, each.size, each.mark)

    def left_out(self, folder: str, patterns: Sequence[str], *, recursive: bool) -> list[str]:
        """Names that match and that no path can hold, escaped."""
        return names_left_out(self.roots, folder, patterns, recursive=recursive, field=self.field)

    def free_bytes(self, folder: str) -> int | None:
        """What its file system has."""
        descriptor = open_folder(self.roots, folder, field=self.field)
        try:
            return space_at(descriptor).free_bytes
        finally:
            os.close(descriptor)

    @contextmanager
    def opened(self, entry: Entry, head: int | None = None, *, parts: bool = False) -> Iterator[BinaryIO]:
        """The file itself."""
        with open_file(self.roots, entry.path, field=self.field) as file:
            if _entry(entry.path, file) != entry:
                raise SourceError(f"{entry.path} changed while it was read")
            yield file


def _entry(path: str, file: BinaryIO) -> Entry:
    found = os.fstat(file.fileno())
    return Entry(path, found.st_size, mark_of(found))
