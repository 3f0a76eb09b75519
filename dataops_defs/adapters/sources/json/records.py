"""JSON records, of an API's answers or of files, as Arrow batches in proven types."""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from tempfile import TemporaryFile
from typing import Any

from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.json.spool import SHOWN_CHARS, Spool, Unreadable
from dataops_defs.adapters.sources.json.text import (
    DECODER,
    MAX_VALUE_CHARS,
    PIECE_CHARS,
    PIECE_ROWS,
    JsonText,
    NotJson,
    Piece,
    said_of,
)
from dataops_defs.adapters.storage.spool import full_disks
from dataops_defs.errors import SourceError

SHOWN_NAMES = 10
NO_RECORDS = "it holds no records: a JSON file has to hold a list of objects, one object, or one object on each line"


@contextmanager
def json_reading(pieces: Iterable[Piece]) -> Iterator[Reading]:
    """All records, in proven types (see ``json_types``); columns stand in the order in which their names first occur.

    The pieces are taken, and their records kept in a temporary file, before the reading is given. What is no object is
    set aside in ``Reading.rejected``.

    Raises:
        SourceError: too many columns, or too many records that are no objects.
        InsufficientStorage: the disk of temporary files is full.
    """
    with TemporaryFile() as file:
        spool = Spool(file)
        with full_disks():
            for piece in pieces:
                spool.take(piece)
            spool.finish()
        yield spool.reading()


class JsonDocument:
    """The records of one JSON text; ``cursor`` is what the text holds at ``cursor_path``, once all are read.

    Args:
        chunks: the text's bytes.
        records_path: names joined by dots, where an array of records lies, or one object, which is one record; the
            text itself when left out. Null is no record.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        records_path: str | None = None,
        cursor_path: str | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.cursor: Any = None
        self._text = JsonText(chunks, encoding)
        self._records, self._cursor = records_path or "", cursor_path
        self._seen: list[str] = []
        self._found = False

    def pieces(self) -> Iterator[Piece]:
        """The records.

        Raises:
            NotJson: the text is not JSON, or breaks off.
            SourceError: it holds no records at that path.
        """
        yield from self._walk("")
        self._text.end()
        if not self._found:
            names = ", ".join(f"'{name}'" for name in self._seen)
            raise SourceError(f"There is nothing at '{self._records}'" + (f"; there are: {names}" if names else ""))

    def _walk(self, place: str) -> Iterator[Piece]:
        if place == self._records and not self._found:
            self._found = True
            yield from self._at_records()
        elif self._text.peek() == "{" and self._leads(place):
            for name in self._text.members():
                if not place and len(self._seen) < SHOWN_NAMES:
                    self._seen.append(name[:50])
                yield from self._walk(f"{place}.{name}" if place else name)
        else:
            self._note(place, self._text.value())

    def _leads(self, place: str) -> bool:
        wanted = [path for path in (self._records, self._cursor) if path]
        return not place or any(path.startswith(f"{place}.") for path in wanted)

    def _at_records(self) -> Iterator[Piece]:
        if self._text.peek() != "[":
            began, value = self._text.taken, self._text.value()
            self._note(self._records, value)
            if value is not None:
                yield Piece([value], self._text.taken - began)
            return
        began, records = self._text.taken, list[Any]()
        for _ in self._text.elements():
            records.append(self._text.value())
            if len(records) >= PIECE_ROWS or self._text.taken - began >= PIECE_CHARS:
                yield Piece(records, self._text.taken - began)
                began, records = self._text.taken, []
        if records:
            yield Piece(records, self._text.taken - began)

    def _note(self, place: str, value: Any) -> None:
        """Look for the cursor in a value that was taken whole."""
        path = self._cursor
        if path is None or not (path == place or not place or path.startswith(f"{place}.")):
            return
        for name in path[len(place) :].strip(".").split(".") if path != place else ():
            value = value.get(name) if isinstance(value, dict) else None
        self.cursor = value


def pieces_of_lines(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The records of JSON lines, as they are written in UTF-8; empty lines are none, others are Unreadable records."""
    records, chars = list[Any](), 0
    for line in _lines(chunks):
        if isinstance(line, Unreadable):
            records.append(line)
        elif line.strip():
            records.append(_record_of(line))
            chars += len(line)
        if len(records) >= PIECE_ROWS or chars >= PIECE_CHARS:
            yield Piece(records, chars)
            records, chars = [], 0
    if records:
        yield Piece(records, chars)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes | Unreadable]:
    rest, too_long = b"", False
    for chunk in chain(chunks, [b"\n"]):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _too_long(line) if too_long else line
            too_long = False
        if len(rest) > MAX_VALUE_CHARS:
            rest, too_long = rest[:SHOWN_CHARS], True


def _too_long(line: bytes) -> Unreadable:
    reason = f"is longer than {MAX_VALUE_CHARS // 2**20} MB"
    return Unreadable(reason, line[:SHOWN_CHARS].decode(errors="replace"))


def _record_of(line: bytes) -> Any:
    try:
        return DECODER.decode(line.removeprefix(BOM_UTF8).decode())
    except UnicodeDecodeError:
        reason = "is not written in UTF-8"
    except RecursionError:
        reason = "is nested too deeply"
    except ValueError as error:
        reason = f"is not JSON: {said_of(error)}"
    return Unreadable(reason, line[:SHOWN_CHARS].decode(errors="replace"))


__all__ = ["JsonDocument", "NotJson", "Piece", "Unreadable", "json_reading", "pieces_of_lines"]
