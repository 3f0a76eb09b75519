"""The first records of JSON files and JSON lines."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

import orjson

from dataops_defs.adapters.preview.shown import Asked, RowCount, Shown, first_rows, types_of
from dataops_defs.adapters.sources.json.file import is_lines
from dataops_defs.adapters.sources.json.records import NO_RECORDS, NotJson, Piece, json_reading, pieces_of_lines
from dataops_defs.adapters.sources.json.text import JsonText
from dataops_defs.errors import SourceError

HEAD_BYTES = 4 * 1024 * 1024
CHUNK = 64 * 1024
_NESTED = {dict: "object", list: "array"}
_LINE = re.compile(rb"\S[^\n]*")


def json_shown(file: BinaryIO, asked: Asked, size: int) -> Shown:
    """A preview of an open file, of which at most the first 4 MB are read.

    Args:
        size: of the whole file, in bytes; the file given may hold less.
    Raises:
        SourceError: it is not JSON, holds no records, or its first record is longer than that.
    """
    there = min(os.fstat(file.fileno()).st_size, HEAD_BYTES)
    lines = is_lines(file)
    found = _Records(file, there, cut=there < size)
    records = found.of_lines(asked.limit) if lines else found.of_document(asked.limit)
    if not records and not found.ended:
        raise SourceError(f"its first record is longer than {HEAD_BYTES // 2**20} MB")
    with json_reading([Piece(records, 0)]) as reading:
        if not reading.schema.names and found.ended and len(records) == found.count:
            raise SourceError(NO_RECORDS)
        rows = first_rows(reading.schema, reading.batches, asked.limit)
        types = types_of(reading.schema) | _unfold(rows, reading.json)
    count = found.count if found.ended else max(round(found.count * size / max(found.taken, 1)), found.count)
    return Shown(
        "jsonl" if lines else "json",
        types,
        rows,
        RowCount(count, exact=found.ended),
        "utf-8",
        set_aside=len(reading.rejected),
        warning=None if types else f"none of its first {len(records):,} records is an object, so no row is shown",
    )


def _unfold(rows: Sequence[dict[str, Any]], columns: Collection[str]) -> dict[str, str]:
    """Put what is nested in the place of its text; returns the types of these columns."""
    types: dict[str, str] = {}
    for name in columns:
        for row in rows:
            # A text that was shortened stays one.
            with suppress(orjson.JSONDecodeError):
                row[name] = row[name] if row[name] is None else orjson.loads(row[name])
        values = [row[name] for row in rows if row[name] is not None]
        same = {word for kind, word in _NESTED.items() if values and all(isinstance(each, kind) for each in values)}
        types[name] = next(iter(same), "string")
    return types


class _Records:
    """Records from the beginning of a file; ``taken`` bytes held those that were counted, ``ended``: all of them."""

    def __init__(self, file: BinaryIO, there: int, *, cut: bool) -> None:
        self._file, self._there, self._cut = file, there, cut
        self.taken = self.count = 0
        self.ended = False

    def of_document(self, limit: int) -> list[Any]:
        """Of an array, or the only one."""
        text, records = JsonText(self._chunks()), list[Any]()
        try:
            for _ in text.elements() if text.peek() == "[" else (None,):
                record = text.value()
                self.taken, self.count = text.taken, self.count + 1
                if len(records) < limit:
                    records.append(record)
            text.end()
            self.ended = not self._cut
        except NotJson:
            if not self._cut:
                raise
        return records

    def of_lines(self, limit: int) -> list[Any]:
        """One a line; the last line of a cut file may be cut too."""
        head = os.pread(self._file.fileno(), self._there, 0)
        if self._cut:
            head = head[: head.rfind(b"\n") + 1]
        self.taken, self.ended = len(head), not self._cut
        end = len(head)
        for self.count, line in enumerate(_LINE.finditer(head), start=1):
            if self.count == limit:
                end = line.end()
        return [record for piece in pieces_of_lines([head[:end]]) for record in piece.records]

    def _chunks(self) -> Iterator[bytes]:
        for place in range(0, self._there, CHUNK):
            yield os.pread(self._file.fileno(), min(CHUNK, self._there - place), place)
