"""Whether the first row of a table names its columns, told by what lies below it."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import TypeVar

HEADLESS = (
    "its first row is read as data, for it holds values of the kinds below it: if it names the columns, set has_header"
    " (of a source: hasHeader) to true"
)
ROWS_LOOKED_AT = 50
MOST_COLUMNS = 500
"""So many columns are looked at."""
_YEARS = range(1900, 2101)
Cell = TypeVar("Cell")


class Tells(Enum):
    """What a cell of the first row is, above those of its column."""

    NAME = auto()
    VALUE = auto()
    NOTHING = auto()


def names_columns(
    first: Sequence[Cell],
    below: Sequence[Sequence[Cell]],
    tells_of: Callable[[Cell, Sequence[Cell]], Tells],
    text: Callable[[Cell], str],
) -> bool:
    """Whether a row is names: where a column of numbers, moments or booleans begins with one of them, it is none.

    A text above such values is a name. Columns of text tell nothing; years and places that count up are names.

    Args:
        below: the rows after it, as many as are looked at.
        tells_of: what a cell is above the cells of its column, of which there may be none.
        text: a cell as people see it.
    """
    values: dict[int, Sequence[str]] = {}
    for place, cell in enumerate(first[:MOST_COLUMNS]):
        column = [row[place] for row in below if len(row) == len(first) and row[place] not in (None, "")]
        tells = tells_of(cell, column)
        if tells is Tells.NAME:
            return True
        if tells is Tells.VALUE:
            values[place] = [text(each) for each in column]
    return not values or _count_up({place: text(first[place]) for place in values}, values, len(first))


def _count_up(names: Mapping[int, str], values: Mapping[int, Sequence[str]], width: int) -> bool:
    """Whether the values of a row are years, above values that are none, or the places of all its columns."""
    texts = list(names.values())
    if not all(each.isdecimal() and len(each) < 10 for each in texts):
        return False
    numbers = [int(each) for each in texts]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if len(numbers) == width > 2 and numbers[0] in (0, 1):
        return True
    cells = [cell for column in values.values() for cell in column]
    return width > 1 and all(map(_is_year, texts)) and not (cells and all(map(_is_year, cells)))


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isdecimal() and int(cell) in _YEARS
