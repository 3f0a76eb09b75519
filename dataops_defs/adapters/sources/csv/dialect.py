"""How a CSV file is written: its encoding, its delimiter and the names of its columns, told from its beginning."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from statistics import mode

from dataops_defs.adapters.sources.csv.guessing import guessed_encoding
from dataops_defs.adapters.sources.csv.names import unique_names
from dataops_defs.adapters.sources.csv.plain_text import check_bytes, check_text
from dataops_defs.adapters.sources.header import ROWS_LOOKED_AT, Verdict, cell_of_text, verdict
from dataops_defs.errors import FieldProblem, Invalid, SourceError

HEAD_BYTES = 256 * 1024
MAX_COLUMNS = 10_000
DELIMITERS = (",", ";", "\t", "|")
_LINES_LOOKED_AT = 50
_BEFORE = re.compile(r'(?: *(?:\r\n|\n|\r))*(?:"?sep=([,;\t|])"? *(?:\r\n|\n|\r)+)?', re.IGNORECASE)
"""Empty lines, and the line by which Excel names the delimiter."""
_WITHIN_NUMBERS = re.compile(r"(?:[^,]|(?<=\d),(?=\d))*")
_WITHIN_VALUES = re.compile(r"(?:[^,]|(?<=\d),(?=\d)|,(?= ))*")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SINGLE_BYTE = [f"cp{number}" for number in (437, 850, 852, 866, 874, *range(1250, 1259))]
_ISO = [f"iso8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)]
_EAST = ["shift_jis", "cp932", "euc_jp", "gb2312", "gbk", "gb18030", "big5", "cp950", "euc_kr", "cp949"]
_OTHERS = ["ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "mac-roman", "koi8-r", "koi8-u"]
ENCODINGS = frozenset([*_OTHERS, *_SINGLE_BYTE, *_ISO, *_EAST])
"""Encodings that a source may name, by the name Python's codecs give them."""


@dataclass(frozen=True)
class Dialect:
    """What has to be known to read the rows: ``columns`` are unique.

    ``bom`` bytes are skipped: the byte order mark, lines that are empty before the first row, and Excel's ``sep=;``.
    ``sound`` is False where the file is known to hold bytes that its encoding does not have. ``guessed``: nobody
    named the encoding, and the bytes do not prove it. ``has_header``: the first row names the columns, and is no data;
    ``header_note``: what people should know of that, where nobody has said it.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    bom: int = 0
    sound: bool = True
    guessed: bool = False
    has_header: bool = True
    header_note: str | None = None

    @property
    def notes(self) -> Sequence[str]:
        """What people should know of how the file is read."""
        encoding = f"it is read as {self.encoding}, guessed from its bytes: if letters look wrong, name its encoding"
        return [*([encoding] if self.guessed else []), *([self.header_note] if self.header_note else [])]

    @property
    def utf8(self) -> bool:
        """Whether the bytes can be used as they are."""
        return self.encoding == "utf-8" and self.sound


def dialect_of(
    head: bytes, *, whole: bool, encoding: str | None, delimiter: str | None, has_header: bool | None = None
) -> Dialect:
    """Tell the dialect from the first bytes of a file; what the source names is taken as given.

    Args:
        head: at most some 256 KB; ``whole`` says that this is all there is.
    Raises:
        Invalid: an encoding or a delimiter that is not served, or an encoding that the file is not of.
        SourceError: the file is empty, is no text, or has no usable first row.
    """
    named = named_encoding(encoding) if encoding else None
    if delimiter:
        check_delimiter(delimiter)
    if not head:
        raise SourceError("the file is empty")
    check_bytes(head)
    found, bom, guessed = _encoding(head, named)
    text = _decoded(head[bom:], found)
    if not whole:
        text = text[: text.rfind("\n") + 1] or text
    before = _BEFORE.match(text)
    end, told_mark = (before.end(), before[1]) if before else (0, None)
    skipped = bom + len(text[:end].encode(found))
    text = text[end:]
    check_text(text, delimiter)
    mark = delimiter or told_mark or _delimiter(text)
    first, below = _first_rows(text, mark, whole)
    told = verdict(first, below, cell_of_text) if has_header is None else Verdict(has_header)
    names = unique_names(first if told.names_columns else [None] * len(first))
    return Dialect(found, mark, names, skipped, guessed=guessed, has_header=told.names_columns, header_note=told.note)


def check_delimiter(delimiter: str) -> None:
    """Refuse a delimiter that could be part of a value's form."""
    if len(delimiter) != 1 or delimiter.isalnum() or not delimiter.isascii() or delimiter in "\"'\r\n\x00.-+ \\":
        raise Invalid.field("connection.delimiter", "must be one character such as , ; | or a tab")


