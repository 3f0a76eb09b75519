"""Types of columns of JSON values, proven over all of them.

A column has a type of its own only when every value of it has: whole numbers, decimals (exact, of at most 38 digits),
doubles (where 38 digits are too few and a double keeps every value as it is written), booleans, and dates and times
where every text is one of ISO 8601. Text is text, also when it looks like a number. A column that holds objects or
arrays holds the JSON text of each of its values; other mixtures become text: numbers and booleans as JSON writes them.
Null is empty in any of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataops_defs.adapters.sources.csv.types import Kind, Proven, prove, typed
from dataops_defs.adapters.sources.json.text import DECODER, NumberText, as_json

MAX_DIGITS = 38
NOTHING = Proven()
_MOMENTS = (Kind.EMPTY, Kind.DATE, Kind.TIMESTAMP, Kind.INSTANT)


class Form(StrEnum):
    """How the values of one column are kept, piece by piece: as what they are in JSON."""

    NULL = "null"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    """Text of numbers, without an exponent where that is short."""
    TEXT = "text"
    MIXED = "mixed"
    """JSON texts of numbers, booleans and texts."""
    NESTED = "nested"
    """JSON texts, of objects or arrays among others."""


@dataclass(frozen=True)
class Wanted:
    """What a column becomes: its Arrow type, and for text whether it is JSON text."""

    type: pa.DataType
    json: bool = False


def kept(values: Sequence[Any]) -> tuple[Form, pa.Array]:
    """The values of one column as an Arrow array that keeps them exactly.

    Raises:
        UnicodeEncodeError, TypeError: a value is no Unicode text, or nested too deeply.
    """
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return Form.NULL, pa.nulls(len(values))
    if kinds == {bool}:
        return Form.BOOLEAN, pa.array(values, pa.bool_())
    if kinds == {str}:
        return Form.TEXT, pa.array(values, pa.string())
    if kinds <= {int, NumberText}:
        return _numbers(values, kinds)
    form = Form.NESTED if kinds & {dict, list} else Form.MIXED
    return form, pa.array([None if value is None else as_json(value) for value in values], pa.string())


def _numbers(values: Sequence[Any], kinds: set[type]) -> tuple[Form, pa.Array]:
    if kinds == {int}:
        try:
            return Form.INTEGER, pa.array(values, pa.int64())
        except OverflowError:
            pass
    return Form.NUMBER, pa.array([None if value is None else _plain(str(value)) for value in values], pa.string())


def _plain(number: str) -> str:
    """A number without its exponent, unless that makes it long."""
    if "e" not in number and "E" not in number:
        return number
    try:
        value = Decimal(number)
    except InvalidOperation:
        return number
    return format(value, "f") if abs(value.adjusted()) <= MAX_DIGITS else number


@dataclass
class Proof:
    """What the values of a column are, as far as they were seen."""

    forms: set[Form] = field(default_factory=set)
    number: Proven = NOTHING
    moment: Proven = NOTHING

    def take(self, form: Form, column: pa.Array) -> None:
        """Widen it to these values."""
        if form is not Form.NULL:
            self.forms.add(form)
        if form is Form.INTEGER:
            ends = pc.min_max(column)
            digits = max(len(str(ends[end].as_py())) for end in ("min", "max"))
            self.number = self.number.joined(Proven(Kind.INTEGER, digits))
        elif form is Form.NUMBER and self.number.kind is not Kind.TEXT:
            self.number = self.number.joined(prove(column))
        elif form is Form.TEXT and self.moment.kind is not Kind.TEXT:
            seen = self.moment.joined(prove(column))
            self.moment = seen if seen.kind in _MOMENTS else Proven(Kind.TEXT)

    @property
    def numbers(self) -> bool:
        """Whether all values are numbers."""
        return bool(self.forms) and self.forms <= {Form.INTEGER, Form.NUMBER}

    @property
    def too_wide(self) -> bool:
        """Whether the numbers have too many digits for a decimal; a double may still keep them."""
        return self.numbers and self.number.kind not in (Kind.INTEGER, Kind.DECIMAL)

    def wanted(self, *, doubles: bool = False) -> Wanted:
        """The narrowest type that keeps all of them; ``doubles`` says that a double does."""
        if self.numbers:
            wide = pa.float64() if doubles else pa.string()
            return Wanted(wide if self.too_wide else self.number.arrow)
        if self.forms == {Form.BOOLEAN}:
            return Wanted(pa.bool_())
        if self.forms == {Form.TEXT}:
            return Wanted(self.moment.arrow)
        return Wanted(pa.string(), json=Form.NESTED in self.forms)


def are_doubles(column: pa.Array) -> bool:
    """Whether a double, written in its shortest form, is each of these numbers."""
    texts = column.cast(pa.string()).drop_null().to_pylist()
    return all(Decimal(repr(float(text))) == Decimal(text) for text in texts)


def as_wanted(form: Form, column: pa.Array, wanted: Wanted) -> pa.Array:
    """What ``kept`` made, in the type that was proven over all."""
    if form is Form.NULL:
        return pa.nulls(len(column), wanted.type)
    if column.type == wanted.type and not pa.types.is_string(wanted.type):
        return column
    if not pa.types.is_string(wanted.type):
        return typed(column.cast(pa.string()), wanted.type)
    if form is Form.TEXT and wanted.json:
        return _each(column, lambda text: json.dumps(text, ensure_ascii=False))
    if form is Form.MIXED and not wanted.json:
        return _each(column, _bare)
    return column.cast(pa.string())


def _each(column: pa.Array, change: Any) -> pa.Array:
    return pa.array([None if value is None else change(value) for value in column.to_pylist()], pa.string())


def _bare(text: str) -> str:
    """A JSON text of a scalar without its quotes."""
    value = DECODER.decode(text)
    return value if isinstance(value, str) else text
