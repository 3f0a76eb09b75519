"""Files of JSON, and of JSON lines, as records."""

import json
import os
from collections.abc import Iterator
from typing import BinaryIO

from dataops_defs.adapters.sources.json.records import JsonDocument, NotJson, Piece, pieces_of_lines
from dataops_defs.adapters.storage.spool import BLOCK
from dataops_defs.domain.extraction import FileFormat

LOOKED_AT = 64 * 1024
# More than the characters of one piece take at most, so that the first piece of a file that is cut there is whole.
HEAD_BYTES = 20 * 1024 * 1024


def json_pieces(file: BinaryIO, kind: FileFormat) -> Iterator[Piece]:
    """The records of a file, in their order.

    Raises:
        NotJson: it is not JSON, or breaks off.
    """
    if kind is FileFormat.JSONL:
        return pieces_of_lines(_chunks(file))
    return JsonDocument(_chunks(file)).pieces()


def first_pieces(file: BinaryIO, kind: FileFormat, rows: int, *, cut: bool) -> Iterator[Piece]:
    """The first records of a file, or of its beginning where it is ``cut``."""
    try:
        for piece in json_pieces(file, kind):
            records = piece.records[:-1] if cut and kind is FileFormat.JSONL else piece.records
            yield Piece(records[:rows], piece.chars)
            rows -= len(records)
            if rows <= 0:
                return
    except NotJson:
        if not cut:
            raise


def is_lines(file: BinaryIO) -> bool:
    """Whether a file whose name says JSON holds JSON lines, as many writers call them: an object a line, several."""
    first, _, rest = os.pread(file.fileno(), LOOKED_AT, 0).lstrip().partition(b"\n")
    if not first.startswith(b"{") or not rest.lstrip().startswith(b"{"):
        return False
    try:
        json.loads(first)
    except ValueError:
        return False
    return True


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    place = 0
    while block := os.pread(file.fileno(), BLOCK, place):
        place += len(block)
        yield block
