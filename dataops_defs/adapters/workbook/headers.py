"""The header of a table: titles, forms and widths of its columns, from their types and their first rows.

A sheet's widths stand before its rows: a text that comes later may be longer and is cut, in the picture only. Excel
shows a number that is too wide as ``###``, so columns of numbers are wide enough for whatever their type holds.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.forms import (
    DIGITS,
    MOST_DECIMALS,
    Form,
    NumberForm,
    TruthForm,
    form_of,
    in_utc,
    plain,
)
from dataops_defs.adapters.workbook.serials import finer_than
from dataops_defs.errors import Invalid

ROWS_LOOKED_AT = 500
NARROWEST, WIDEST = 8, 60
_ROOM_FOR_THE_FILTER = 4
_EXCEL_COLUMNS = 16_384
_LONGEST_LOOKED_AT = 4_000
_FLOAT_LETTERS = 12
# Up to six decimals a format shows all, also zeros, and beyond that two.
_ALL_SHOWN, _SHOWN = 6, 2
_AIR = 2.5
# What a line that ends at a word leaves empty.
_BROKEN_OFF = 5
_WIDE_LETTERS = ("W", "F")
# Whole numbers that name something and measure nothing, by the last word of what they are called.
_LABELS = re.compile(
    "ids?|key|code|no|nr|num|number|year|month|day|week|quarter|zip|zipcode|postcode|plz|version|phone|isbn|ean"
)
_WORDS_MEET = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
# customerid, but not bid, paid or grid.
_GLUED_ID = re.compile(r"\w{3,}id(?<!paid)(?<!bid)(?<!grid)(?<!acid)(?<!solid)(?<!fluid)(?<!liquid)(?<!covid)")
_WIDTHS = {
    "date": 12.0,
    "moment": 20.0,
    "moment_fine": 24.0,
    "time": 10.0,
    "time_fine": 14.0,
    "span": 16.0,
    "span_fine": 20.0,
}


@dataclass(frozen=True)
class Header:
    """One column: its name in the data, its title on the sheet, the form of its values, its width in letters."""

    name: str
    title: str
    form: Form
    width: float
    is_label: bool

    @property
    def title_style(self) -> str:
        """The title stands where the values do."""
        return "header_right" if isinstance(self.form, NumberForm) else "header"


def headers_of(schema: pa.Schema, first: pa.RecordBatch | None) -> list[Header]:
    """The columns of a table.

    Args:
        first: rows to look at for widths.
    Raises:
        Invalid: more columns than a sheet has.
    """
    if len(schema) > _EXCEL_COLUMNS:
        raise Invalid(f"the result has {len(schema):,} columns, and a sheet of Excel {_EXCEL_COLUMNS:,}; ask for fewer")
    rows = first.slice(0, ROWS_LOOKED_AT) if first is not None else None
    return [
        _header(each, plain(rows.column(place) if rows else pa.nulls(0, each.type)))
        for place, each in enumerate(schema)
    ]


def is_label(name: str, kind: pa.DataType) -> bool:
    """Whether a column of whole numbers names things, by what it is called."""
    if not pa.types.is_integer(kind):
        return False
    *others, last = ["", *(word.lower() for word in _WORDS_MEET.split(name) if word)]
    # Visits per day are a measure.
    return others[-1:] != ["per"] and any(each.fullmatch(last) for each in (_LABELS, _GLUED_ID))


def _header(field: pa.Field, values: pa.Array) -> Header:
    label = is_label(field.name, values.type)
    form = form_of(values.type, is_label=label, fine=_has_parts_of_seconds(values))
    title = f"{field.name} (UTC)" if in_utc(field.type) else field.name
    width = max(_width(form, values), _letters(title) + _ROOM_FOR_THE_FILTER, NARROWEST)
    return Header(field.name, title, form, float(min(width, WIDEST)), label)


def _has_parts_of_seconds(values: pa.Array) -> bool:
    kind = values.type
    timed = pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind)
    return timed and bool(pc.any(finer_than(values, "s")).as_py())


def _width(form: Form, values: pa.Array) -> float:
    if form.style in _WIDTHS:
        return _WIDTHS[form.style]
    if isinstance(form, TruthForm):
        return NARROWEST
    if isinstance(form, NumberForm):
        return max(_widest_number(values.type, form), *map(_letters, _texts_among(form, values)), 0) + _AIR
    return max(map(_letters, form.words(values).drop_null().to_pylist()), default=0) * 1.05 + 2


def _widest_number(kind: pa.DataType, form: NumberForm) -> float:
    """Letters of the longest number of a type: sign, digits, separators of thousands, decimals.

    What does not fit the format "General" is rounded for the picture, so floating numbers need only some room.
    """
    if pa.types.is_floating(kind):
        return _FLOAT_LETTERS
    scale = kind.scale if pa.types.is_decimal(kind) else 0
    digits = kind.precision if pa.types.is_decimal(kind) else len(str(2 ** (kind.bit_width - 1)))
    decimals = min(max(scale, 0), MOST_DECIMALS)
    whole = max(min(digits - scale, DIGITS), 1)
    if decimals > _ALL_SHOWN:
        # The others show only where the whole digits leave some of the 15 over.
        decimals = max(min(decimals, DIGITS - whole), _SHOWN)
    separators = 0 if form.style == "label" else (whole - 1) // 3
    return 1 + whole + separators + (1 + decimals if decimals else 0)


def _texts_among(form: NumberForm, values: pa.Array) -> list[str]:
    """Numbers that are kept as text."""
    if form.beyond is None or not len(values):
        return []
    found: list[str] = form.words(values.filter(pc.fill_null(form.beyond(values), False))).to_pylist()
    return found


def _letters(text: str) -> int:
    """Width of the longest line, in letters of usual width."""
    lines = text[:_LONGEST_LOOKED_AT].splitlines() or [""]
    return max(sum(1 + (unicodedata.east_asian_width(each) in _WIDE_LETTERS) for each in line) for line in lines)


def letters_wide(texts: Sequence[str]) -> float:
    """A width that shows these texts whole, within bounds."""
    return float(min(max(map(_letters, texts), default=0) * 1.1 + 2, WIDEST))


def lines_of(text: str, width: float) -> int:
    """How many lines a text takes that is wrapped at a width in letters; rather one too many than one too few."""
    room = max(width - _BROKEN_OFF, 1)
    return sum(max(ceil(_letters(line) / room), 1) for line in text.splitlines() or [""])
