"""The first rows of CSV files and their like, whatever their size: 100 of 2 GB from 300 KB of them."""

import codecs
import os
from typing import BinaryIO

from dataops_defs.adapters.preview.shown import Asked, RowCount, Shown, first_rows, types_of
from dataops_defs.adapters.sources.csv.dialect import Dialect
from dataops_defs.adapters.sources.csv.file import MAX_HEAD_BYTES, dialect_in, head_batches
from dataops_defs.errors import Invalid, SourceError

FIRST_BYTES = 256 * 1024
PROBES = 16
PROBE_BYTES = 32 * 1024
LOOKED_AT = 64 * 1024
# A text may hold a stray control character, not one in every hundred bytes.
FEWEST_PER_STRANGE = 100
_NOT_OF_TEXT = bytes(each for each in range(32) if each not in b"\t\n\v\f\r\x1a\x1b")
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_shown(file: BinaryIO, asked: Asked, size: int, lines: int | None = None) -> Shown:
    """A preview of an open text file, or of its beginning.

    Args:
        size: of the whole file, in bytes; the file given may hold less.
        lines: ends of lines in the whole file, where somebody has counted them.
    Raises:
        SourceError: it is empty, is no text, or its first row cannot be used.
        Invalid: an unknown encoding or delimiter.
    """
    check_text(os.pread(file.fileno(), LOOKED_AT, 0), asked.encoding)
    there = os.fstat(file.fileno()).st_size
    cut = there < size
    known = {"encoding": asked.encoding, "delimiter": asked.delimiter}
    wanted = asked.limit if size > MAX_HEAD_BYTES else None
    dialect = dialect_in(file, known, cut=cut, proven=MAX_HEAD_BYTES if wanted is None else FIRST_BYTES)
    head = head_batches(file, dialect, wanted, cut=cut)
    rows = sum(batch.num_rows for batch in head.batches)
    count = RowCount(rows, exact=True) if head.whole else _estimated(file, dialect, rows, head.end, size, lines)
    return Shown(
        "tsv" if dialect.delimiter == "\t" else "csv",
        types_of(head.schema),
        first_rows(head.schema, head.batches, asked.limit),
        count,
        dialect.encoding,
        dialect.delimiter,
        guessed=dialect.guessed,
        set_aside=head.set_aside,
    )


def check_text(head: bytes, encoding: str | None) -> None:
    """Refuse what is no text, from its first bytes.

    Raises:
        SourceError: it is full of characters that no text has. Invalid: it is not of the ``encoding`` that was named.
    """
    if not head or head.startswith(_WIDE_MARKS) or _is_wide(head):
        return
    if (encoding or "").lower().replace("_", "-").startswith("utf-16"):
        # Ends of lines and delimiters hold a NUL each.
        if b"\x00" not in head:
            raise Invalid.field("encoding", "the file is not in UTF-16; leave encoding out to have it told by the file")
        return
    strange = len(head) - len(head.translate(None, _NOT_OF_TEXT))
    if strange * FEWEST_PER_STRANGE > len(head):
        raise SourceError("it is no text: it holds NUL or other control characters; if it is UTF-16, name the encoding")


def _is_wide(head: bytes) -> bool:
    """Whether it is UTF-16 without a mark: every other byte of Western text is a NUL."""
    sample = head[:1024]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    return min(even, odd) == 0 and max(even, odd) > len(sample) // 4


def _estimated(file: BinaryIO, dialect: Dialect, rows: int, end: int, size: int, lines: int | None) -> RowCount:
    """From the rows in the beginning, and how dense ends of lines are in all of the file."""
    ends = os.pread(file.fileno(), end, 0).count(b"\n")
    if not ends:
        return RowCount(max(rows, 1), exact=False)
    # A row may hold ends of lines in quotes; the first one holds the names.
    rows_per_end = (rows + 1) / ends
    if lines is None:
        lines = round(_density(file, end, ends) * (size - dialect.bom))
    return RowCount(max(round(lines * rows_per_end) - 1, rows), exact=False)


def _density(file: BinaryIO, end: int, ends: int) -> float:
    """Ends of lines for each byte, at places spread over what is there of the file."""
    there = os.fstat(file.fileno()).st_size
    if there < end + PROBES * PROBE_BYTES:
        return ends / end
    found = taken = 0
    for probe in range(PROBES):
        part = os.pread(file.fileno(), PROBE_BYTES, (there - PROBE_BYTES) * (2 * probe + 1) // (2 * PROBES))
        found, taken = found + part.count(b"\n"), taken + len(part)
    return found / taken
