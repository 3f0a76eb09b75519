"""JSON as it arrives: read piece by piece, so that memory holds a few megabytes whatever the size of the text.

Source: RFC 8259. Numbers keep every digit: whole numbers are Python's, the others stay the text they were written as.
A name that an object holds twice counts once, with its last value.
"""

import codecs
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

import orjson

from dataops_defs.errors import SourceError

PIECE_ROWS = 16_384
PIECE_CHARS = 4 * 1024 * 1024
CHUNK_CHARS = 1024 * 1024
MAX_VALUE_CHARS = 64 * 1024 * 1024
# What may still follow a number that seems to end: a point, or an exponent's letter and sign.
_UNDECIDED = 3
_SPACE = " \t\n\r"


class NumberText(str):
    """A number with a fraction or an exponent, as it was written."""

    __slots__ = ()


class Piece(NamedTuple):
    """Some records in their order, and about how many characters they took."""

    records: list[Any]
    chars: int


NO_JSON = "it is no JSON: "
# What Python's parser waits for, as a sentence.
_WANTED = {
    "Expecting value": "a value is expected",
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected",
    "Expecting ',' delimiter": "',' is expected",
    "Expecting ':' delimiter": "':' is expected",
}


class NotJson(SourceError):
    """The text is not JSON, or breaks off."""


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no value of JSON")


DECODER = json.JSONDecoder(parse_float=NumberText, parse_constant=_refuse)


def as_json(value: Any) -> str:
    """The JSON text of a value that was read here, every number as it was written.

    Raises:
        TypeError: it holds half a surrogate pair, or is nested more than 250 deep.
    """
    try:
        return _dumped(value)
    except TypeError:
        return _dumped(_long_numbers_as_text(value))


def _dumped(value: Any) -> str:
    return orjson.dumps(value, default=_number, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()


def _number(value: Any) -> orjson.Fragment:
    if isinstance(value, NumberText):
        return orjson.Fragment(str(value))
    raise TypeError


def _long_numbers_as_text(value: Any) -> Any:
    """Whole numbers of more than 64 bits in the form that is written as it stands."""
    if isinstance(value, dict):
        return {name: _long_numbers_as_text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_long_numbers_as_text(each) for each in value]
    return NumberText(value) if type(value) is int and value.bit_length() > 63 else value


def said_of(error: ValueError) -> str:
    """What is wrong with a text, without Python's advice to its programmers."""
    if "int_max_str_digits" in str(error):
        return f"a number of more than {sys.get_int_max_str_digits()} digits is not read"
    return str(getattr(error, "msg", error))


class JsonText:
    """A JSON text under way: its values one after the other, or what they are made of.

    ``elements`` and ``members`` stop before each value; whoever walks them takes it with ``value`` or walks into it.
    All raise NotJson where the text is wrong or breaks off.
    """

    def __init__(self, chunks: Iterable[bytes], encoding: str = "utf-8") -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        self._text, self._at, self._before = "", 0, 0
        self._whole = False

    @property
    def taken(self) -> int:
        """How many characters have been read past."""
        return self._before + self._at

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                raise self._wrong(_WANTED.get(error.msg, error.msg), self._before + error.pos) from None
            except ValueError as error:
                raise NotJson(f"{said_of(error)}, after character {self.taken}") from None
            except RecursionError:
                raise NotJson(f"it is nested too deeply, after character {self.taken}") from None
            open_ended = type(found) in (int, NumberText) and len(self._text) - end < _UNDECIDED
            if not open_ended or not self._more():
                self._at = end
                return found

    def elements(self) -> Iterator[None]:
        """Walk an array."""
        yield from self._walk("[", "]")

    def members(self) -> Iterator[str]:
        """Walk an object: the name of each member."""
        for _ in self._walk("{", "}"):
            if self.peek() != '"':
                raise self._wrong("a name in double quotes is expected")
            name = self.value()
            self._take(":")
            yield name

    def end(self) -> None:
        """Nothing but white space may follow."""
        if self.peek():
            raise NotJson(f"something follows its end, after character {self.taken}")

    def _walk(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self.peek() == closing:
            self._at += 1
            return
        while True:
            yield
            if self.peek() == closing:
                self._at += 1
                return
            self._take(",")

    def _take(self, mark: str) -> None:
        if self.peek() != mark:
            raise self._wrong(f"'{mark}' is expected")
        self._at += 1

    def _more(self) -> bool:
        """Read on, at least as much again as is held: a long value is not tried again for every chunk."""
        if self._whole:
            return False
        parts = [self._text[self._at :]]
        wanted = max(len(parts[0]), CHUNK_CHARS)
        if len(parts[0]) > MAX_VALUE_CHARS:
            raise SourceError(f"A value is longer than {MAX_VALUE_CHARS // 2**20} million characters")
        while wanted > 0 and not self._whole:
            parts.append(self._decoded())
            wanted -= len(parts[-1])
        self._before, self._at, self._text = self._before + self._at, 0, "".join(parts)
        return True

    def _decoded(self) -> str:
        chunk = next(self._chunks, None)
        self._whole = chunk is None
        try:
            return self._decoder.decode(chunk or b"", final=self._whole)
        except UnicodeDecodeError as error:
            raise NotJson(f"it is not written in {error.encoding}") from None

    def _wrong(self, reason: str, taken: int | None = None) -> NotJson:
        if self._whole and self._at >= len(self._text):
            return NotJson("it breaks off" if self.taken else "it is empty")
        return NotJson(f"{NO_JSON}{reason} after character {self.taken if taken is None else taken}")
