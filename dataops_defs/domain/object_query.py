"""What is asked of the objects of a type: conditions, order, fields. Nothing of it is ever put into a text of SQL.

A condition is ``path:operator:value``: ``yearBuilt:ge:2010``, ``address.city:eq:Bern``, ``status:in:active,"a,b"``,
``tags:contains:old``, ``model:null:true``. The value is read by the type of what the path leads to.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.schema_words import property_type, resolved
from dataops_defs.errors import Invalid

SYSTEM_FIELDS = {"_mappingId": "string", "_runId": "string", "_createdAt": "date-time", "_updatedAt": "date-time"}
PATH = re.compile(r"[A-Za-z_]\w{0,59}(\.[^.\[\]:]{1,200}|\[\d{1,6}\]){0,9}")
PART = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
WHOLE = re.compile(r"[+-]?\d{1,19}")
MAX_CONDITIONS = 20
MAX_ORDERS = 3
MAX_VALUES = 200
MAX_DIGITS = 100


class Operator(StrEnum):
    """How a value is compared. ``ne`` is also true of what is missing; the others are not."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    CONTAINS = "contains"
    NULL = "null"


_EQUAL = {Operator.EQ, Operator.NE, Operator.IN, Operator.NULL}
_ORDERED = _EQUAL | {Operator.LT, Operator.LE, Operator.GT, Operator.GE}
OPERATORS: Mapping[str, set[Operator]] = {
    "string": _ORDERED | {Operator.CONTAINS},
    "integer": _ORDERED,
    "number": _ORDERED,
    "boolean": _EQUAL,
    "date": _ORDERED,
    "date-time": _ORDERED,
    "array": {Operator.CONTAINS, Operator.NULL},
    "object": {Operator.NULL},
    "any": _EQUAL,
}


@dataclass(frozen=True)
class Condition:
    """One condition.

    Args:
        path: the property, then names and places inside it.
        kind: of what the path leads to: a JSON type, ``date``, ``date-time`` or ``any``.
        items: the kind of an array's items.
        value: a text, int, Decimal, bool, date or datetime; several for ``in``; a bool for ``null``. What is of
            kind ``any`` is compared with its text.
    """

    path: tuple[str | int, ...]
    kind: str
    operator: Operator
    value: Any
    items: str = "any"

    @property
    def nested(self) -> bool:
        """Whether it looks inside a property."""
        return len(self.path) > 1


@dataclass(frozen=True)
class Order:
    """A property to sort by; objects without it come last either way."""

    property: str
    descending: bool = False


@dataclass(frozen=True)
class ObjectQuery:
    """Which objects, in which order, and what of each. ``after`` is the key of the last object of the page before."""

    limit: int
    offset: int = 0
    key: Any = None
    conditions: Sequence[Condition] = ()
    search: str | None = None
    order: Sequence[Order] = ()
    fields: Sequence[str] | None = None
    after: Any = None

    @property
    def filtered(self) -> bool:
        """Whether not all objects are wanted."""
        return bool(self.conditions) or self.search is not None or self.key is not None


def condition(kind: ObjectType, text: str) -> Condition:
    """Read one condition.

    Raises:
        Invalid: of the field ``where``, or of the path that the condition is about.
    """
    path, _, rest = text.partition(":")
    word, colon, value = rest.partition(":")
    if not colon or not PATH.fullmatch(path):
        raise Invalid.field("where", "must be path:operator:value, such as yearBuilt:ge:2010 or address.city:eq:Bern")
    if word not in list(Operator):
        raise Invalid.field(_where(path), f"'{word[:20]}' is none of: {', '.join(Operator)}")
    operator = Operator(word)
    parts = path_of(path)
    found, items = _kind_of(kind, parts, path)
    if operator not in OPERATORS[found]:
        raise Invalid.field(_where(path), f"is of type {found}, and takes only: {_listed(OPERATORS[found])}")
    try:
        return Condition(parts, found, operator, _value(value, found, items, operator), items)
    except ValueError as error:
        raise Invalid.field(_where(path), str(error)) from None


def _where(path: str) -> str:
    return f"where.{path[:100]}"


def _listed(operators: set[Operator]) -> str:
    return ", ".join(each for each in Operator if each in operators)


def path_of(text: str) -> tuple[str | int, ...]:
    """``legs[0].from`` as ``("legs", 0, "from")``."""
    return tuple(int(place) if place else name for name, place in PART.findall(text))


