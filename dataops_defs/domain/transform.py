"""A transform: how the value of a source column becomes the value of a property.

Its text is the name of a function from ``FUNCTIONS``, or a JavaScript expression over ``value`` (the cell) and
``row`` (all cells of the row by column name). Source: DataOps & Integration, "Object Mapping".
"""

import re
from dataclasses import dataclass

from dataops_defs.errors import InvalidTransform

MAX_EXPRESSION = 10_000

FUNCTIONS: dict[str, str] = {
    "parseInt": "Whole number at the start of the text, base 10; null where there is none; fractions are cut off",
    "parseFloat": "Decimal number at the start of the text; null where there is none",
    "toNumber": "Number, when all of the text is one; empty text is null, anything else rejects the row",
    "toBoolean": "true/false, yes/no, y/n, t/f, on/off, 1/0 in any case; empty text is null, else rejects the row",
    "toString": "Text: numbers and booleans as JavaScript writes them, lists and objects as JSON",
    "trim": "Text without white space at both ends; other values unchanged",
    "upper": "Text in upper case",
    "lower": "Text in lower case",
    "title": "First letter of each word in upper case, the others in lower case",
    "nullIfEmpty": "null for text that is empty or only white space; other values unchanged",
    "parseJSON": "The value that the JSON text describes; whole numbers of any length stay exact, numbers of more than "
    "17 digits with a fraction are text; empty text is null, ill-formed text rejects the row",
    "parseDate": "ISO 8601 text in UTC with milliseconds, from ISO dates and date-times, YYYY/MM/DD, YYYYMMDD, "
    "MM/DD/YYYY, DD.MM.YYYY, '5 Mar 2024', 'Mar 5, 2024', each with or without a time of day, and from numbers "
    "(milliseconds since 1970); without a zone it is UTC; anything else rejects the row",
    "toISODateTime": "The same as parseDate",
    "toISODate": "The date in UTC (YYYY-MM-DD) of what parseDate reads",
}

_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_PLAIN_WORDS = frozenset({"value", "row", "true", "false", "null", "undefined", "NaN", "Infinity"})
_ROW = re.compile(r"\b(row|arguments)\b|\\u")


@dataclass(frozen=True)
class Transform:
    """The property is made from ``source_column`` by ``expression``; None passes the value through."""

    property: str
    source_column: str
    expression: str | None = None


def function_name(expression: str) -> str | None:
    """The function that the text names, None where it is an expression.

    Raises:
        InvalidTransform: a single word that is no known function.
    """
    word = expression.strip()
    if not _NAME.fullmatch(word) or word in _PLAIN_WORDS:
        return None
    if word not in FUNCTIONS:
        known = ", ".join(FUNCTIONS)
        raise InvalidTransform.field("transform", f"'{word[:50]}' is no known function; use one of: {known}")
    return word


def needs_row(expression: str) -> bool:
    """Whether the expression may look at other columns; when in doubt, yes."""
    return bool(_ROW.search(expression))


def source_text(expression: str) -> str:
    """The expression as it is compiled: without the semicolons that people put at the end.

    Raises:
        InvalidTransform: nothing is left, it is longer than 10,000 characters, or it is no Unicode text.
    """
    text = expression.strip().rstrip("; \t\r\n")
    if not text:
        raise InvalidTransform.field("transform", "is empty; leave it out to take the value as it is")
    if len(text) > MAX_EXPRESSION:
        raise InvalidTransform.field("transform", f"is longer than {MAX_EXPRESSION:,} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidTransform.field("transform", "holds half of a surrogate pair, which is no text")
    return text
