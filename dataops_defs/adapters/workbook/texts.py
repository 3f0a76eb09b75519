"""Texts as cells can hold them: nothing runs as a formula, nothing breaks the file, nothing is cut without a count.

Sources: SAFETY design, section 6, "Exports"; ECMA-376 part 1, section 22.9.2.19 (ST_Xstring: ``_x000D_``).
"""

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 32_767
"""UTF-16 units that a cell holds."""

# All that looks empty in front of a formula; written out, for Arrow's patterns know fewer blanks than Python's.
_BLANKS = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# A cell is a formula in a workbook only if it is written as one, and ours are not. Saved as CSV and opened again,
# text that begins like one would be: a quote in front survives that, a text format does not.
_RUNS = re.compile(f"[{_BLANKS}]*[{_SIGNS}]|[\t\r\n]")
_HARMLESS = re.compile(rf"[{_BLANKS}]*(?:[+\-]?(?:[\d\s.,:%]*|\d[\d.]*[eE][+\-]?\d+|Infinity)|-+)")
_CODED = re.compile("_(?=x[0-9A-Fa-f]{4}_)|[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What plain text does not hold; the same rules for a whole column at once.
_PERHAPS_ODD = rf"[&<>\x00-\x08\x0b-\x1f\x{{fffe}}\x{{ffff}}]|_x[0-9A-Fa-f]{{4}}_|^[{_SIGNS}{_BLANKS}]|\s$"


@dataclass
class Changes:
    """How many values were changed to fit: texts cut to what a cell holds, or given a quote in front; numbers rounded
    to the digits that Excel keeps; times that are ``finer`` than its milliseconds, or whose parts of seconds are
    ``hidden`` by their format.
    """

    cut: int = 0
    quoted: int = 0
    rounded: int = 0
    finer: int = 0
    hidden: int = 0


def counted(number: int, one: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {one if number == 1 else f'{one}s'}"


def odd_ones(texts: pa.Array) -> pa.Array:
    """Which texts have to be looked at one by one; of an absent text nothing is said."""
    return pc.or_(pc.match_substring_regex(texts, _PERHAPS_ODD), pc.greater(pc.binary_length(texts), LONGEST))


def fitted(text: str, changes: Changes) -> str:
    """The text as a person will read it in the cell."""
    if _RUNS.match(text) and not _HARMLESS.fullmatch(text):
        changes.quoted += 1
        text = f"'{text}"
    units = text.encode("utf-16-le")
    if len(units) > 2 * LONGEST:
        changes.cut += 1
        text = units[: 2 * (LONGEST - 1)].decode("utf-16-le", "ignore") + "…"
    return text


def coded(text: str) -> str:
    """The text in XML; what XML has no character for is written as Excel codes it."""
    return _CODED.sub(lambda found: f"_x{ord(found[0]):04X}_", text).translate(_ESCAPES)
