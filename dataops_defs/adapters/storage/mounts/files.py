"""The files of a mount by the paths that users know them by, wherever they lie."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

from dataops_defs.adapters.storage.files import Entry, Files
from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.errors import SourceError, SourceUnavailable


@dataclass(frozen=True)
class MountedFiles:
    """Files below ``outer``, the mount's path; at their own place their paths begin with ``base`` instead.

    ``base`` is empty, or ends in a slash.
    """

    files: Files
    outer: str
    base: str

    @property
    def at_once(self) -> int:
        """As many as there."""
        return self.files.at_once

    def entry(self, path: str) -> Entry | None:
        """What lies at a path; the mount itself is always a folder."""
        if path.rstrip("/") == self.outer:
            return Entry(self.outer, is_folder=True)
        with self._by_our_names():
            found = self.files.entry(self.within(path))
        return None if found is None else self._shown(found)

    def entries(self, folder: str) -> Iterator[Entry]:
        """What lies directly in a folder."""
        with self._by_our_names():
            for each in self.files.entries(self.within(folder)):
                yield self._shown(each)

    def matching(self, pattern: Glob) -> Iterator[Entry]:
        """The files that match."""
        with self._by_our_names():
            for each in self.files.matching(Glob(self.within(pattern.pattern))):
                yield self._shown(each)

    def left_out(self, folder: str, patterns: Sequence[str], *, recursive: bool) -> list[str]:
        """Names that no path can hold, where the files lie on this machine."""
        if not isinstance(self.files, RootFiles):
            return []
        with self._by_our_names():
            return self.files.left_out(self.within(folder), patterns, recursive=recursive)

    def free_bytes(self, folder: str) -> int | None:
        """As its place tells."""
        with self._by_our_names():
            return self.files.free_bytes(self.within(folder))

    @contextmanager
    def opened(self, entry: Entry, head: int | None = None, *, parts: bool = False) -> Iterator[BinaryIO]:
        """The file, or a copy, as its place gives it."""
        with self._by_our_names():
            there = replace(entry, path=self.within(entry.path))
            with self.files.opened(there, head, parts=parts) as file:
                yield file

    def within(self, path: str) -> str:
        """Where a path below the mount lies at its own place."""
        rest = path.removeprefix(self.outer).strip("/")
        return self.base + rest if rest else self.base.rstrip("/") or self.base

    def _shown(self, entry: Entry) -> Entry:
        return replace(entry, path=f"{self.outer}/{entry.path.removeprefix(self.base)}")

    @contextmanager
    def _by_our_names(self) -> Iterator[None]:
        """A refusal speaks of the path that was asked for."""
        try:
            yield
        except SourceUnavailable as error:
            raise SourceUnavailable(self._renamed(error)) from None
        except SourceError as error:
            raise SourceError(self._renamed(error)) from None

    def _renamed(self, error: SourceError) -> str:
        if not self.base.strip("/"):
            return str(error)
        said = str(error).replace(self.base, f"{self.outer}/")
        return said.replace(self.base.rstrip("/"), self.outer) if self.base.startswith("/") else said
