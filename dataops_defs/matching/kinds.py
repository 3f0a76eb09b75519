"""What kind of value a column holds and a property wants: a date, a number, an e-mail address."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from dataops_defs.matching.fields import SourceField, TargetField
from dataops_defs.matching.words import segments


class Kind(StrEnum):
    """Kinds of values that people tell apart at a glance; the value completes "samples look like …"."""

    BOOLEAN = "yes or no"
    INTEGER = "whole numbers"
    YEAR = "years"
    DECIMAL = "numbers with decimals"
    DATE = "dates"
    MOMENT = "dates with times"
    TIME = "times of day"
    URL = "web addresses"
    EMAIL = "e-mail addresses"
    PHONE = "telephone numbers"
    UUID = "UUIDs"
    TEXT = "text"
    OBJECT = "nested objects"
    UNKNOWN = ""


NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.YEAR})
DAYS = frozenset({Kind.DATE, Kind.MOMENT})
SPECIAL = frozenset({Kind.URL, Kind.EMAIL, Kind.PHONE, Kind.UUID})
_SHAPES = (
    (Kind.UUID, re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)),
    (Kind.EMAIL, re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    (Kind.URL, re.compile(r"(?:https?|ftp|s3)://\S+|www\.\S+", re.IGNORECASE)),
    (Kind.BOOLEAN, re.compile(r"true|false|yes|no|[tfyn]", re.IGNORECASE)),
    (Kind.DATE, re.compile(r"\d{4}-\d\d?-\d\d?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}")),
    (Kind.MOMENT, re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*|\d{1,2}[/.]\d{1,2}[/.]\d{2,4} \d\d?:\d\d.*")),
    (Kind.TIME, re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?")),
    (Kind.YEAR, re.compile(r"(?:1[5-9]|20)\d\d")),
    (Kind.INTEGER, re.compile(r"[-+]?\d{1,18}")),
    (Kind.DECIMAL, re.compile(r"[-+]?\d*[.,]\d+(?:e[-+]?\d+)?", re.IGNORECASE)),
    (Kind.PHONE, re.compile(r"(?=(?:\D*\d){7,15}\D*$)[+(]?[\d\s().+/-]{7,25}(?:x\d+)?")),
)
# Words of types as databases, Arrow, JSON Schema, XML Schema, schema.org and HL7 write them.
_TYPE_WORDS = {
    Kind.BOOLEAN: "bool boolean bit flag",
    Kind.INTEGER: "int integer int8 int16 int32 int64 bigint smallint tinyint long short serial count nm si",
    Kind.YEAR: "year gyear",
    Kind.DECIMAL: "float float32 float64 double decimal numeric number real money quantity duration length distance cq",
    Kind.DATE: "date date32 date64 dt",
    Kind.MOMENT: "datetime timestamp instant moment dtm dr",
    Kind.TIME: "time time32 time64",
    Kind.URL: "url uri anyuri iri",
    Kind.EMAIL: "email",
    Kind.PHONE: "phone telephone",
    Kind.UUID: "uuid guid",
    Kind.TEXT: "string str text varchar char character utf8 object large langstring st",
    Kind.OBJECT: "struct map json jsonb list array",
}
_KIND_OF_WORD = {word: kind for kind, words in _TYPE_WORDS.items() for word in words.split()}
_FORMATS = {"date": Kind.DATE, "date-time": Kind.MOMENT, "time": Kind.TIME, "email": Kind.EMAIL, "uri": Kind.URL}
_FORMATS |= {"uuid": Kind.UUID, "idn-email": Kind.EMAIL, "iri": Kind.URL, "duration": Kind.TEXT}
# The last word of a property's name that says what it wants, whatever its type is called.
_NAME_WORDS = {
    Kind.DATE: "date birthday",
    Kind.MOMENT: "datetime timestamp",
    Kind.URL: "url uri homepage website link logo image photo",
    Kind.EMAIL: "email",
    Kind.PHONE: "phone telephone fax mobile",
    Kind.INTEGER: "count quantity age",
    Kind.YEAR: "year",
}
_KIND_OF_NAME = {word: kind for kind, words in _NAME_WORDS.items() for word in words.split()}


def kind_of_samples(samples: Sequence[str]) -> Kind:
    """The kind that at least four in five of the values have; UNKNOWN without values."""
    given = [each.strip() for each in samples if each.strip()]
    if not given:
        return Kind.UNKNOWN
    kind, often = Counter(map(_kind_of_value, given)).most_common(1)[0]
    return kind if often >= 0.8 * len(given) else Kind.TEXT


def _kind_of_value(value: str) -> Kind:
    return next((kind for kind, shape in _SHAPES if shape.fullmatch(value[:200])), Kind.TEXT)


def kind_of_column(column: SourceField) -> Kind:
    """By its values where they tell something, else by its type."""
    seen = kind_of_samples(column.samples)
    if seen not in (Kind.UNKNOWN, Kind.TEXT):
        return seen
    declared = _declared(column.type)
    # Text without values to look at may hold anything.
    return Kind.TEXT if seen is Kind.TEXT else Kind.UNKNOWN if declared == {Kind.TEXT} else _one(declared)


def _one(kinds: set[Kind]) -> Kind:
    return min(kinds) if len(kinds) == 1 else Kind.UNKNOWN


def _declared(type: str) -> set[Kind]:
    words = re.findall(r"[a-z]+\d*", type.lower())
    return {_KIND_OF_WORD[word] for word in words if word in _KIND_OF_WORD}


def kinds_of_property(wanted: TargetField) -> set[Kind]:
    """What a property may hold, by its format, its type and the end of its name; empty when nothing tells."""
    if wanted.format in _FORMATS:
        return {_FORMATS[wanted.format]}
    declared = _declared(wanted.type)
    if declared - {Kind.TEXT}:
        return declared
    named = _KIND_OF_NAME.get(segments(wanted.name)[-1][-1])
    return {named} if named else declared


def fit(has: Kind, wants: set[Kind]) -> float:
    """1 when the kinds agree on something telling, 0.3 for text, -1 when they contradict, 0 when nobody knows."""
    if has is Kind.UNKNOWN or not wants:
        return 0.0
    if has in wants:
        return 0.3 if has is Kind.TEXT else 1.0
    return max(_near(has, each) for each in wants)


def _near(has: Kind, wanted: Kind) -> float:
    if has is Kind.YEAR and wanted in DAYS:
        return 0.3
    if {has, wanted} <= NUMBERS or {has, wanted} <= DAYS or {has, wanted} == {Kind.MOMENT, Kind.TIME}:
        return 0.7
    if wanted is Kind.TEXT:
        return 0.0 if has in SPECIAL or has in NUMBERS else -0.3
    if Kind.TEXT in (has, wanted) or {has, wanted} == {Kind.INTEGER, Kind.BOOLEAN}:
        return -0.5
    return -0.7 if has in NUMBERS and wanted is Kind.PHONE else -1.0
