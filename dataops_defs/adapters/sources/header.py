"""Whether the first row of a table names its columns, told by itself and by what lies below it.

A row that is taken for names though it is data is missing from then on, so where there is doubt the row is data, and
where it stays names all the same, a note says so.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property, partial
from itertools import pairwise
from typing import TypeVar

_SETTING = "has_header (of a source: hasHeader)"
HEADLESS = (
    "its first row is read as data, for it holds values like those below it: if it names the columns, set"
    f" {_SETTING} to true"
)
DOUBTED = (
    f"its first row is read as the names of the columns, though it may hold values: if it is data, set {_SETTING}"
    " to false"
)
ROWS_LOOKED_AT = 50
MOST_COLUMNS = 500
"""So many columns are looked at."""
_YEARS = range(1900, 2101)
_FEWEST_FROM_0, _FEWEST_FROM_1 = 3, 4
_ERRORS = ("#n/a", "#ref!", "#value!", "#div/0!", "#num!", "#name?", "#null!")
_NOTHING = frozenset(["", "-", "--", "?", ".", "nan", "n/a", "na", "null", "none", "nil", "\\n", *_ERRORS])
_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
_MOMENT = re.compile(r"\d{4}[-/.]\d\d?([-/.]\d\d?)?([T ].*)?|\d\d?[-/.]\d\d?[-/.]\d{2,4}([T ].*)?|-?\d+:\d\d(:\d\d.*)?")
_NUMBER = re.compile(r"[-+]?[\d.,][\d.,'\u00a0\u202f ]*(e[-+]?\d+)?|[-+]?inf(inity)?", re.IGNORECASE)


class Kind(Enum):
    """What a cell holds; ``EMPTY`` also where a word such as NULL stands for nothing."""

    EMPTY = auto()
    TEXT = auto()
    NUMBER = auto()
    FIGURES = auto()
    """Digits with other signs and no letter: 25%, 12227-000."""
    MOMENT = auto()
    TRUTH = auto()
    TEXT_OF_NUMBER = auto()
    """Where the format tells numbers from texts: a text that could be one."""


@dataclass(frozen=True)
class Cell:
    """A cell as people see it, and its kind."""

    text: str
    kind: Kind

    @property
    def is_value(self) -> bool:
        """Whether it is more than a text."""
        return self.kind not in (Kind.EMPTY, Kind.TEXT)


@dataclass(frozen=True)
class Verdict:
    """What the first row is; ``note`` is what people should know of it."""

    names_columns: bool
    note: str | None = None


NAMES, DOUBTED_NAMES, DATA = Verdict(True), Verdict(True, DOUBTED), Verdict(False, HEADLESS)
Given = TypeVar("Given")


def kind_of_text(text: str) -> Kind:
    """What a text could be."""
    if text.strip().lower() in _NOTHING:
        return Kind.EMPTY
    if _MOMENT.fullmatch(text):
        return Kind.MOMENT
    if _NUMBER.fullmatch(text):
        return Kind.NUMBER
    if text.lower() in ("true", "false"):
        return Kind.TRUTH
    return Kind.FIGURES if _DIGITS.search(text) and not _LETTERS.search(text) else Kind.TEXT


def cell_of_text(text: str) -> Cell:
    """A cell of a format that holds texts only."""
    return Cell(text, kind_of_text(text))


def verdict(first: Sequence[Given], below: Sequence[Sequence[Given]], cell_of: Callable[[Given], Cell]) -> Verdict:
    """What the first row is.

    A text above numbers, moments or booleans is a name. A cell above its like is a value: a number above numbers, a
    code above codes of its form, a text that comes back below. Years, places that count up, and numbers beside names
    are names.

    Args:
        below: the rows after it, as many as are looked at.
    """
    rows = [each for each in below if len(each) == len(first)]
    columns = []
    for head, *cells in zip(first[:MOST_COLUMNS], *rows, strict=False):
        others = (cell for cell, row in zip(cells, rows, strict=True) if row != first)
        columns.append(_Column(cell_of(head), cells.count(head), partial(list, map(cell_of, others))))
    values = [column for column in columns if column.begins_alike]
    if not values:
        return DOUBTED_NAMES if _is_unsure(columns) else NAMES
    if _are_labels(values, columns):
        return DOUBTED_NAMES
    names = sum(column.is_named for column in columns)
    told = [column for column in values if column.head.kind is not Kind.TEXT]
    if names and (len(told) <= names or all(column.head.kind is Kind.NUMBER for column in told)):
        return DOUBTED_NAMES
    return DATA


def _is_unsure(columns: "Sequence[_Column]") -> bool:
    """Whether there are values among the names, or more than one is missing."""
    unnamed = sum(not column.head.text and bool(column.cells) for column in columns)
    return unnamed > 1 or any(column.head.is_value for column in columns)


@dataclass
class _Column:
    """A cell of the first row, how often the same stands below it, and all that stand there."""

    head: Cell
    repeated: int
    read: Callable[[], Sequence[Cell]]

    @cached_property
    def cells(self) -> Sequence[Cell]:
        """Those below that hold anything."""
        return [cell for cell in self.read() if cell.kind is not Kind.EMPTY]

    @cached_property
    def usual(self) -> Kind | None:
        """What most of its cells are; text where none is in the majority, and None where there is nothing."""
        if not self.cells:
            return None
        [(kind, found)] = Counter(cell.kind for cell in self.cells).most_common(1)
        return kind if 2 * found > len(self.cells) else Kind.TEXT

    @property
    def is_named(self) -> bool:
        """Whether its head is of another kind than values below, which are all of one; figures may be either."""
        kinds = {cell.kind for cell in self.cells}
        return (
            self.head.kind not in (Kind.EMPTY, Kind.FIGURES)
            and len(kinds) == 1
            and kinds.isdisjoint({Kind.TEXT, self.head.kind})
        )

    @property
    def begins_alike(self) -> bool:
        """Whether its head could be one of its cells; a value without any below is told by itself."""
        if self.head.kind is Kind.EMPTY:
            return bool(self.head.text and self.cells)
        if self.repeated >= 2 or (self.head.is_value and self.usual in (None, self.head.kind)):
            return True
        if not _DIGITS.search(self.head.text):
            return False
        form = _form(self.head.text)
        return 2 * sum(_form(cell.text) == form for cell in self.cells) > len(self.cells)


def _form(text: str) -> str:
    """The text without its digits' values: N17 and N4 are of one form, 0017 and 0004, and ORD-17 and INV-4."""
    if text.isdecimal():
        return "0" * len(text)
    return _DIGITS.sub("0", _LETTERS.sub("A", text) if text.isupper() else text)


