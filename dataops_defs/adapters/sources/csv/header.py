"""Whether the first row of a CSV file names its columns."""

import re
from collections.abc import Sequence

import pyarrow as pa

from dataops_defs.adapters.sources import header
from dataops_defs.adapters.sources.csv.types import Kind, Proven, prove
from dataops_defs.adapters.sources.header import Tells

_MAY_BE_VALUE = re.compile(r"[-.0-9]|true$|false$", re.IGNORECASE)


def names_columns(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """See `header.names_columns`; a value without any below it is told by itself."""
    return not any(map(_MAY_BE_VALUE.match, first)) or header.names_columns(first, below, _tells_of, str)


def _tells_of(cell: str, column: Sequence[str]) -> Tells:
    above = _proven([cell] if cell else [])
    found = _proven(column) if column else above
    if above.kind is Kind.EMPTY or found.kind is Kind.TEXT:
        return Tells.NOTHING
    return Tells.NAME if above.joined(found).kind is Kind.TEXT else Tells.VALUE


def _proven(texts: Sequence[str]) -> Proven:
    return prove(pa.array(texts, pa.string()))
