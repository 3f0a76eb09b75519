"""Columns in the types that an import gives them; rows with a value that does not fit are set aside, never bent.

Nothing is rounded, cut or guessed: a decimal with more digits than its type has, a text that is longer, or a time with
a zone where none is kept, is a reject with its row, column and value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.importing.floats import nearest, out_of_range
from dataops_defs.adapters.importing.texts import SHOWN, TEXTS, Bad, checked
from dataops_defs.adapters.json_values import json_value, kept_value, python_rows, python_values
from dataops_defs.adapters.sinks.table_shape import column_type, with_declared_type
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.csv.types import Kind, prove, typed
from dataops_defs.adapters.typed_columns import typed_column
from dataops_defs.domain import sql_types as sql
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.sql_types import SqlType
from dataops_defs.errors import SourceError

MAX_REJECTED = 100_000
MAX_REJECTED_BYTES = 256 * 1024**2
MAX_ARROW_DIGITS = 76
_ARROW: dict[str, pa.DataType] = {
    sql.SMALLINT: pa.int16(),
    sql.INTEGER: pa.int32(),
    sql.BIGINT: pa.int64(),
    sql.REAL: pa.float32(),
    sql.DOUBLE: pa.float64(),
    sql.BOOLEAN: pa.bool_(),
    sql.BYTEA: pa.binary(),
    sql.DATE: pa.date32(),
    sql.TIME: pa.time64("us"),
    sql.TIMESTAMP: pa.timestamp("us"),
    sql.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
}
_FLOATS = (sql.REAL, sql.DOUBLE)
_NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT)
# What proves that a cast gives each value as PostgreSQL would read it: then a column is cast as a whole.
_PROVES: dict[str, tuple[Kind, ...]] = {
    **dict.fromkeys((sql.SMALLINT, sql.INTEGER, sql.BIGINT), (Kind.INTEGER,)),
    **dict.fromkeys(_FLOATS, _NUMBERS),
    sql.NUMERIC: (Kind.INTEGER, Kind.DECIMAL),
    sql.DATE: (Kind.DATE,),
    sql.TIMESTAMP: (Kind.DATE, Kind.TIMESTAMP),
    sql.TIMESTAMPTZ: (Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT),
}
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


@dataclass(frozen=True)
class Columns:
    """What becomes of each column of a reading: SQL types by name for those that are given one.

    Args:
        as_text: all others become text.
    """

    wanted: Mapping[str, SqlType] = field(default_factory=dict)
    as_text: bool = False

    def type_of(self, column: pa.Field, reading: Reading) -> SqlType | None:
        """The type that a column is given; None for one that keeps its own."""
        if (found := self.wanted.get(column.name)) is not None:
            return found
        if self.as_text and not pa.types.is_string(column.type):
            return SqlType(sql.TEXT)
        if (column.name in reading.json and not self.as_text) or pa.types.is_nested(column.type):
            return SqlType(sql.JSONB)
        return None

    def missing(self, names: Sequence[str]) -> list[str]:
        """Columns that are given a type, and that the file does not have."""
        return [name for name in self.wanted if name not in names]


def cast_reading(reading: Reading, columns: Columns) -> Reading:
    """The reading with its columns in the types they are given.

    Rejects are those of the reading and those made here, by row; complete when the batches are consumed.

    Raises:
        SourceError: too many rows do not fit.
    """
    given = {each.name: found for each in reading.schema if (found := columns.type_of(each, reading))}
    if not given:
        return reading
    schema = pa.schema([_field(each, given.get(each.name)) for each in reading.schema])
    made = Reading(schema, iter(()), [], reading.expected_rows, empty=reading.empty, notes=reading.notes)
    made.batches = _Casting(reading, made, given).batches()
    return made


def _field(column: pa.Field, wanted: SqlType | None) -> pa.Field:
    if wanted is None:
        return column
    kind = arrow_type(wanted)
    made = pa.field(column.name, kind)
    return made if column_type(kind) == wanted.declared else with_declared_type(made, wanted.declared)


def arrow_type(wanted: SqlType) -> pa.DataType:
    """The Arrow type that carries a column's values; text, where Arrow has none like it."""
    if wanted.name == sql.NUMERIC and wanted.parameters:
        precision, scale = wanted.parameters
        if precision > MAX_ARROW_DIGITS:
            return pa.string()
        return pa.decimal128(precision, scale) if precision <= sql.MAX_DIGITS else pa.decimal256(precision, scale)
    return _ARROW.get(wanted.name, pa.string())