def _kind_of(kind: ObjectType, path: tuple[str | int, ...], shown: str) -> tuple[str, str]:
    """The kind of what a path leads to, and of its items where that is an array."""
    first = str(path[0])
    if first in SYSTEM_FIELDS and len(path) == 1:
        return SYSTEM_FIELDS[first], "any"
    if first not in kind.properties:
        raise Invalid.field(_where(shown), f"object type '{kind.name}' has no property '{first[:60]}'")
    schema = resolved(kind.properties[first], kind.schema)
    if len(path) > 1 and property_type(schema) not in ("object", "array", "any"):
        raise Invalid.field(_where(shown), f"'{first}' is of type {property_type(schema)}, there is nothing inside it")
    for part in path[1:]:
        schema = resolved(_inside(schema, part), kind.schema)
    items = schema.get("items")
    return _plain_kind(schema), _plain_kind(resolved(items, kind.schema)) if isinstance(items, Mapping) else "any"


def _inside(schema: Mapping[str, Any], part: str | int) -> Mapping[str, Any]:
    found = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
    return found if isinstance(found, Mapping) else {}


def _plain_kind(schema: Mapping[str, Any]) -> str:
    kind = property_type(schema)
    wanted = str(schema.get("format"))
    return wanted if kind == "string" and wanted in ("date", "date-time") else kind


def _value(text: str, kind: str, items: str, operator: Operator) -> Any:
    if operator is Operator.NULL:
        return _boolean(text)
    if operator is Operator.IN:
        return [_typed(each, kind) for each in _values(text)]
    if operator is Operator.CONTAINS and kind == "array":
        return _typed(text, items if items in ("string", "integer", "number", "boolean") else "string")
    return _typed(text, kind)


def _values(text: str) -> list[str]:
    """A list as a line of CSV: values with a comma stand in double quotes."""
    try:
        rows = list(csv.reader([text], strict=True)) if "\n" not in text and "\r" not in text else []
    except csv.Error as error:
        raise ValueError(f"is no list of values: {error}") from None
    if len(rows) != 1 or not rows[0]:
        raise ValueError("needs values with commas between them")
    if len(rows[0]) > MAX_VALUES:
        raise ValueError(f"takes at most {MAX_VALUES} values")
    return rows[0]


def _typed(text: str, kind: str) -> Any:
    readers = {
        "integer": _whole,
        "number": _number,
        "boolean": _boolean,
        "date": _day,
        "date-time": _moment,
    }
    return readers.get(kind, plain_text)(text)


def plain_text(text: str) -> str:
    """The text, as a database can hold it; ValueError otherwise."""
    if "\x00" in text:
        raise ValueError("must not hold a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _whole(text: str) -> int:
    if not WHOLE.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"'{text[:40]}' is no whole number of 64 bits")
    return int(text)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError(f"'{text[:40]}' is no number")
    return number


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text[:40]}' is no day, such as 2026-01-31") from None


def _moment(text: str) -> datetime:
    try:
        # A + in an address that was not encoded arrives as a blank.
        found = datetime.fromisoformat(re.sub(r" (?=\d\d:\d\d$)", "+", text) if "T" in text else text)
    except ValueError:
        raise ValueError(f"'{text[:40]}' is no time, such as 2026-01-31T10:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def key_value(kind: ObjectType, text: str) -> Any:
    """A key as its type has it; None for a text that cannot be one."""
    try:
        return _typed(text, _plain_kind(resolved(kind.properties[kind.key_field], kind.schema)))
    except ValueError:
        return None


def orders(kind: ObjectType, text: str) -> list[Order]:
    """Read ``sort``: properties with commas between them, each with a leading ``-`` to turn it round."""
    made = [Order(each.removeprefix("-"), each.startswith("-")) for each in text.split(",") if each]
    if len(made) > MAX_ORDERS:
        raise Invalid.field("sort", f"takes at most {MAX_ORDERS} properties")
    for each in made:
        if each.property not in SYSTEM_FIELDS:
            known = kind.properties.get(each.property)
            if known is None:
                raise Invalid.field("sort", f"object type '{kind.name}' has no property '{each.property[:60]}'")
            if property_type(resolved(known, kind.schema)) in ("object", "array", "any"):
                raise Invalid.field("sort", f"'{each.property}' has no order: it is an object, an array or of any type")
    return made


def fields_of(kind: ObjectType, text: str) -> list[str]:
    """Read ``fields``: properties with commas between them, and the system's own."""
    names = [each for each in text.split(",") if each]
    for each in names:
        if each not in kind.properties and each not in SYSTEM_FIELDS:
            raise Invalid.field("fields", f"object type '{kind.name}' has no property '{each[:60]}'")
    return list(dict.fromkeys(names))
