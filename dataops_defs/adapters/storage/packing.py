"""Compressed files, told by their first bytes: gzip, bzip2, xz and Zstandard, unpacked in pieces of bounded size."""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import zstandard

from dataops_defs.errors import SourceError

BLOCK = 1024 * 1024
# A few bytes of Zstandard can stand for 128 KB each, and its decoder gives all of them at once.
ZSTD_BLOCK = 1024
MAX_WINDOW = 128 * 1024**2
XZ_MEMORY = 256 * 1024**2
# Text is seldom packed to less than a hundredth; what unfolds much further is meant to fill a disk.
MAX_RATIO = 500
SMALL = 256 * 1024**2
_ZEROS = b"\x00"


@dataclass(frozen=True)
class Packing:
    """One way to compress: its name, a decoder of one member, how much is fed to it, and what it raises."""

    name: str
    decoder: Callable[[], Any]
    errors: tuple[type[Exception], ...]
    block: int = BLOCK
    bounded: bool = True


_GZIP = Packing("gzip", lambda: zlib.decompressobj(16 + zlib.MAX_WBITS), (zlib.error,))
_BZIP2 = Packing("bzip2", bz2.BZ2Decompressor, (OSError, ValueError))
_XZ = Packing("xz", lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY), (lzma.LZMAError,))
_ZSTD = Packing(
    "Zstandard",
    lambda: zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj(),
    (zstandard.ZstdError,),
    ZSTD_BLOCK,
    bounded=False,
)
_BZIP2_BLOCKS = (bytes.fromhex("314159265359"), bytes.fromhex("177245385090"))


def packing_of(file: BinaryIO) -> Packing | None:
    """How an open file is compressed; None for one that is not."""
    head = os.pread(file.fileno(), 10, 0)
    if head.startswith(b"\x1f\x8b"):
        return _GZIP
    if head.startswith(b"\xfd7zXZ\x00"):
        return _XZ
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _ZSTD
    # Three letters may begin a text; what follows them in bzip2 does not.
    return _BZIP2 if head.startswith(b"BZh") and head[4:10] in _BZIP2_BLOCKS else None


def members(file: BinaryIO, name: str, packing: Packing, *, cut: bool) -> Iterator[bytes]:
    """The content of all members, one after the other, in pieces.

    Args:
        cut: the file may end before its content does.
    Raises:
        SourceError: it breaks off or is damaged.
    """
    member, ended, packed = packing.decoder(), False, b""
    try:
        while True:
            if not packed and getattr(member, "needs_input", True) and not (packed := file.read(packing.block)):
                break
            yield _piece(packing, member, packed)
            packed = getattr(member, "unconsumed_tail", b"")
            if ended := bool(member.eof):
                packed = member.unused_data.lstrip(_ZEROS)
                if packed or (packed := file.read(packing.block).lstrip(_ZEROS)):
                    member, ended = packing.decoder(), False
                else:
                    break
    except packing.errors:
        raise SourceError(f"{name} is damaged: it cannot be unpacked as {packing.name}") from None
    if not ended and not cut:
        raise SourceError(f"{name} breaks off: it is not the whole of a {packing.name} file")


def check_ratio(written: int, packed: int, name: str) -> None:
    """SourceError for a file that unfolds as no honest one does."""
    if written > SMALL and written > MAX_RATIO * max(packed, 1):
        raise SourceError(f"{name} unfolds to more than {MAX_RATIO} times its size; it is not read")


def _piece(packing: Packing, member: Any, packed: bytes) -> bytes:
    piece: bytes = member.decompress(packed, BLOCK) if packing.bounded else member.decompress(packed)
    return piece