def named_encoding(name: str) -> str:
    """The encoding of that name; Invalid when it is not one of those that are served."""
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = ""
    known = {"utf-8-sig": "utf-8", "utf_8": "utf-8"}.get(known, known)
    if known not in ENCODINGS:
        raise Invalid.field(
            "connection.encoding", f"'{name[:50]}' is not served; use utf-8, utf-16, cp1252 or the like"
        )
    return "utf-8" if known == "ascii" else known


@contextmanager
def settings_named() -> Iterator[None]:
    """What a source calls ``connection.encoding`` is ``encoding`` where there is no source."""
    try:
        yield
    except Invalid as error:
        problems = [FieldProblem(each.field.removeprefix("connection."), each.message) for each in error.fields]
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems) if problems else error from None


def _encoding(head: bytes, named: str | None) -> tuple[str, int, bool]:
    """The encoding, the length of its byte order mark, and whether it is a guess."""
    for mark, encoding in _BOMS:
        if head.startswith(mark) and named in (None, encoding, "utf-16"):
            return encoding, len(mark), False
    if named:
        # Of UTF-16, ends of lines and delimiters hold a NUL each.
        if named.startswith("utf-16") and b"\x00" not in head:
            told = "the file is not in UTF-16; leave encoding out to have it told by the file"
            raise Invalid.field("connection.encoding", told)
        return ("utf-16-le" if named == "utf-16" else named), 0, False
    if (wide := _utf16_without_mark(head)) is not None:
        return wide, 0, False
    return ("utf-8", 0, False) if _is_utf8(head) else (guessed_encoding(head), 0, True)


def _utf16_without_mark(head: bytes) -> str | None:
    sample = head[:1024]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > len(sample) // 4 and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > len(sample) // 4 and odd == 0 else None


def _is_utf8(head: bytes) -> bool:
    """Also with a few bad bytes, if there is more that only UTF-8 explains: those rows are rejected later."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a character cut at the end is no fault
    except UnicodeDecodeError:
        text = _decoded(head, "utf-8")
        return sum(character > "\x7f" for character in text) > 3 * text.count("\ufffd")
    return True


def _decoded(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(head)


def _delimiter(text: str) -> str:
    """The mark that cuts most lines into the same number of fields; a comma where none does.

    Where several do, a tab is it, and the comma is not where it stands within values only, as in 1,50. Below a name
    without one, such commas cut nothing.
    """
    lines = text.splitlines(keepends=True)[:_LINES_LOOKED_AT]
    below = lines[1:] or lines
    within = all(map(_WITHIN_VALUES.fullmatch, below))
    is_cut = "," in "".join(lines[:1]) or not all(map(_WITHIN_NUMBERS.fullmatch, below))
    best, best_score = "," if is_cut else ";", (0.0, False, 0)
    for mark in DELIMITERS if is_cut else DELIMITERS[1:]:
        widths = [len(row) for row in _rows(lines, mark) if row]
        usual = mode(widths) if widths else 1
        if usual > 1:
            preferred = mark == "\t" or (within and mark != ",")
            score = (widths.count(usual) / len(widths), preferred, usual)
            if score > best_score:
                best, best_score = mark, score
    return best


def _rows(lines: Sequence[str], mark: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=mark))
    except csv.Error:
        return []


def _first_rows(text: str, delimiter: str, whole: bool) -> tuple[list[str], list[list[str]]]:
    """The first row, and some of those below it."""
    rows = (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)
    try:
        first = next(rows, [])
    except csv.Error:
        raise SourceError("the file has no first row with column names") from None
    if not first:
        raise SourceError("the file holds no rows")
    if not whole and "\n" not in text:
        raise SourceError(f"the first row is longer than {HEAD_BYTES // 1024} KB")
    if len(first) > MAX_COLUMNS:
        raise SourceError(f"the first row has {len(first)} columns; {MAX_COLUMNS} are the limit")
    below: list[list[str]] = []
    with suppress(csv.Error):
        below.extend(islice(rows, ROWS_LOOKED_AT))
    return first, below
