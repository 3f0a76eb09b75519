"""Conditions and orders on objects in hand, for stores that cannot do it themselves; the same as PostgreSQL's."""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from dataops_defs.domain.object_query import Condition, ObjectQuery, Operator, Order

Object = Mapping[str, Any]
COMPARE: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: operator.eq,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}


def is_wanted(query: ObjectQuery, found: Object, kinds: Mapping[str, str]) -> bool:
    """Whether an object meets all conditions, and holds the text that is searched.

    Args:
        found: its properties; numbers are ints and Decimals, times are texts.
        kinds: property -> ``string`` for the texts that are searched; other values only with what is inside.
    """
    if not all(meets(each, found) for each in query.conditions):
        return False
    return query.search is None or _holds(query.search.lower(), found, kinds)


def meets(condition: Condition, found: Object) -> bool:
    """Whether an object meets one condition."""
    value = _at(condition.path, found)
    if condition.operator is Operator.NULL:
        return (value is None) is bool(condition.value)
    known: Any = _as(condition.kind, value)
    if condition.operator is Operator.NE:
        return known is None or bool(known != condition.value)
    if known is None:
        return False
    if condition.operator is Operator.IN:
        return any(known == each for each in condition.value)
    if condition.operator is Operator.CONTAINS:
        if condition.kind == "array":
            return any(_same_kind(each, condition.value) and each == condition.value for each in known)
        return condition.value.lower() in known.lower()
    return bool(COMPARE[condition.operator](known, condition.value))


def _at(path: Sequence[str | int], found: Any) -> Any:
    for part in path:
        if isinstance(part, int):
            found = found[part] if isinstance(found, list) and part < len(found) else None
        else:
            found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _same_kind(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and isinstance(one, str) == isinstance(other, str)


def _as(kind: str, value: Any) -> Any:
    """The value as its kind is compared; None when it is of another."""
    if value is None:
        return None
    if kind == "any":
        return _text(value)
    if not isinstance(value, KINDS[kind]) or isinstance(value, bool) != (kind == "boolean"):
        return None
    return TIMES[kind](str(value)) if kind in TIMES else value


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


TIMES: Mapping[str, Callable[[str], Any]] = {"date": date.fromisoformat, "date-time": _moment}


KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "date": str,
    "date-time": str,
    "integer": (int, Decimal),
    "number": (int, Decimal),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | Decimal) else None


def _holds(wanted: str, found: Any, kinds: Mapping[str, str]) -> bool:
    for name, value in found.items():
        if name in kinds:
            if value is not None and wanted in str(value).lower():
                return True
        elif isinstance(value, list | dict) and any(wanted in each.lower() for each in _texts(value)):
            return True
    return False


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inside for text in _texts(each)]


def in_order(found: Sequence[Object], order: Sequence[Order], key: str) -> list[Object]:
    """The objects sorted, those without the property last, equal ones by key."""

    def compare(one: Object, other: Object) -> int:
        for each in (*order, Order(key)):
            a, b = one.get(each.property), other.get(each.property)
            if a == b:
                continue
            if a is None or b is None:
                return 1 if a is None else -1
            return (1 if a > b else -1) * (-1 if each.descending else 1)
        return 0

    return sorted(found, key=cmp_to_key(compare))