@dataclass
class _Casting:
    reading: Reading
    made: Reading
    given: Mapping[str, SqlType]
    met: int = 0
    mine: list[RejectedRow] = field(default_factory=list)
    held: int = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self.reading.batches:
            cast = self._cast(batch)
            self._tell()
            if cast.num_rows:
                yield cast
        self._tell()

    def _cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays, bad = [], dict[int, tuple[str, str]]()
        for column, name in zip(batch.columns, batch.schema.names, strict=True):
            wanted = self.given.get(name)
            array, reasons = (column, Bad()) if wanted is None else cast_column(column, wanted)
            arrays.append(array)
            for place, reason in reasons.items():
                bad.setdefault(place, (name, reason))
        for place in sorted(bad):
            self._reject(batch, place, *bad[place])
        self.met += batch.num_rows
        made = pa.RecordBatch.from_arrays(arrays, schema=self.made.schema)
        return made.filter(pa.array([place not in bad for place in range(batch.num_rows)])) if bad else made

    def _reject(self, batch: pa.RecordBatch, place: int, column: str, reason: str) -> None:
        if len(self.mine) >= MAX_REJECTED or self.held > MAX_REJECTED_BYTES:
            first = self.mine[0]
            raise SourceError(
                f"{len(self.mine):,} rows and more do not fit their types; the first is {first.without_values}"
            )
        # Whole, however long: what is mended is what was there.
        raw = {name: kept_value(value) for name, value in python_rows(batch.slice(place, 1))[0].items()}
        self.held += sum(len(value) for value in raw.values() if isinstance(value, str))
        self.mine.append(RejectedRow(self.reading.number(self.met + place), reason, column, raw))

    def _tell(self) -> None:
        self.made.rejected[:] = sorted([*self.reading.rejected, *self.mine], key=lambda row: row.number)


def cast_column(column: pa.Array, wanted: SqlType) -> tuple[pa.Array, Bad]:
    """A column in a type, and by place why some values do not fit it; those are null."""
    if column.null_count == len(column):
        return pa.nulls(len(column), arrow_type(wanted)), {}
    if (whole := _as_a_whole(column, wanted)) is not None:
        return whole, {}
    if pa.types.is_nested(column.type):
        texts = [None if value is None else _dumped(json_value(value)) for value in python_values(column)]
        return checked(texts, wanted, {}) if wanted.name in TEXTS else cast_values(texts, wanted)
    return cast_values([kept_value(value) for value in python_values(column)], wanted)


def cast_values(values: Sequence[Any], wanted: SqlType) -> tuple[pa.Array, Bad]:
    """JSON values in a type, as `cast_column` does it."""
    kind = arrow_type(wanted)
    if wanted.name in TEXTS and pa.types.is_string(kind):
        if wanted.name in (sql.JSON, sql.JSONB):
            return checked([value if isinstance(value, str | None) else _dumped(value) for value in values], wanted, {})
        array, bad = typed_column(values, pa.string())
        return checked(array.to_pylist(), wanted, bad)
    given = [_truth(value) for value in values] if wanted.name == sql.BOOLEAN else values
    made, bad = typed_column(given, kind)
    if wanted.name in _FLOATS:
        texts = pa.array([None if value is None else str(value) for value in values], pa.string())
        beyond = pc.indices_nonzero(out_of_range(texts, made)).to_pylist()
        bad |= {place: f"'{str(values[place])[:SHOWN]}' does not fit the column's type {kind}" for place in beyond}
    # In the words of SQL, not in those of Arrow.
    return made, {place: _told(reason, kind, wanted) for place, reason in bad.items()}


def _told(reason: str, kind: pa.DataType, wanted: SqlType) -> str:
    return f"{reason.removesuffix(str(kind))}{wanted.printed}" if reason.endswith(f" type {kind}") else reason


def _as_a_whole(column: pa.Array, wanted: SqlType) -> pa.Array | None:
    """The column cast at once, where every value is of the type as it stands."""
    if not pa.types.is_string(column.type):
        return None
    if wanted.name in (sql.VARCHAR, sql.TEXT):
        longest = pc.max(pc.utf8_length(column)).as_py()
        return column if wanted.length is None or longest <= wanted.length else None
    proven = prove(column)
    if proven.kind not in _PROVES.get(wanted.name, ()) or (wanted.name == sql.NUMERIC and not wanted.parameters):
        return None
    if wanted.name in _FLOATS:
        return nearest(column, arrow_type(wanted))
    try:
        return typed(column, proven.arrow).cast(arrow_type(wanted))
    except pa.ArrowInvalid:
        return None


def _truth(value: Any) -> Any:
    """The words that PostgreSQL takes for true and false."""
    word = str(value).strip().lower() if isinstance(value, str | int) else value
    return "true" if word in _TRUE else "false" if word in _FALSE else value


def _dumped(value: Any) -> str:
    return orjson.dumps(value).decode()
