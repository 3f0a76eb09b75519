"""Rows of MySQL's binary protocol as Arrow record batches; those that Arrow has no exact form for are set aside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pymysql.constants import FIELD_TYPE

from dataops_defs.adapters.sources.base import BATCH_ROWS
from dataops_defs.adapters.sources.faults import Fault, Sieve
from dataops_defs.adapters.sources.mysql.protocol import Block
from dataops_defs.adapters.sources.mysql.types import MOMENTS, MysqlColumn, schema_of
from dataops_defs.adapters.sources.mysql.values import CLOCK, MOMENT, Mask, Values
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.errors import SourceError

_ADVICE = "cast it to CHAR, or to NULL with NULLIF"


@dataclass
class Rows:
    """Makes batches of blocks. ``rejected`` fills on the way; its numbers count all rows from 1."""

    columns: Sequence[MysqlColumn]
    _sieve: Sieve = field(default_factory=Sieve)

    def __post_init__(self) -> None:
        self.schema = schema_of(self.columns)

    @property
    def rejected(self) -> list[RejectedRow]:
        """Rows that were set aside so far."""
        return self._sieve.rejected

    def batches(self, blocks: Iterator[Block]) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most ``BATCH_ROWS`` at a time.

        Raises:
            SourceError: too many rows were set aside.
        """
        for block in blocks:
            for begin in range(0, len(block.starts), BATCH_ROWS):
                part = slice(begin, begin + BATCH_ROWS)
                yield self._batch(Block(block.data, block.starts[part], block.ends[part]))

    def _batch(self, block: Block) -> pa.RecordBatch:
        values = Values(block, len(self.columns))
        faults: list[Fault] = []
        arrays = [
            _array(values, values.null(place), each, wanted, faults)
            for place, (each, wanted) in enumerate(zip(self.columns, self.schema.types, strict=True))
        ]
        values.check_end()
        return self._sieve.sifted(pa.RecordBatch.from_arrays(arrays, schema=self.schema), faults)


def _array(values: Values, null: Mask, column: MysqlColumn, wanted: pa.DataType, faults: list[Fault]) -> pa.Array:
    if column.wire is not None:
        return pa.array(values.numbers(column.wire, null), mask=null)
    if column.kind in MOMENTS:
        return _moments(values, null, column, wanted, faults)
    if column.kind == FIELD_TYPE.TIME:
        return _clocks(values, null, column, wanted, faults)
    found = values.texts(null)
    if column.kind == FIELD_TYPE.BIT:
        return _bits(found, column, wanted)
    if pa.types.is_binary(wanted):
        return found
    if pa.types.is_decimal(wanted):
        return _decimals(found, column, wanted)
    return _texts(found, column, faults)


def _moments(values: Values, null: Mask, column: MysqlColumn, wanted: pa.DataType, faults: list[Fault]) -> pa.Array:
    sent = values.moments(MOMENT, null)
    month = (sent["year"].astype(np.int64) - 1970) * 12 + sent["month"] - 1
    day = month.astype("M8[M]").astype("M8[D]") + (sent["day"].astype(np.int64) - 1)
    # A month or day 0, or the 31st of April, leads into another month. Python's dates begin with year 1.
    real = (sent["month"] > 0) & (day.astype("M8[M]").astype(np.int64) == month) & (sent["year"] > 0)
    days = np.where(real, day.astype(np.int64), 0)
    is_date = pa.types.is_date(wanted)
    for place in np.flatnonzero(~real & ~null):
        shown = _shown(sent[place], is_date)
        reason = f"holds '{shown}' in '{column.name}', which is no day of a calendar: {_ADVICE}"
        faults.append(Fault(int(place), column.name, shown, reason))
    if is_date:
        return pa.array(days.astype(np.int32), wanted, mask=null)
    return pa.array(days * 86_400_000_000 + _micros(sent), wanted, mask=null)


def _clocks(values: Values, null: Mask, column: MysqlColumn, wanted: pa.DataType, faults: list[Fault]) -> pa.Array:
    sent = values.moments(CLOCK, null)
    within = (sent["negative"] == 0) & (sent["days"] == 0)
    for place in np.flatnonzero(~within & ~null):
        shown = _span(sent[place])
        reason = f"holds '{shown}' in '{column.name}', which is no time of a day: cast it to CHAR"
        faults.append(Fault(int(place), column.name, shown, reason))
    return pa.array(np.where(within, _micros(sent), 0), wanted, mask=null)


def _micros(sent: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    minutes: npt.NDArray[np.int64] = sent["hour"].astype(np.int64) * 60 + sent["minute"]
    made: npt.NDArray[np.int64] = (minutes * 60 + sent["second"]) * 1_000_000 + sent["micros"]
    return made


def _shown(sent: np.void, is_date: bool) -> str:
    day = f"{sent['year']:04}-{sent['month']:02}-{sent['day']:02}"
    return day if is_date else f"{day} {sent['hour']:02}:{sent['minute']:02}:{sent['second']:02}{_fraction(sent)}"


def _span(sent: np.void) -> str:
    hours = int(sent["days"]) * 24 + int(sent["hour"])
    sign = "-" if sent["negative"] else ""
    return f"{sign}{hours:02}:{sent['minute']:02}:{sent['second']:02}{_fraction(sent)}"


def _fraction(sent: np.void) -> str:
    return f".{sent['micros']:06}" if sent["micros"] else ""


def _bits(found: pa.Array, column: MysqlColumn, wanted: pa.DataType) -> pa.Array:
    numbers = [None if each is None else int.from_bytes(each, "big") for each in found.to_pylist()]
    if pa.types.is_boolean(wanted):
        return pa.array([None if each is None else bool(each) for each in numbers], wanted)
    return pa.array([None if each is None else f"{each:0{column.length}b}" for each in numbers], wanted)


def _decimals(found: pa.Array, column: MysqlColumn, wanted: pa.DataType) -> pa.Array:
    try:
        return found.cast(pa.string()).cast(wanted)
    except pa.ArrowInvalid:
        raise SourceError(
            f"column '{column.name}' holds more digits than {wanted} keeps; cast it to a DECIMAL that has room"
        ) from None


def _texts(found: pa.Array, column: MysqlColumn, faults: list[Fault]) -> pa.Array:
    try:
        return found.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(
            [_text(place, each, column, faults) for place, each in enumerate(found.to_pylist())], pa.string()
        )


def _text(place: int, value: bytes | None, column: MysqlColumn, faults: list[Fault]) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        reason = f"holds text that is not UTF-8 in '{column.name}': select HEX of it, or cast it to BINARY"
        faults.append(Fault(place, column.name, value.hex() if value else "", reason))
        return None
