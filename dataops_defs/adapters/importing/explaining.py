"""Why each column of an import has the type it has, in a sentence; for text of a CSV file, what its values show.

Only columns that look at first as if they were something else are looked at whole: that is where people ask.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.importing.content import Content
from dataops_defs.adapters.sources.csv.rows import BLOCK_SIZES, TextRows
from dataops_defs.domain.extraction import FileFormat

LOOKED_AT = 10_000
_ZEROS = r"^[-+]?0[0-9]"
_FORMS = {
    "numbers": r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$",
    "dates or times": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,+Zz -]*)?$",
    "true or false": r"^(?i:true|false)$",
}
EMPTY = "text: no row has a value"


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


_PROVEN: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_integer, "whole number: the values of all {rows} rows are whole numbers of at most 64 bits"),
    (
        pa.types.is_decimal,
        "decimal: the values of all {rows} rows are numbers, kept exactly; at most {scale} digits behind the point",
    ),
    (pa.types.is_floating, "floating point: the values of all {rows} rows are numbers, some with an exponent"),
    (pa.types.is_boolean, "boolean: the values of all {rows} rows are true or false"),
    (pa.types.is_date, "date: the values of all {rows} rows are dates (YYYY-MM-DD)"),
    (_is_instant, "timestamp with time zone: the values of all {rows} rows are times with a zone, kept in UTC"),
    (pa.types.is_timestamp, "timestamp: the values of all {rows} rows are times of ISO 8601 without a zone"),
    (lambda _kind: True, "text"),
)
_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_integer, "whole number: all values are whole numbers"),
    (pa.types.is_decimal, "decimal: all values are numbers, kept exactly"),
    (pa.types.is_floating, "floating point: all values are numbers"),
    (pa.types.is_boolean, "boolean: all values are true or false"),
    (pa.types.is_date, "date: all values are dates"),
    (pa.types.is_timestamp, "timestamp: all values are times"),
    (pa.types.is_time, "time: all values are times of day"),
    (pa.types.is_nested, "JSON: values are lists or objects"),
)


def explained_csv(content: Content, schema: pa.Schema, rows: int) -> dict[str, str]:
    """By column of a CSV file, whose rows were proven to be of the types of ``schema``."""
    found = _given(content, schema.names)
    texts = [each.name for each in schema if each.name not in found and pa.types.is_string(each.type)]
    found |= _texts(content, texts) if texts and rows else dict.fromkeys(texts, EMPTY)
    for each in schema:
        if each.name not in found:
            scale = each.type.scale if pa.types.is_decimal(each.type) else 0
            told = next(told for test, told in _PROVEN if test(each.type))
            found[each.name] = told.format(rows=f"{rows:,}", scale=scale)
    return {name: found[name] for name in schema.names}


def explained(content: Content, schema: pa.Schema, nested: frozenset[str]) -> dict[str, str]:
    """By column of any other file, whose values have types of their own."""
    found = _given(content, schema.names)
    for each in schema:
        found.setdefault(each.name, _of_type(content, each, nested))
    return found


def _given(content: Content, names: Sequence[str]) -> dict[str, str]:
    found = {name: f"{each.printed}: as data_types says" for name, each in content.columns.wanted.items()}
    if content.columns.as_text:
        found = dict.fromkeys(names, "text: infer_schema is false") | found
    return {name: found[name] for name in names if name in found}


def _of_type(content: Content, column: pa.Field, nested: frozenset[str]) -> str:
    if content.format is FileFormat.PARQUET:
        return f"{column.type}: as the Parquet file declares it"
    if column.name in nested:
        return "JSON: values are lists or objects, kept as they are"
    told = next((told for test, told in _TYPES if test(column.type)), None)
    return told or "text: values are texts, or of several types"


@dataclass
class _Seen:
    """What the values of a text column look like, as far as they were seen; numbers of rows count from 1."""

    values: int = 0
    zeros: int = 0
    first_zero: int | None = None
    of_form: int = 0
    first_other: int | None = None
    form: str | None = None

    def take(self, column: pa.Array, row: int) -> None:
        """Count the values of a batch that begins at a row."""
        filled = pc.is_valid(column)
        self.values += pc.sum(filled).as_py() or 0
        if self.form is None:
            return
        zeros = pc.fill_null(pc.match_substring_regex(column, _ZEROS), False)
        formed = pc.fill_null(pc.match_substring_regex(column, _FORMS[self.form]), False)
        self.zeros += pc.sum(zeros).as_py() or 0
        self.of_form += pc.sum(formed).as_py() or 0
        self.first_zero = self.first_zero or _first(zeros, row)
        self.first_other = self.first_other or _first(pc.and_not(filled, formed), row)

    def told(self, apart: Sequence[int]) -> str:
        """The sentence; rows with the numbers ``apart`` could not be read, and are not counted here."""
        if not self.values:
            return EMPTY
        if self.form is None:
            return "text: its values are no numbers, dates or truth values"
        if self.form == "numbers" and self.zeros:
            row = _numbered(self.first_zero, apart)
            return f"text: {self.zeros:,} of {self.values:,} values have leading zeros, first in row {row}"
        others = self.values - self.of_form
        if others:
            row = _numbered(self.first_other, apart)
            return f"text: {others:,} of {self.values:,} values are not {self.form}, first in row {row}"
        return f"text: its values look like {self.form}, but not all are written in one plain form that loses nothing"


def _form_of(column: pa.Array) -> str | None:
    """What most of the first values look like."""
    first = column.slice(0, LOOKED_AT).drop_null()
    for name, pattern in _FORMS.items():
        if len(first) and (pc.sum(pc.match_substring_regex(first, pattern)).as_py() or 0) * 2 > len(first):
            return name
    return None


def _texts(content: Content, names: Sequence[str]) -> Mapping[str, str]:
    rows = TextRows(content.file, content.dialect, block_bytes=BLOCK_SIZES[-1])
    seen: dict[str, _Seen] = {}
    met = 0
    for batch in rows.batches():
        seen = seen or {name: _Seen(form=_form_of(batch.column(name))) for name in names}
        for name, each in seen.items():
            each.take(batch.column(name), met + 1)
        met += batch.num_rows
        if all(each.form is None and each.values for each in seen.values()):
            break
    apart = sorted(each.number for each in rows.rejected)
    return {name: each.told(apart) for name, each in seen.items()}


def _first(mask: pa.Array, row: int) -> int | None:
    place = pc.index(mask, pa.scalar(True)).as_py()
    return None if place < 0 else row + place


def _numbered(place: int | None, apart: Sequence[int]) -> int | None:
    """The row's number in the file, from its place among the rows that could be read."""
    for each in apart:
        if place is None or each > place:
            break
        place += 1
    return place
