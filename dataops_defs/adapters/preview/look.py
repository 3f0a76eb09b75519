"""A look into a file, whatever it is: told by its content, unpacked as far as needed, shown by its kind."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import BinaryIO

from dataops_defs.adapters.preview.json_text import json_shown
from dataops_defs.adapters.preview.kinds import Kind, kind_of
from dataops_defs.adapters.preview.shown import Asked, Shown
from dataops_defs.adapters.preview.tables import table_shown
from dataops_defs.adapters.preview.text import text_shown
from dataops_defs.adapters.sources.csv.dialect import settings_named
from dataops_defs.adapters.storage.packing import members, packing_of
from dataops_defs.adapters.storage.spool import unpacked
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

# Of this much, text is shown; also of packed text, once it is unpacked.
HEAD_BYTES = 4 * 1024 * 1024
TOLD_BY = 64 * 1024
_SUFFIXES = {"gzip": "gz", "bzip2": "bz2", "xz": "xz", "Zstandard": "zst"}


@dataclass(frozen=True)
class Content:
    """A file to be looked into.

    Args:
        size: of the whole file, in bytes.
        opened: opens it, or only so many bytes of its beginning; there may be more.
        lines: ends of lines in the whole file, where somebody has counted them.
        max_bytes: so much of it is read where its beginning is not enough, packed or unpacked.
    """

    name: str
    size: int
    opened: Callable[[int | None], AbstractContextManager[BinaryIO]]
    lines: int | None = None
    max_bytes: int = 1024**3


def look_into(content: Content, asked: Asked, field: str) -> Shown:
    """The form, the columns and the first rows of a file.

    Raises:
        Invalid: an unknown ``encoding`` or ``delimiter``; or it is empty, no file of rows, or takes more than a preview
            may, and then ``field`` is named.
        SourceUnavailable: its place broke off.
    """
    try:
        with settings_named():
            return _look_into(content, asked)
    except SourceUnavailable:
        raise
    except SourceError as error:
        raise Invalid.field(field, str(error)) from None


def _look_into(content: Content, asked: Asked) -> Shown:
    with content.opened(HEAD_BYTES) as file:
        packing = packing_of(file)
        if packing is None:
            kind = kind_of(os.pread(file.fileno(), TOLD_BY, 0), content.name)
            if kind.has_head:
                return _text_shown(file, kind, asked, content.size, content.lines)
            packed = None
        else:
            with _beginning(file, content) as head:
                kind = kind_of(os.pread(head.file.fileno(), TOLD_BY, 0), content.name)
                packed = _SUFFIXES[packing.name]
                if kind.has_head:
                    shown = _text_shown(head.file, kind, asked, head.size, None)
                    told = "; ".join(each for each in (head.warning, shown.warning) if each)
                    return replace(shown, packing=packed, warning=told or None)
    with _whole(content) as file:
        return replace(table_shown(file, kind, content.name, asked), packing=packed)


def _text_shown(file: BinaryIO, kind: Kind, asked: Asked, size: int, lines: int | None) -> Shown:
    return json_shown(file, asked, size) if kind is Kind.JSON else text_shown(file, asked, size, lines)


@dataclass(frozen=True)
class _Beginning:
    """The unpacked beginning of a packed file, and about how long the whole is unpacked.

    ``warning``: the packed file breaks off, so that nobody knows how long it was.
    """

    file: BinaryIO
    size: int
    warning: str | None


@contextmanager
def _beginning(file: BinaryIO, content: Content) -> Iterator[_Beginning]:
    counted = _Counted(file)
    with unpacked(counted, content.name, HEAD_BYTES, content.max_bytes) as head:
        there = os.fstat(head.fileno()).st_size
        ended = counted.taken >= content.size and there < HEAD_BYTES
        warning = _break_in(file, content.name) if ended else None
        whole = ended and warning is None
        size = there if whole else max(round(there * content.size / max(counted.taken, 1)), there + 1)
        yield _Beginning(head, size, warning)


def _break_in(file: BinaryIO, name: str) -> str | None:
    """Why a small packed file is not whole; None for one that is."""
    packing = packing_of(file)
    assert packing is not None  # noqa: S101 - it was asked before
    file.seek(0)
    try:
        for _ in members(file, name, packing, cut=False):
            pass
    except SourceError as error:
        return str(error)
    return None


class _Counted(BytesIO):
    """A file that is read in small parts; ``taken`` is how far."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.taken = 0

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = TOLD_BY if size is None or size < 0 else min(size, TOLD_BY)
        part = os.pread(self._file.fileno(), wanted, self.taken)
        self.taken += len(part)
        return part


@contextmanager
def _whole(content: Content) -> Iterator[BinaryIO]:
    if content.size > content.max_bytes:
        raise SourceError(f"it is larger than the {content.max_bytes // 2**20} MB that a preview reads of such a file")
    with content.opened(None) as file, unpacked(file, content.name, max_bytes=content.max_bytes) as whole:
        yield whole
