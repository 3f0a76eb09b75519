"""Result columns of MySQL and MariaDB, and their exact Arrow types.

Source: MySQL 8.4 Internals, "Protocol::ColumnDefinition41" and "Binary Protocol Value".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pymysql.constants import FIELD_TYPE, FLAG

from dataops_defs.adapters.sources.postgres.types import decimal_type
from dataops_defs.errors import Invalid

BINARY_CHARSET = 63
DECIMALS = frozenset({FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL})
MOMENTS = frozenset({FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP})

# Kinds of fixed width: how each is sent, signed and unsigned (little endian; 24 bits travel as 32).
FIXED: dict[int, tuple[str, str]] = {
    FIELD_TYPE.TINY: ("<i1", "<u1"),
    FIELD_TYPE.SHORT: ("<i2", "<u2"),
    FIELD_TYPE.YEAR: ("<i2", "<i2"),
    FIELD_TYPE.INT24: ("<i4", "<u4"),
    FIELD_TYPE.LONG: ("<i4", "<u4"),
    FIELD_TYPE.LONGLONG: ("<i8", "<u8"),
    FIELD_TYPE.FLOAT: ("<f4", "<f4"),
    FIELD_TYPE.DOUBLE: ("<f8", "<f8"),
}
_ARROW: dict[int, pa.DataType] = {
    FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.NEWDATE: pa.date32(),
    FIELD_TYPE.DATETIME: pa.timestamp("us"),
    FIELD_TYPE.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    FIELD_TYPE.TIME: pa.time64("us"),
    FIELD_TYPE.JSON: pa.string(),
    FIELD_TYPE.NULL: pa.string(),
}
_TEXTS = frozenset(
    {
        FIELD_TYPE.VARCHAR,
        FIELD_TYPE.VAR_STRING,
        FIELD_TYPE.STRING,
        FIELD_TYPE.ENUM,
        FIELD_TYPE.SET,
        FIELD_TYPE.TINY_BLOB,
        FIELD_TYPE.MEDIUM_BLOB,
        FIELD_TYPE.LONG_BLOB,
        FIELD_TYPE.BLOB,
    }
)


@dataclass(frozen=True)
class MysqlColumn:
    """One column of a result. ``length`` is its greatest width as text, ``scale`` the digits after the point."""

    name: str
    kind: int
    unsigned: bool = False
    length: int = 0
    scale: int = 0
    charset: int = BINARY_CHARSET

    @classmethod
    def of(cls, sent: Any) -> "MysqlColumn":
        """The column that a ``FieldDescriptorPacket`` describes."""
        unsigned = bool(sent.flags & FLAG.UNSIGNED)
        return cls(sent.name, sent.type_code, unsigned, sent.length, sent.scale, sent.charsetnr)

    @property
    def wire(self) -> str | None:
        """How numpy calls the form a number of fixed width is sent in; None for other kinds."""
        return FIXED[self.kind][self.unsigned] if self.kind in FIXED else None

    @property
    def arrow(self) -> pa.DataType:
        """The exact Arrow type.

        BIT(1) is true or false and BIT(n) its digits as text, DECIMAL of more than 38 digits is text.

        Raises:
            Invalid: a type that has no form of its own here (GEOMETRY, VECTOR).
        """
        if self.wire is not None:
            return pa.from_numpy_dtype(self.wire)
        if self.kind in DECIMALS:
            return decimal_type(self.length - (self.scale > 0) - (not self.unsigned), self.scale)
        if self.kind == FIELD_TYPE.BIT:
            return pa.bool_() if self.length == 1 else pa.string()
        if self.kind in _TEXTS:
            return pa.binary() if self.charset == BINARY_CHARSET else pa.string()
        if self.kind in _ARROW:
            return _ARROW[self.kind]
        raise Invalid.field("extraction.query", f"column '{self.name}' {_advice(self.kind)}")


def _advice(kind: int) -> str:
    if kind == FIELD_TYPE.GEOMETRY:
        return "is a GEOMETRY; ask for ST_AsText or ST_AsGeoJSON of it"
    return f"has a type that is not served (number {kind}); cast it to CHAR"


def schema_of(columns: Sequence[MysqlColumn]) -> pa.Schema:
    """The Arrow schema of a result.

    Raises:
        Invalid: two columns of one name, or a type that is not served.
    """
    seen: set[str] = set()
    for each in columns:
        if each.name in seen:
            raise Invalid.field("extraction.query", f"two columns are called '{each.name}'; give one another name")
        seen.add(each.name)
    return pa.schema([pa.field(each.name, each.arrow) for each in columns])
