"""Names of sheets: legal in Excel, and each once."""

import re
from collections.abc import Sequence

LONGEST = 31
"""UTF-16 units."""
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ufffe\uffff\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_RESERVED = "history"


class SheetNames:
    """The names that a workbook's sheets have so far; Excel does not tell them apart by case."""

    def __init__(self) -> None:
        self._given: list[str] = []

    @property
    def all(self) -> Sequence[str]:
        """In the order of the sheets."""
        return tuple(self._given)

    def take(self, wanted: str, fallback: str = "Sheet") -> str:
        """A name as near to the wanted one as Excel allows: ``Name``, ``Name (2)``, ``Name (3)``."""
        stem = _legal(wanted) or fallback
        name, number = _fitting(stem, ""), 1
        while name.casefold() in map(str.casefold, self._given):
            number += 1
            name = _fitting(stem, f" ({number})")
        self._given.append(name)
        return name


def _legal(wanted: str) -> str:
    name = " ".join(_FORBIDDEN.sub(" ", wanted).split()).strip("' ")
    return f"{name}_" if name.casefold() == _RESERVED else name


def _fitting(stem: str, end: str) -> str:
    room = LONGEST - len(end)
    cut = stem.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")
    return cut.rstrip("' ") + end
