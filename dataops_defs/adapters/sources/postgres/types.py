"""PostgreSQL result columns and their exact Arrow types.

Text is what remains: a type that Arrow has no exact form for (interval, inet, ranges, enums, composites) arrives as
PostgreSQL prints it, json and arrays as JSON text. Intervals without months are spans of time for those who ask.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from psycopg2 import sql

from dataops_defs.adapters.sources.postgres.spans import INTERVAL, SPAN

MAX_DIGITS = 38
NUMERIC = 1700
MONEY = 790
BYTEA = 17

_ARROW: dict[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    26: pa.int64(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
    BYTEA: pa.binary(),
}


def numeric_digits(precision: int | None, scale: int | None) -> tuple[int | None, int | None]:
    """Digits of a numeric as libpq's type modifier gives them; None for one without limits.

    The driver reads the modifier as two 16-bit numbers: no limits look like a precision beyond PostgreSQL's 1,000,
    and a scale is 11 bits with a sign.
    """
    if precision is None or scale is None or precision > 1000:
        return None, None
    return precision, ((scale & 0x7FF) ^ 0x400) - 0x400


@dataclass(frozen=True)
class PgColumn:
    """One column of a result: its name, type id, and the digits of a numeric (None where it has no limits); read
    ``as_text`` where its values do not fit its type, and ``as_span`` if it is an interval.
    """

    name: str
    oid: int
    precision: int | None = None
    scale: int | None = None
    is_array: bool = False
    as_text: bool = False
    as_span: bool = False

    @property
    def unproven(self) -> bool:
        """A numeric without limits: only its values can tell how many digits it needs."""
        return self.oid == NUMERIC and self.precision is None

    @property
    def arrow(self) -> pa.DataType:
        """The exact Arrow type; text where there is none."""
        if self.as_text:
            return pa.string()
        if self.oid == MONEY:
            return pa.decimal128(19, 2)
        if self.oid == NUMERIC:
            return decimal_type(self.precision, self.scale or 0)
        if self.oid == INTERVAL and self.as_span:
            return SPAN
        return _ARROW.get(self.oid, pa.string())

    def selected(self, alias: sql.Identifier) -> sql.Composable:
        """The expression that prints the column for COPY."""
        if self.is_array:
            return sql.SQL("pg_catalog.array_to_json({})").format(alias)
        if self.as_text:
            return sql.SQL("{}::pg_catalog.text").format(alias)
        if self.oid == MONEY:
            return sql.SQL("{}::pg_catalog.numeric").format(alias)
        return alias

    def proven(self, scale: int | None, whole_digits: int | None) -> "PgColumn":
        """The column with the digits its values need; None where a value has no decimal form (NaN)."""
        if scale is None or whole_digits is None:
            return self
        return replace(self, precision=max(whole_digits + scale, 1), scale=scale)


def decimal_type(precision: int | None, scale: int) -> pa.DataType:
    """Decimal of that many digits, or text beyond what Arrow reads (38 digits, no negative scale)."""
    if precision is None or precision > MAX_DIGITS or not 0 <= scale <= precision:
        return pa.string()
    return pa.decimal128(precision, scale)


def schema_of(columns: Sequence[PgColumn]) -> pa.Schema:
    """The Arrow schema of a result."""
    return pa.schema([pa.field(each.name, each.arrow) for each in columns])
