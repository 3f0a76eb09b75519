"""Files wherever they lie, behind one interface: looked at, listed, copied."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.errors import SourceError

MAX_FOUND = 10_000
MAX_LOOKED_AT = 1_000_000
MAX_DEPTH = 32
UNKNOWN = -1
_MARKERS = ("_", ".")


@dataclass(frozen=True)
class Entry:
    """A file, or a folder, by its whole path.

    Args:
        size: in bytes; UNKNOWN where its place does not tell, and then it cannot be copied.
        mark: differs when the content does, as far as its place can tell.
    """

    path: str
    size: int = 0
    mark: str = ""
    is_folder: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Files(Protocol):
    """An open connection to a place of files.

    All raise SourceUnavailable (it did not answer in time, or broke off) or SourceError (it refused).
    ``at_once``: so many files may be opened at the same time, by as many threads.
    """

    @property
    def at_once(self) -> int:
        """At least one."""
        ...

    def entry(self, path: str) -> Entry | None:
        """What lies at a path; None for nothing."""
        ...

    def entries(self, folder: str) -> Iterator[Entry]:
        """What lies directly in a folder, in no order."""
        ...

    def matching(self, pattern: Glob) -> Iterator[Entry]:
        """The files whose paths match, in no order."""
        ...

    def free_bytes(self, folder: str) -> int | None:
        """How much room there is at a folder; None where its place does not tell."""
        ...

    def opened(self, entry: Entry, head: int | None = None, *, parts: bool = False) -> AbstractContextManager[BinaryIO]:
        """The file for reading, seekable, as it was when it was found; of a remote one a copy.

        Args:
            head: only so many bytes from the beginning are needed; there may be more.
            parts: only some parts of it are needed; it may be no copy, without a descriptor, and slow for the whole.
        Raises:
            SourceError: it is gone, or no longer the one that was found.
            InsufficientStorage: there is no room for the copy.
        """
        ...


def found_by(files: Files, pattern: str) -> Sequence[Entry]:
    """The files that match, by path. Empty ones named like the markers that jobs leave (``_SUCCESS``) are left out.

    Raises:
        SourceError: there are more than 10,000.
    """
    found: list[Entry] = []
    for each in files.matching(Glob(pattern)):
        if each.size or not each.name.startswith(_MARKERS):
            found.append(each)
        if len(found) > MAX_FOUND:
            raise SourceError(f"more than {MAX_FOUND:,} files match {pattern}; read fewer of them at a time")
    return sorted(found, key=lambda each: each.path)


def walk(files: Files, pattern: Glob) -> Iterator[Entry]:
    """``Files.matching`` for places that can only list folders."""
    waiting, looked_at = [(pattern.folder, 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        for each in files.entries(folder):
            looked_at += 1
            if looked_at > MAX_LOOKED_AT:
                raise SourceError(f"more than {MAX_LOOKED_AT:,} files lie below {pattern.folder}; name a folder in it")
            if not each.is_folder:
                if pattern.matches(each.path):
                    yield each
            elif depth < MAX_DEPTH and pattern.recursive and pattern.leads_to(each.path):
                waiting.append((each.path, depth + 1))
