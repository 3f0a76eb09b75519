"""Read what is new into a temporary file, with a print of each row and the highest cursor."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.copies.columns import fitted
from dataops_defs.adapters.copies.fates import Side
from dataops_defs.adapters.copies.print_book import PrintBook
from dataops_defs.adapters.copies.prints import PRINT, Records, Salt, Words, key_prints, prints
from dataops_defs.adapters.copies.ranks import ranks, text_ranks
from dataops_defs.adapters.copies.row_spool import RowSpool
from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sources.csv.rows import MAX_REJECTED
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.incremental import FIELD, Incremental, Mark, MarkKind
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError

MICROSECONDS = pa.timestamp("us")


def definition_of(source: Source, wanted: Extraction) -> str:
    """Equal for extractions whose rows can stand in one copy: the same source, query, cursor and keys."""
    told = wanted.as_json()
    how = wanted.by_cursor
    told["incremental"] = [how.cursor_column, list(how.key_columns)]
    text = json.dumps([source.id, dict(source.connection), told], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Cursors:
    """The highest cursor of all rows that pass by; NaN and infinity are none: they would hide what comes later."""

    def __init__(self, schema: pa.Schema, how: Incremental, text_numbers: frozenset[str]) -> None:
        self._column, self._text = how.cursor_column, how.cursor_column in text_numbers
        self._kind = kind_of(schema, how, text_numbers) if len(schema) else MarkKind.NUMBER
        self.highest: Mark | None = None

    def see(self, batch: pa.RecordBatch) -> None:
        """Look at a batch."""
        highest = self._highest(batch.column(self._column))
        if highest is None:
            return
        value = Decimal(str(highest)) if self._kind is MarkKind.NUMBER else highest
        if self.highest is None or value > self.highest.value:
            self.highest = Mark(self._kind, value)

    def ranks(self, column: pa.Array) -> npt.NDArray[np.bytes_]:
        """The cursors in their order, for rows of one key."""
        return text_ranks(column) if self._text else ranks(column)

    def _highest(self, column: pa.Array) -> Any:
        if self._text:
            finite = (Decimal(each) for each in column.to_pylist() if each is not None)
            return max((each for each in finite if each.is_finite()), default=None)
        if pa.types.is_floating(column.type):
            column = column.filter(pc.fill_null(pc.is_finite(column), False))
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        return pc.max(column).as_py()


def kind_of(schema: pa.Schema, how: Incremental, text_numbers: frozenset[str]) -> MarkKind:
    """What a cursor is, by its column's type.

    Raises:
        Invalid: there is no such column, it is neither a number nor a date or time, or its lag is in the other's words.
    """
    kind = _kind_of(schema, how.cursor_column, text_numbers)
    if kind is MarkKind.NUMBER and how.lag_seconds:
        raise Invalid.field(f"{FIELD}.lagSeconds", f"'{how.cursor_column}' is a number: give 'lag', in its units")
    if kind is not MarkKind.NUMBER and how.lag:
        raise Invalid.field(f"{FIELD}.lag", f"'{how.cursor_column}' is a date or time: give 'lagSeconds'")
    return kind


def _kind_of(schema: pa.Schema, column: str, text_numbers: frozenset[str]) -> MarkKind:
    if column not in schema.names:
        raise Invalid.field(f"{FIELD}.cursorColumn", f"the source does not give '{column}'")
    kind = schema.field(column).type
    if pa.types.is_timestamp(kind):
        return MarkKind.INSTANT if kind.tz else MarkKind.TIME
    if pa.types.is_date(kind):
        return MarkKind.DATE
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or column in text_numbers:
        return MarkKind.NUMBER
    told = f"'{column}' is {kind}: use a number, a date or a time"
    raise Invalid.field(f"{FIELD}.cursorColumn", told)


@dataclass
class Changes:
    """Rows that are read: kept in ``spool``, printed in ``book``, those without a key set aside in ``rejected``."""

    how: Incremental
    schema: pa.Schema
    spool: RowSpool
    book: PrintBook
    salt: Salt
    cursors: Cursors
    rejected: list[RejectedRow] = field(default_factory=list)

    def take(self, batch: pa.RecordBatch) -> None:
        """Take a batch as it was read."""
        rows = fitted(batch, self.schema)
        places = self._with_keys(rows)
        keyed = rows if len(places) == rows.num_rows else rows.take(pa.array(places))
        records = printed(keyed, self.how.key_columns, self.salt, Side.READ, self.spool.rows + places)
        others = [name for name in self.schema.names if name not in self.how.key_columns]
        print_contents(records, keyed, others, self.salt)
        records["rank"] = self.cursors.ranks(keyed.column(self.how.cursor_column))
        self.book.add(records, sought=True)
        self.cursors.see(keyed)
        self.spool.take(rows)

    def _with_keys(self, rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Places of the rows whose keys are not empty; the others are rejected."""
        bad: dict[int, str] = {}
        for name in self.how.key_columns:
            for place in pc.indices_nonzero(pc.is_null(rows.column(name))).to_pylist():
                bad.setdefault(place, name)
        if len(self.rejected) + len(bad) > MAX_REJECTED:
            raise SourceError(f"more than {MAX_REJECTED} rows have no key: choose other keyColumns")
        for place, name in sorted(bad.items()):
            [raw] = json_rows(rows.slice(place, 1))
            self.rejected.append(RejectedRow(self.spool.rows + place + 1, f"the key '{name}' is empty", name, raw))
        return np.delete(np.arange(rows.num_rows), list(bad))


def printed(
    rows: pa.RecordBatch, keys: Sequence[str], salt: Salt, side: Side, places: npt.NDArray[np.int64]
) -> Records:
    """Prints of the rows' keys."""
    records = np.zeros(rows.num_rows, PRINT)
    records["key1"], records["key2"] = key_prints([rows.column(name) for name in keys], rows.num_rows, salt)
    records["at"], records["side"] = places, side
    return records


def print_contents(records: Records, rows: pa.RecordBatch, names: Sequence[str], salt: Salt) -> None:
    """Add prints of the rows' content."""
    words: list[Words] = prints([rows.column(name) for name in names], rows.num_rows, salt)
    records["content1"], records["content2"] = words
