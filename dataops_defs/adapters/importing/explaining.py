"""Why each column of an import has the type it has, in a sentence; for text of a CSV file, what its values show.

Only columns that look at first as if they were something else are looked at whole: that is where people ask.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dataops_defs.adapters.importing.content import Content
from dataops_defs.adapters.sinks.table_shape import declared_type
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
_JSON = ("json", "jsonb")


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


_PROVEN: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_integer, "whole number: {all} whole numbers of at most 64 bits"),
    (
        pa.types.is_decimal,
        "decimal: {all} numbers, kept exactly; at most {scale} digits behind the point",
    ),
    (pa.types.is_floating, "floating point: {all} numbers, some with an exponent"),
    (pa.types.is_boolean, "boolean: {all} true or false"),
    (pa.types.is_date, "date: {all} dates (YYYY-MM-DD)"),
    (_is_instant, "timestamp with time zone: {all} times with a zone, kept in UTC"),
    (pa.types.is_timestamp, "timestamp: {all} times of ISO 8601 without a zone"),
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
    have = "only row has" if rows == 1 else f"{rows:,} rows have"
    for each in schema:
        if each.name not in found:
            scale = each.type.scale if pa.types.is_decimal(each.type) else 0
            told = next(told for test, told in _PROVEN if test(each.type))
            found[each.name] = told.format(all=f"all values that its {have} are", scale=scale)
    return {name: found[name] for name in schema.names}


def explained(content: Content, schema: pa.Schema, empty: frozenset[str]) -> dict[str, str]:
    """By column of any other file, whose values have types of their own; of ``empty`` ones no row has a value."""
    found = _given(content, schema.names)
    if content.format is FileFormat.PARQUET:
        found = {each.name: f"{each.type}: as the Parquet file declares it" for each in _declared(content)} | found
    for each in schema:
        found.setdefault(each.name, EMPTY if each.name in empty else _of_type(each))
    return {name: found[name] for name in schema.names}


def _declared(content: Content) -> pa.Schema:
    content.file.seek(0)
    return parquet.read_schema(content.file)


def _given(content: Content, names: Sequence[str]) -> dict[str, str]:
    found = {name: f"{each.printed}: as data_types says" for name, each in content.given_types.items()}
    found = {name: f"{each.printed}: as the table has it" for name, each in content.of_table.items()} | found
    if content.columns.as_text:
        found = dict.fromkeys(names, "text: infer_schema is false") | found
    return {name: found[name] for name in names if name in found}


def _of_type(column: pa.Field) -> str:
    if declared_type(column) in _JSON:
        return "JSON: values are lists or objects, kept as they are"
    told = next((told for test, told in _TYPES if test(column.type)), None)
    return told or "text: values are texts, or of several types"


@dataclass
class _Seen:
    """What the values of a text column look like, as far as they were seen; numbers of rows count from 1."""

    looked: int
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
            return f"text: no value in its first {self.looked:,} rows is a number, a date or a truth value"
        if self.form == "numbers" and self.zeros:
            row = _numbered(self.first_zero, apart)
            return f"text: {self.zeros:,} of {self.values:,} values have leading zeros, first in row {row}"
        others = self.values - self.of_form
        if others:
            row = _numbered(self.first_other, apart)
            return f"text: {others:,} of {self.values:,} values are not {self.form}, first in row {row}"
        return f"text: its values look like {self.form}, but not all are written in one plain form that loses nothing"


def _form_of(column: pa.Array) -> str | None:
    """What most of those among the first values look like that look like anything."""
    first = column.slice(0, LOOKED_AT).drop_null()
    found = {name: pc.sum(pc.match_substring_regex(first, each)).as_py() or 0 for name, each in _FORMS.items()}
    form = max(found, key=lambda name: found[name])
    return form if found[form] else None


def _texts(content: Content, names: Sequence[str]) -> Mapping[str, str]:
    rows = TextRows(content.file, content.dialect, block_bytes=BLOCK_SIZES[-1])
    seen: dict[str, _Seen] = {}
    met = 0
    for batch in rows.batches():
        seen = seen or {
            name: _Seen(min(batch.num_rows, LOOKED_AT), form=_form_of(batch.column(name))) for name in names
        }
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
