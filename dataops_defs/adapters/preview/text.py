"""The first rows of CSV files and their like, whatever their size: 100 of 2 GB from 300 KB of them."""

import os
from collections.abc import Iterator
from functools import reduce
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.preview.shown import Asked, RowCount, Shown, first_rows, types_of
from dataops_defs.adapters.sources.csv.dialect import Dialect
from dataops_defs.adapters.sources.csv.file import MAX_HEAD_BYTES, HeadRows, dialect_in, head_batches
from dataops_defs.adapters.sources.csv.rows import BLOCK_SIZES

FIRST_BYTES = 256 * 1024
PROBES = 16
PROBE_BYTES = 32 * 1024


def text_shown(file: BinaryIO, asked: Asked, size: int, lines: int | None = None) -> Shown:
    """A preview of an open text file, or of its beginning.

    Args:
        size: of the whole file, in bytes; the file given may hold less.
        lines: ends of lines in the whole file, where somebody has counted them.
    Raises:
        SourceError: it is empty, is no text, or its first row cannot be used.
        Invalid: an unknown encoding or delimiter.
    """
    there = os.fstat(file.fileno()).st_size
    cut = there < size
    known = {"encoding": asked.encoding, "delimiter": asked.delimiter, "hasHeader": asked.has_header}
    wanted = asked.limit if size > MAX_HEAD_BYTES else None
    dialect = dialect_in(file, known, cut=cut, proven=MAX_HEAD_BYTES if wanted is None else FIRST_BYTES)
    head = head_batches(file, dialect, wanted, cut=cut)
    rows = sum(batch.num_rows for batch in head.batches) + head.set_aside
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
        warning="; ".join(_warnings(head, dialect, asked, there)) or None,
        has_header=dialect.has_header,
    )


def _warnings(head: HeadRows, dialect: Dialect, asked: Asked, there: int) -> Iterator[str]:
    """What its first row is taken for, and why rows are not shown, or will not be imported."""
    if dialect.header_note:
        yield dialect.header_note
    shown = any(batch.num_rows for batch in head.batches)
    if head.set_aside and not shown:
        yield "no row is shown, for none that was looked at can be read: an import sets them aside and says why"
    if not head.whole and not (head.set_aside or shown) and there >= MAX_HEAD_BYTES:
        yield (
            f"its first row of values is longer than the {MAX_HEAD_BYTES // 2**20} MB that a preview "
            f"reads, so no row is shown; an import takes rows of up to {BLOCK_SIZES[-1] // 2**20} MB"
        )
    if head.undecoded:
        rows = "1 row holds" if head.undecoded == 1 else f"{head.undecoded:,} rows hold"
        advice = (
            "leave the encoding out to have it told by the file"
            if asked.encoding
            else "name its encoding, or mend them"
        )
        yield f"{rows} bytes that are not {dialect.encoding}, and cannot be read: {advice}"
    if (told := _of_nul(head)) is not None:
        yield told


def _of_nul(head: HeadRows) -> str | None:
    """What an import into PostgreSQL would do with rows that can be shown."""
    found = 0
    for batch in head.batches:
        texts = [column for column in batch.columns if pa.types.is_string(column.type)]
        marked = [pc.fill_null(pc.match_substring(column, "\x00"), False) for column in texts]
        found += pc.sum(reduce(pc.or_, marked)).as_py() or 0 if marked else 0
    if not found:
        return None
    told = "holds a NUL character, which PostgreSQL cannot keep: an import sets it aside"
    return f"1 row {told}" if found == 1 else f"{found:,} rows: each {told}"


def _estimated(file: BinaryIO, dialect: Dialect, rows: int, end: int, size: int, lines: int | None) -> RowCount:
    """From the rows in the beginning, and how dense ends of lines are in all of the file."""
    ends = os.pread(file.fileno(), end, 0).count(b"\n")
    if not ends:
        return RowCount(max(rows, 1), exact=False)
    # A row may hold ends of lines in quotes; the first one may hold the names.
    rows_per_end = (rows + dialect.has_header) / ends
    if lines is None:
        lines = round(_density(file, end, ends) * (size - dialect.bom))
    return RowCount(max(round(lines * rows_per_end) - dialect.has_header, rows, 1), exact=False)


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
