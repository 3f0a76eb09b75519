"""What a column holds, counted while its batches pass: nothing is kept but a bounded number of distinct values."""

import math
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.workbook.forms import as_doubles, plain
from dataops_defs.adapters.workbook.serials import microseconds_of

MOST_DISTINCT = 10_000
MOST_DISTINCT_OF_ALL = 200_000
"""Of the columns of one table together: wide ones count fewer of each."""
_EXACT = Context(prec=100)
_WHOLE_BITS = 63
_DIGITS_TO_ADD = 30
_PARTS = 2**64


@dataclass
class ColumnStatistics:
    """Of one column: rows with and without a value, distinct values, the least, the greatest and the sum.

    ``distinct`` is None beyond ``most_distinct``, and for nested values. Sums are exact for whole and decimal numbers,
    and for spans of time.
    NaN and infinities have a place in no order: they count as filled, and as ``endless``.
    """

    most_distinct: int = MOST_DISTINCT
    filled: int = 0
    empty: int = 0
    endless: int = 0
    low: Any = None
    high: Any = None
    _numbers: int = 0
    _exact: Decimal = Decimal(0)
    _distinct: set[Any] | None = field(default_factory=set)
    _inexact: Fraction | None = None
    _spans: bool = False

    @property
    def distinct(self) -> int | None:
        """How many values are different from each other."""
        return None if self._distinct is None else len(self._distinct)

    @property
    def sum(self) -> Decimal | float | timedelta | None:
        """Of numbers, or of spans; None where there are none."""
        if self._inexact is not None:
            return _as_float(self._inexact)
        if not self._numbers:
            return None
        return _as_span(self._exact) if self._spans else self._exact

    @property
    def mean(self) -> float | timedelta | None:
        """Of numbers, or of spans."""
        if self._inexact is not None:
            return _as_float(self._inexact / self._numbers)
        if not self._numbers:
            return None
        return _as_span(self._exact / self._numbers) if self._spans else float(self._exact) / self._numbers

    def add(self, column: pa.Array) -> None:
        """Count one batch."""
        values = plain(column)
        self.empty += values.null_count
        self.filled += len(values) - values.null_count
        if values.null_count == len(values):
            return
        self._tell_apart(values)
        if pa.types.is_floating(values.type):
            finite = values.filter(pc.fill_null(pc.is_finite(values), False))
            self.endless += len(values) - values.null_count - len(finite)
            values = as_doubles(finite)
        elif pa.types.is_duration(values.type):
            self._spans, values = True, microseconds_of(values)
        if len(values) and not (pa.types.is_nested(values.type) or _is_bytes(values.type)):
            self._order(values)
            self._sum(values)

    def _tell_apart(self, values: pa.Array) -> None:
        if pa.types.is_nested(values.type) or pa.types.is_interval(values.type):
            self._distinct = None
        if self._distinct is None:
            return
        found = pc.unique(values.drop_null())
        if len(found) <= self.most_distinct:
            self._distinct.update("NaN" if each != each else each for each in found.to_pylist())
        if max(len(found), len(self._distinct)) > self.most_distinct:
            self._distinct = None

    def _order(self, values: pa.Array) -> None:
        if pa.types.is_interval(values.type):
            return
        low, high = pc.min_max(values).as_py().values()
        if self._spans:
            low, high = _as_span(low), _as_span(high)
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def _sum(self, values: pa.Array) -> None:
        if pa.types.is_floating(values.type):
            self._inexact = (self._inexact or Fraction(0)) + _inexact_sum(values)
        elif pa.types.is_integer(values.type) or pa.types.is_decimal(values.type):
            self._exact = _EXACT.add(self._exact, _sum(values))
        else:
            return
        self._numbers += len(values) - values.null_count


def statistics_of(schema: pa.Schema) -> list[ColumnStatistics]:
    """One for each column, before anything is counted."""
    most = max(min(MOST_DISTINCT, MOST_DISTINCT_OF_ALL // max(len(schema), 1)), 1)
    return [ColumnStatistics(most) for _ in schema]


def _sum(values: pa.Array) -> Decimal:
    """Exact, which Arrow's own sum is only as long as it has digits to spare."""
    if pa.types.is_integer(values.type):
        low, high = pc.min_max(values).as_py().values()
        if max(abs(low), abs(high)) * len(values) < 2**_WHOLE_BITS:
            return Decimal(pc.sum(values).as_py())
    elif values.type.precision <= _DIGITS_TO_ADD:
        found: Decimal = pc.sum(values).as_py()
        return found
    total = Decimal(0)
    for each in values.drop_null().to_pylist():
        total = _EXACT.add(total, Decimal(each))
    return total


def _inexact_sum(values: pa.Array) -> Fraction:
    """Of doubles; where they run over together, of small parts of them."""
    found = pc.sum(values).as_py()
    if math.isfinite(found):
        return Fraction(found)
    return Fraction(pc.sum(pc.multiply(values, 1 / _PARTS)).as_py()) * _PARTS


def _as_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _as_span(micros: Decimal | int) -> timedelta | float:
    try:
        return timedelta(microseconds=round(micros))
    except OverflowError:
        return math.inf if micros > 0 else -math.inf


def _is_bytes(kind: pa.DataType) -> bool:
    return any(is_it(kind) for is_it in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary))
