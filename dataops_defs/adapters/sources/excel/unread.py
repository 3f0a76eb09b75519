"""Cells of a sheet that are not empty and yet have no value: errors, and formulas that nobody has computed.

The reader of values gives both as empty cells, so the sheet's own XML is looked at: once for a sign of such cells, and
closely only where there is one. Sources: ECMA-376, part 1, sections 18.3.1.4 (cells), 18.2.19 (sheets) and 18.18.11
(types of cells); part 2, section 9.3 (relationships).
"""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree
from xml.parsers import expat

from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter

from dataops_defs.adapters.sources.csv.rows import MAX_REJECTED
from dataops_defs.adapters.sources.in_worker import Refused

WORKBOOK = "xl/workbook.xml"
OTHER_FORMAT = "errors and formulas never computed look like empty cells in this format; save the file as .xlsx"
MAX_SHOWN = 200
_RELATIONSHIPS = "xl/_rels/workbook.xml.rels"
_CHUNK = 1024 * 1024
# Longer than a formula.
_OVERLAP = 16 * 1024
_ERRORS = (b't="e"', b"t='e'")
_NOT_COMPUTED = re.compile(rb"<f(?:\s[^>]*)?(?:/>|>[^<]*</f\s*>)\s*(?:</c\s*>|<v(?:\s[^>]*)?/>|<v(?:\s[^>]*)?>\s*</v)")
_PREFIXED = re.compile(rb"<\w+:worksheet\b")


@dataclass(frozen=True)
class Unread:
    """A cell without a value: where it is, and what stands there, the error or the formula."""

    where: str
    shown: str
    computed: bool

    @property
    def reason(self) -> str:
        """Why its row cannot be taken."""
        if self.computed:
            return f"cell {self.where} holds {self.shown}"
        return f"cell {self.where} has a formula that was never computed: open and save the file in Excel"


UnreadCells = Mapping[int, Mapping[int, Unread]]
"""By row and column, both from 0."""


def unread_cells(file: BinaryIO, sheet: str) -> UnreadCells | None:
    """The cells of a sheet that have no value; None where the format does not tell them.

    Raises:
        Refused: they are in too many rows.
    """
    if not zipfile.is_zipfile(file):
        return None
    try:
        with zipfile.ZipFile(file) as container:
            part = _part_of(container, sheet)
            if part is None:
                return None
            with container.open(part) as xml:
                if not any(map(_looks_like_them, _overlapping(xml))):
                    return {}
            with container.open(part) as xml:
                return _Cells().found(xml)
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error, ElementTree.ParseError, expat.ExpatError):
        return None


def _part_of(container: zipfile.ZipFile, sheet: str) -> str | None:
    """The name of a sheet's XML in the container."""
    if WORKBOOK not in container.namelist():
        return None
    for each in ElementTree.fromstring(container.read(WORKBOOK)).iter():  # noqa: S314 - entities are refused before
        if _local(each.tag) == "sheet" and each.get("name") == sheet:
            id = next((value for name, value in each.items() if name.endswith("}id")), None)
            return _target(container, id)
    return None


def _target(container: zipfile.ZipFile, id: str | None) -> str | None:
    for each in ElementTree.fromstring(container.read(_RELATIONSHIPS)):  # noqa: S314 - entities are refused before
        if each.get("Id") == id:
            return posixpath.normpath(posixpath.join("/xl", each.get("Target", ""))).lstrip("/")
    return None


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def _looks_like_them(part: bytes) -> bool:
    """Whether a part of an XML may hold such cells; cheap, as every sheet is looked at. Prefixed names are rare."""
    errors = any(each in part for each in _ERRORS)
    return errors or _NOT_COMPUTED.search(part) is not None or _PREFIXED.search(part) is not None


def _overlapping(xml: IO[bytes]) -> Iterator[bytes]:
    """An XML in parts; what lies across their bounds is whole in one of them."""
    before = b""
    while chunk := xml.read(_CHUNK):
        yield before + chunk
        before = chunk[-_OVERLAP:]


class _Cells:
    """Goes through a sheet's XML, cell by cell."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[int, Unread]] = {}
        self._row = self._column = -1
        self._type = ""
        self._formula: str | None = None
        self._value = ""
        self._inside: str | None = None

    def found(self, xml: IO[bytes]) -> UnreadCells:
        """The cells without a value."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.ParseFile(xml)
        return self._rows

    def _start(self, tag: str, attributes: dict[str, Any]) -> None:
        match _local(tag):
            case "row":
                self._row = int(attributes.get("r", self._row + 2)) - 1
                self._column = -1
            case "c":
                self._column += 1
                if "r" in attributes:
                    self._row, self._column = (place - 1 for place in coordinate_to_tuple(attributes["r"]))
                self._type, self._formula, self._value = attributes.get("t", "n"), None, ""
            case "f":
                self._inside, self._formula = "f", ""
            case "v":
                self._inside = "v"

    def _text(self, text: str) -> None:
        if self._inside == "f":
            self._formula = (self._formula or "") + text
        elif self._inside == "v":
            self._value += text

    def _end(self, tag: str) -> None:
        match _local(tag):
            case "f" | "v":
                self._inside = None
            case "c":
                self._take()

    def _take(self) -> None:
        # An empty text is a value that a formula may have.
        computed = self._formula is None or bool(self._value) or self._type == "str"
        if self._type != "e" and computed:
            return
        shown = self._value or (f"={self._formula}" if self._formula is not None else "an error")
        where = f"{get_column_letter(self._column + 1)}{self._row + 1}"
        cell = Unread(where, shown[:MAX_SHOWN], computed)
        self._rows.setdefault(self._row, {})[self._column] = cell
        if len(self._rows) > MAX_REJECTED:
            raise Refused(f"more than {MAX_REJECTED} of its rows cannot be read; one of them: {cell.reason}")
