"""Whether the first row of a CSV file names its columns, told by what lies below it."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from dataops_defs.adapters.sources.csv.types import Kind, Proven, prove

MOST_COLUMNS = 500
"""So many columns are looked at."""
_YEARS = range(1900, 2101)
_MAY_BE_VALUE = re.compile(r"[-.0-9]|true$|false$", re.IGNORECASE)


def names_columns(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row is names: where a column of numbers, moments or booleans begins with one of them, it is none.

    A text above such values is a name. Columns of text tell nothing; years and places that count up are names.

    Args:
        below: the rows after it, as many as are looked at; without any, values are told by themselves.
    """
    if not any(map(_MAY_BE_VALUE.match, first)):
        return True
    values: dict[int, Sequence[str]] = {}
    for place, cell in enumerate(first[:MOST_COLUMNS]):
        column = [row[place] for row in below if len(row) == len(first) and row[place]]
        above = _proven([cell] if cell else [])
        found = _proven(column) if column else above
        if above.kind is Kind.EMPTY or found.kind is Kind.TEXT:
            continue
        if above.joined(found).kind is Kind.TEXT:
            return True
        values[place] = column
    return not values or _count_up(first, values)


def _proven(texts: Sequence[str]) -> Proven:
    return prove(pa.array(texts, pa.string()))


def _count_up(first: Sequence[str], values: Mapping[int, Sequence[str]]) -> bool:
    """Whether the values of a row are years, above values that are none, or the places of all its columns."""
    names = [first[place] for place in values]
    if _proven(names).kind is not Kind.INTEGER:
        return False
    numbers = [int(name) for name in names]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if len(first) > 2 and len(numbers) == len(first) and numbers[0] in (0, 1):
        return True
    cells = [cell for column in values.values() for cell in column]
    years = len(first) > 1 and all(map(_is_year, names))
    return years and not (cells and all(map(_is_year, cells)))


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isdecimal() and int(cell) in _YEARS
