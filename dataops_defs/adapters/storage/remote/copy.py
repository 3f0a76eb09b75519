"""A remote file copied to a nameless local one: whole and unchanged, or not at all."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.storage.files import UNKNOWN, Entry, walk
from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.adapters.storage.spool import spool
from dataops_defs.errors import SourceError, SourceUnavailable


@contextmanager
def copied(
    entry: Entry, size: int, blocks: Generator[bytes, None, None], line: HeldLine, max_bytes: int
) -> Iterator[BinaryIO]:
    """The first ``size`` bytes of the file that these blocks make up.

    Raises:
        SourceError: nobody knows how many bytes it has.
        SourceUnavailable: they end before the file does.
    """
    if entry.size == UNKNOWN:
        raise SourceError(f"{entry.path} cannot be copied: its server does not tell how long it is")
    with spool(size, entry.path, max_bytes) as file:
        written = 0
        with closing(blocks):
            for block in blocks if size else ():
                line.check()
                # A file that grew while it was read is found out by its mark, not by filling the disk.
                file.write(block[: size - written])
                written += len(block)
                if written >= size:
                    break
        if written < size:
            raise SourceUnavailable(f"{entry.path} broke off after {written:,} of {size:,} bytes")
        file.seek(0)
        yield file


class RemoteFiles(ABC):
    """What all servers of files have in common: their folders are walked, and their files copied."""

    line: HeldLine
    max_bytes: int

    @property
    def at_once(self) -> int:
        """One."""
        return 1

    @abstractmethod
    def entry(self, path: str) -> Entry | None:
        """What lies at a path."""

    @abstractmethod
    def entries(self, folder: str) -> Iterator[Entry]:
        """What lies directly in a folder."""

    @abstractmethod
    def free_bytes(self, folder: str) -> int | None:
        """How much room there is at a folder; None where the server does not tell."""

    @abstractmethod
    def blocks(self, entry: Entry, size: int) -> Generator[bytes, None, None]:
        """The file's bytes, of which ``size`` are needed."""

    def matching(self, pattern: Glob) -> Iterator[Entry]:
        """The files whose paths match."""
        return walk(self, pattern)

    @contextmanager
    def opened(self, entry: Entry, head: int | None = None, *, parts: bool = False) -> Iterator[BinaryIO]:
        """A copy of the file."""
        size = entry.size if head is None else min(head, entry.size)
        with copied(entry, size, self.blocks(entry, size), self.line, self.max_bytes) as file:
            if self.entry(entry.path) != entry:
                raise SourceError(f"{entry.path} changed while it was read")
            yield file