def _are_labels(values: Sequence[_Column], columns: Sequence[_Column]) -> bool:
    """Whether the values of a row are years above values that are none, or places that count up."""
    numbers = _rising_or_falling(values)
    if numbers is None or len(columns) < 2:
        return False
    if numbers == list(range(len(numbers))):
        return len(numbers) >= _FEWEST_FROM_0
    if numbers == list(range(1, 1 + len(numbers))):
        return len(columns) > len(numbers) >= _FEWEST_FROM_1
    if not all(number in _YEARS for number in numbers):
        return False
    if len(numbers) == 1 and any(column.head.text for column in columns if column is not values[0]):
        return False
    cells = [cell for column in values for cell in column.cells]
    return 2 * sum(map(_is_year, cells)) <= len(cells)


def _rising_or_falling(values: Sequence[_Column]) -> list[int] | None:
    """The whole numbers that the columns begin with, in order; None where they are not."""
    texts = [column.head.text for column in values]
    if not texts or not all(each.isdecimal() and len(each) < 10 for each in texts):
        return None
    numbers = list(map(int, texts))
    steps = [after - before for before, after in pairwise(numbers)]
    return numbers if all(step > 0 for step in steps) or all(step < 0 for step in steps) else None


def _is_year(cell: Cell) -> bool:
    return len(cell.text) == 4 and cell.text.isdecimal() and int(cell.text) in _YEARS
