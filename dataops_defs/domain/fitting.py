"""Fitting a value to a property: conversions that lose nothing, and no others.

A dataset's columns have types of their own, decimals and big integers travel as text; a property has a JSON type.
Whole numbers become text, text that is a number becomes one, a moment or a time of day without a zone is UTC, a
midnight is a date.
Everything else is left as it is, and the object type's schema decides.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

INTEGER = re.compile(r"([+-]?\d{1,19})(\.0+)?")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00(:00(\.0+)?)?(Z|[+-]00:?00)?")
ZONELESS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")
TIME = re.compile(r"(\d\d:\d\d)(:\d\d(\.\d+)?)?(?:Z|([+-]\d\d)(?::?(\d\d))?)?")
BIGINT = 2**63


def to_text(value: Any) -> Any:
    """Whole numbers as their digits, truth values as words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def to_integer(value: Any) -> Any:
    """Digits as a number, one without a fraction as a whole number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (found := INTEGER.fullmatch(value.strip())):
        return int(found[1])
    return value


def to_number(value: Any) -> Any:
    """Text that is a number as one; the exact text is stored, see ``stored_number``."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value.strip())
    return value


def to_boolean(value: Any) -> Any:
    """The words true and false."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value


def to_date(value: Any) -> Any:
    """A midnight as its day."""
    if isinstance(value, str) and (found := MIDNIGHT.fullmatch(value)):
        return found[1]
    return value


def to_date_time(value: Any) -> Any:
    """A day as its midnight, a time without a zone as UTC."""
    if isinstance(value, str):
        if DATE.fullmatch(value):
            return f"{value}T00:00:00Z"
        if ZONELESS.fullmatch(value):
            return f"{value.replace(' ', 'T')}{':00' if len(value) == 16 else ''}Z"
    return value


def to_time(value: Any) -> Any:
    """A time of day without a zone as UTC, with its seconds and the minutes of its zone."""
    if isinstance(value, str) and (found := TIME.fullmatch(value)):
        clock, seconds, zone, minutes = found[1], found[2] or ":00", found[4], found[5] or "00"
        return f"{clock}{seconds}{f'{zone}:{minutes}' if zone else 'Z'}"
    return value


FITTERS: dict[str, Callable[[Any], Any]] = {
    "text": to_text,
    "bigint": to_integer,
    "numeric": to_number,
    "boolean": to_boolean,
    "date": to_date,
    "timestamp with time zone": to_date_time,
    "time": to_time,
}
NATURAL: dict[str, set[type]] = {
    "text": {str},
    "bigint": {int},
    "numeric": {int, float},
    "boolean": {bool},
}


def fit(values: Sequence[Any], column_type: str) -> Sequence[Any]:
    """All values of a property fitted to the type of its column; columns that fit already are returned as they are.

    Args:
        column_type: or ``time``, for which no column has a type; see `object_type.fitted_to`.
    """
    fitter = FITTERS.get(column_type)
    if fitter is None or set(map(type, values)) <= NATURAL.get(column_type, set()) | {type(None)}:
        return values
    return [None if value is None else fitter(value) for value in values]


def cannot_store(value: Any, column_type: str) -> str | None:
    """Why PostgreSQL could not hold a value that its JSON Schema accepts, or None."""
    if column_type == "bigint" and not -BIGINT <= value < BIGINT:
        return "is beyond the range of a 64-bit integer"
    if column_type == "date" and not _parses(date.fromisoformat, value):
        return "is no date that can be stored"
    if column_type.startswith("timestamp") and not _parses(datetime.fromisoformat, value):
        return "is no time that can be stored"
    return None


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except (ValueError, TypeError):
        return False
    return True
