r"""Values of rejected rows as cells of CSV files and workbooks, and back: nothing is lost, nothing runs.

- What a file cannot hold, or a program would tidy up, is written as ``\x00``: control characters but tab and line feed,
  and blanks where there is nothing else. So is what would read as such a code (``\x5cx00``), or as one of Excel's own
  (``_x0041_``).
- What a spreadsheet would run gets a quote in front. Source: SAFETY design, section 6, "Exports".
- null and the empty text are both an empty cell: whoever reads a cell compares it with the one that was written.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

NAMES = ("_reject_id", "_row", "_reason", "_column")
LONGEST_CELL = 32_767
_SHOWN = 200
_CODE = r"x(?:[01][0-9a-f]|20|5c|5f|7f)|uff(?:fe|ff)"
_LOOKS_LIKE_CODE = re.compile(rf"\\(?={_CODE})|_(?=x[0-9A-Fa-f]{{4}}_)")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
_TRIMMED = re.compile("[ \t\n]")
_WRITTEN = re.compile(rf"\\({_CODE})")
_RUNS = re.compile(r"['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\n]")
_OURS = re.compile(rf"_+(?:{'|'.join(name.lstrip('_') for name in NAMES)})")


def cell_of(value: Any) -> str:
    """The cell of a JSON value."""
    if value is None:
        return ""
    if isinstance(value, str):
        return _written(value)
    if isinstance(value, float):
        return _written(repr(value))
    return _written(json.dumps(value, ensure_ascii=False))


def text_of(cell: str) -> str | None:
    """The text that a cell stands for; an empty one is null."""
    if cell.startswith("'") and _RUNS.match(cell, 1):
        cell = cell[1:]
    return _WRITTEN.sub(lambda found: chr(int(found[1][1:], 16)), cell) or None


def same_lines(cell: str) -> str:
    """A cell with the line ends it was written with: programs put their own, and ours never hold a plain CR."""
    return cell.replace("\r\n", "\n").replace("\r", "\n")


def headers(columns: Sequence[str]) -> list[str]:
    """The first row: our own columns, then the dataset's; one that has a name of ours gets one more underscore."""
    return [*NAMES, *(cell_of(f"_{name}" if _OURS.fullmatch(name) else name) for name in columns)]


def corrections(cells: Mapping[str, str], content: Mapping[str, Any]) -> dict[str, Any]:
    """By column, what cells say other than the row that they were written from.

    Args:
        cells: by the dataset's columns.
        content: what the row holds.
    """
    return {name: text_of(cell) for name, cell in cells.items() if cell not in as_written(content.get(name))}


def as_written(value: Any) -> tuple[str, ...]:
    """The cells that stand for a value: the one of a CSV file, and the one of a workbook where that is another."""
    cell = cell_of(value)
    return (cell, shortened(cell)) if len(cell) > LONGEST_CELL // 2 else (cell,)


def shortened(cell: str) -> str:
    """The cell as a workbook can hold it: Excel takes 32,767 UTF-16 units, and would cut the rest without a word."""
    units = len(cell) if cell.isascii() else len(cell.encode("utf-16-le")) // 2
    if units <= LONGEST_CELL:
        return cell
    return f"{cell[:_SHOWN]}… ({len(cell)} characters, too many for Excel; left as it is, this cell changes nothing)"


def _written(text: str) -> str:
    text = _LOOKS_LIKE_CODE.sub(lambda found: r"\x5c" if found[0] == "\\" else r"\x5f", text)
    text = _UNWRITABLE.sub(lambda found: _code(found[0]), text)
    if text.isspace():
        text = _TRIMMED.sub(lambda found: _code(found[0]), text)
    return f"'{text}" if _RUNS.match(text) else text


def _code(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\u{ord(letter):04x}"
