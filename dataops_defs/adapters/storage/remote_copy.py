"""A remote file copied to a nameless local one: whole and unchanged, or not at all."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO

from dataops_defs.adapters.storage.files import UNKNOWN, Entry
from dataops_defs.adapters.storage.held_line import HeldLine
from dataops_defs.adapters.storage.spool import spool
from dataops_defs.errors import SourceError, SourceUnavailable


@contextmanager
def copied(
    entry: Entry, blocks: Generator[bytes, None, None], line: HeldLine, head: int | None, max_bytes: int
) -> Iterator[BinaryIO]:
    """The file that these blocks make up.

    Raises:
        SourceError: nobody knows how many bytes it has.
        SourceUnavailable: they end before the file does.
    """
    if entry.size == UNKNOWN:
        raise SourceError(f"{entry.path} cannot be copied: its server does not tell how long it is")
    size = entry.size if head is None else min(head, entry.size)
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
