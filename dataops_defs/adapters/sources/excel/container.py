"""The container of a workbook, looked at before anything of it is unpacked: a small one can unfold to gigabytes.

Sources: APPNOTE.TXT of PKWARE, sections 4.3.12 and 4.3.16; SAFETY design, section 6, "Uploads".
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dataops_defs.adapters.sources.in_worker import Refused

MAX_FILE = 300 * 1024**2
MAX_ENTRIES = 5_000
SMALL = 10 * 1024**2
MOST_NAMED = 3
MAX_SHOWN = 60
NO_WORKBOOK = "it is not an Excel workbook"
OLD_FORMAT = bytes.fromhex("d0cf11e0a1b11ae1")
ZIP = b"PK\x03\x04"
_END = b"PK\x05\x06"
_END_BYTES = 22
_COMMENT_BYTES = 65_535
# More than a sane entry of the directory takes, with a long name.
_ENTRY_BYTES = 1_024
_PROLOGUE_BYTES = 4_096


@dataclass(frozen=True)
class Limits:
    """What a workbook may unfold to: so many bytes in all, and, when it is not small, so many for each packed one."""

    unpacked: int = 300 * 1024**2
    ratio: int = 200


LIMITS = Limits()


def check_container(file: BinaryIO, limits: Limits = LIMITS) -> None:
    """Refuse what is no workbook, or unfolds too far, from the zip directory alone.

    Raises:
        Refused: with one reason.
    """
    if os.fstat(file.fileno()).st_size > MAX_FILE:
        raise Refused(f"it is larger than {MAX_FILE // 2**20} MB")
    if os.pread(file.fileno(), len(OLD_FORMAT), 0) == OLD_FORMAT:
        return
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as container:
            entries = container.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
        raise Refused(NO_WORKBOOK) from None
    if len(entries) > MAX_ENTRIES:
        raise Refused(f"its container holds more than {MAX_ENTRIES} parts")
    if not any(entry.filename.startswith("xl/workbook.") for entry in entries):
        raise Refused(_archive_of(entries))
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if unpacked > limits.unpacked or (unpacked > SMALL and unpacked > limits.ratio * max(packed, 1)):
        raise Refused(f"it unfolds to {unpacked // 2**20} MB, more than is read")
    if any(map(_declares, _beginnings(file, entries))):
        raise Refused("it declares entities, as no workbook does")


def _archive_of(entries: Sequence[zipfile.ZipInfo]) -> str:
    """What to do with a zip archive of other things."""
    files = [entry.filename.rpartition("/")[2][:MAX_SHOWN] for entry in entries if not entry.is_dir()]
    held = ", ".join(files[:MOST_NAMED]) + (", …" if len(files) > MOST_NAMED else "") or "nothing"
    return (
        f"{NO_WORKBOOK} but a ZIP archive that holds {held}: unpack it and give a file of it; CSV, JSON, Parquet and "
        "Excel files are read, also when packed as .gz, .bz2, .xz or .zst"
    )


def _check_directory(file: BinaryIO) -> None:
    """Refuse a directory of very many entries before it is read."""
    size = os.fstat(file.fileno()).st_size
    taken = min(size, _END_BYTES + _COMMENT_BYTES)
    tail = os.pread(file.fileno(), taken, size - taken)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_BYTES:
        raise Refused(NO_WORKBOOK)
    entries, directory_bytes = struct.unpack_from("<HI", tail, place + 10)
    if entries > MAX_ENTRIES or directory_bytes > MAX_ENTRIES * _ENTRY_BYTES:
        raise Refused(f"its container holds more than {MAX_ENTRIES} parts")


def _declares(beginning: bytes) -> bool:
    """Whether a part has a document type declaration: entities unfold without end (ECMA-376, part 2, 8.1.4)."""
    return b"<!DOCTYPE" in beginning or "<!DOCTYPE".encode("utf-16-le") in beginning


def _beginnings(file: BinaryIO, entries: Sequence[zipfile.ZipInfo]) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as container:
        for entry in entries:
            if entry.filename.endswith((".xml", ".rels")):
                yield _beginning(container, entry)


def _beginning(container: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with container.open(entry) as part:
            return part.read(_PROLOGUE_BYTES)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError):
        return b""  # damaged, or locked by a password: whoever reads it says so
