"""Copies of remote files for the time of a reading: nameless files that are gone with the process, however it ends."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dataops_defs.adapters.storage.free_space import space_of
from dataops_defs.adapters.storage.packing import check_ratio, members, packing_of
from dataops_defs.errors import InsufficientStorage, SourceError

BLOCK = 1024 * 1024
# What other work on that disk needs.
KEPT_FREE = 200 * 1024**2
MAX_BYTES = 50 * 1024**3
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def spool(size: int, name: str, max_bytes: int = MAX_BYTES) -> Iterator[BinaryIO]:
    """An empty file on the disk of temporary files, with room for so many bytes.

    Raises:
        SourceError: it is more than is read.
        InsufficientStorage: there is not enough room, also when the disk fills later.
    """
    check_size(size, name, max_bytes)
    free = space_of(Path(tempfile.gettempdir())).free_bytes - KEPT_FREE
    if size > free:
        raise InsufficientStorage(
            f"{name} has {_shown(size)}, and the disk of temporary files room for {_shown(max(free, 0))}:"
            " make room, or name another disk in the variable TMPDIR"
        )
    with full_disks(), tempfile.TemporaryFile() as file:
        yield file


@contextmanager
def full_disks() -> Iterator[None]:
    """A full disk in a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InsufficientStorage(
            "The disk of temporary files is full: make room, or name another in the variable TMPDIR"
        ) from None


def check_size(size: int, name: str, max_bytes: int = MAX_BYTES) -> None:
    """SourceError for more bytes than are read of one file."""
    if size > max_bytes:
        raise SourceError(f"{name} is larger than the {_shown(max_bytes)} that are read of one file")


@contextmanager
def unpacked(file: BinaryIO, name: str, head: int | None = None, max_bytes: int = MAX_BYTES) -> Iterator[BinaryIO]:
    """The file itself, or what it holds where it is compressed, which its first bytes tell; see `packing`.

    Args:
        head: only so many bytes of the content are needed, and the file may be cut.
    Raises:
        SourceError: it breaks off, is damaged, or unfolds too far.
    """
    packing = packing_of(file)
    if packing is None:
        yield file
        return
    packed = os.fstat(file.fileno()).st_size
    with spool(0, name, max_bytes) as content:
        written = 0
        for block in members(file, name, packing, cut=head is not None):
            written += len(block)
            check_size(written, name, max_bytes)
            check_ratio(written, packed, name)
            content.write(block)
            if head is not None and written >= head:
                break
        content.seek(0)
        yield content


def _shown(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.1f} MB"
