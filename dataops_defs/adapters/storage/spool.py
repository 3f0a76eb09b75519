"""Copies of remote files for the time of a reading: nameless files that are gone with the process, however it ends."""

import errno
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dataops_defs.adapters.storage.free_space import space_of
from dataops_defs.errors import InsufficientStorage, SourceError

BLOCK = 1024 * 1024
# What other work on that disk needs.
KEPT_FREE = 200 * 1024**2
MAX_BYTES = 50 * 1024**3
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 16 + zlib.MAX_WBITS
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
    """The file itself, or what it holds where it is compressed as gzip, which its first bytes tell.

    Args:
        head: only so many bytes of the content are needed, and the file may be cut.
    Raises:
        SourceError: it breaks off, is damaged, or unfolds too far.
    """
    if os.pread(file.fileno(), len(_GZIP), 0) != _GZIP:
        yield file
        return
    with spool(0, name, max_bytes) as content:
        written = 0
        for block in _members(file, name, cut=head is not None):
            written += len(block)
            check_size(written, name, max_bytes)
            content.write(block)
            if head is not None and written >= head:
                break
        content.seek(0)
        yield content


def _members(file: BinaryIO, name: str, *, cut: bool) -> Iterator[bytes]:
    """The content of all members, one after the other (RFC 1952, section 2.2), in pieces of 1 MB at most."""
    member, packed = zlib.decompressobj(_GZIP_BITS), b""
    try:
        while True:
            packed = packed or file.read(BLOCK)
            if not packed:
                break
            yield member.decompress(packed, BLOCK)
            packed = member.unconsumed_tail
            if member.eof:
                packed = member.unused_data.lstrip(b"\x00")
                if packed or (packed := file.read(BLOCK).lstrip(b"\x00")):
                    member = zlib.decompressobj(_GZIP_BITS)
    except zlib.error:
        raise SourceError(f"{name} is damaged: it cannot be unpacked as gzip") from None
    if not member.eof and not cut:
        raise SourceError(f"{name} breaks off: it is not the whole of a gzip file")


def _shown(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.1f} MB"
