"""Records on their way to columns: kept in a file piece by piece, while what their types are is proven over all."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any

import pyarrow as pa

from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.csv.names import unique_names
from dataops_defs.adapters.sources.csv.rows import MAX_REJECTED
from dataops_defs.adapters.sources.json.text import PIECE_CHARS, PIECE_ROWS, Piece, as_json
from dataops_defs.adapters.sources.json.types import Form, Proof, Wanted, are_doubles, as_wanted, kept
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError

MAX_COLUMNS = 2000
MAX_CELLS = 4_000_000
SHOWN_CHARS = 1000
_FORM = b"form"
_NOT_STORABLE = (UnicodeEncodeError, TypeError, RecursionError)


@dataclass(frozen=True)
class Unreadable:
    """What stands where a record should, and why it is none; ``text`` is its beginning."""

    reason: str
    text: str


@dataclass
class Spool:
    """Records as Arrow streams in a file, one after the other; each has its own columns, in the forms of JSON."""

    file: IO[bytes]
    rejected: list[RejectedRow] = field(default_factory=list)
    _columns: dict[str, Proof] = field(default_factory=dict)
    _held: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _chars: int = 0
    _seen: int = 0
    _rows: int = 0

    def take(self, piece: Piece) -> None:
        """Keep some records; what is no object is set aside."""
        for record in piece.records:
            self._seen += 1
            if type(record) is dict:
                self._held.append((self._seen, record))
            else:
                self._reject(self._seen, record)
        self._chars += piece.chars
        if len(self._held) >= PIECE_ROWS or self._chars >= PIECE_CHARS:
            self.finish()

    def finish(self) -> None:
        """Write down what is still held."""
        names = list(dict.fromkeys(chain(self._columns, *(record for _, record in self._held))))
        if len(names) > MAX_COLUMNS:
            raise SourceError(f"The records have more than {MAX_COLUMNS} different names, too many for columns")
        rows = max(1, MAX_CELLS // max(1, len(names)))
        for start in range(0, len(self._held), rows):
            self._write(self._held[start : start + rows])
        self._held, self._chars = [], 0

    def reading(self) -> Reading:
        """All rows in the types that were proven."""
        if self._rows and not self._columns:
            raise SourceError("The records are objects without any member")
        self.rejected.sort(key=lambda each: each.number)
        wide = [name for name, proof in self._columns.items() if proof.too_wide]
        doubles = self._doubles(wide) if wide else set()
        wanted = {name: proof.wanted(doubles=name in doubles) for name, proof in self._columns.items()}
        shown = unique_names(list(wanted))
        schema = pa.schema([pa.field(name, each.type) for name, each in zip(shown, wanted.values(), strict=True)])
        empty = frozenset(name for name, proof in zip(shown, self._columns.values(), strict=True) if not proof.forms)
        nested = frozenset(name for name, each in zip(shown, wanted.values(), strict=True) if each.json)
        return Reading(
            schema, self._typed(wanted, schema), self.rejected, self._seen, by_value=True, empty=empty, json=nested
        )

    def _write(self, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
        records = [record for _, record in rows]
        try:
            batch = _batch(records)
        except _NOT_STORABLE:
            batch = _batch([record for number, record in rows if self._storable(number, record)])
        for name, column, each in zip(batch.schema.names, batch.columns, batch.schema, strict=True):
            self._columns.setdefault(name, Proof()).take(_form(each), column)
        self._rows += batch.num_rows or len(records)
        if batch.num_rows:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            with pa.ipc.new_stream(self.file, batch.schema, options=options) as stream:
                stream.write_batch(batch)

    def _storable(self, number: int, record: dict[str, Any]) -> bool:
        try:
            as_json(record)
        except _NOT_STORABLE as error:
            deep = isinstance(error, RecursionError) or "ecursion" in str(error)
            told = "is nested too deeply" if deep else "holds half of a character (a lone surrogate)"
            self._reject(number, Unreadable(told, ascii(record) if deep else json.dumps(record, default=str)))
            return False
        return True

    def _reject(self, number: int, record: Any) -> None:
        if len(self.rejected) >= MAX_REJECTED:
            raise SourceError(f"more than {MAX_REJECTED} records cannot be read; the first {self.rejected[0].reason}")
        if not isinstance(record, Unreadable):
            record = Unreadable(f"is {_kind(record)}, not an object", _text(record))
        self.rejected.append(RejectedRow(number, record.reason, raw={"record": record.text[:SHOWN_CHARS]}))

    def _streams(self) -> Iterator[pa.RecordBatch]:
        end = self.file.seek(0, 2)
        self.file.seek(0)
        while self.file.tell() < end:
            yield from pa.ipc.open_stream(self.file)

    def _doubles(self, names: Sequence[str]) -> set[str]:
        """Those of the columns, all numbers, that doubles keep."""
        left = set(names)
        for batch in self._streams():
            left -= {name for name in left & set(batch.schema.names) if not are_doubles(batch.column(name))}
        return left

    def _typed(self, wanted: dict[str, Wanted], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in self._streams():
            columns = []
            for name, each in wanted.items():
                place = batch.schema.get_field_index(name)
                if place < 0:
                    columns.append(pa.nulls(batch.num_rows, each.type))
                else:
                    columns.append(as_wanted(_form(batch.schema.field(place)), batch.column(place), each))
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _batch(records: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """The records' columns as ``kept`` makes them; a column's field says in which form."""
    columns, fields = [], []
    for name in dict.fromkeys(chain.from_iterable(records)):
        form, column = kept([record.get(name) for record in records])
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata={_FORM: form}))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _form(each: pa.Field) -> Form:
    return Form((each.metadata or {})[_FORM].decode())


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return "an array" if isinstance(value, list) else "text" if type(value) is str else "a number"


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    try:
        return as_json(value)
    except _NOT_STORABLE:
        return ascii(value)
