"""SQL types that a column of an import may be given, and how types are printed. Source: document 000, `data_types`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dataops_defs.errors import FieldProblem, Invalid

MAX_LENGTH = 10_485_760
MAX_DIGITS = 38
MAX_TYPE_TEXT = 80

VARCHAR, CHAR, TEXT = "character varying", "character", "text"
SMALLINT, INTEGER, BIGINT, NUMERIC = "smallint", "integer", "bigint", "numeric"
REAL, DOUBLE, BOOLEAN = "real", "double precision", "boolean"
DATE, TIME = "date", "time without time zone"
TIMESTAMP, TIMESTAMPTZ = "timestamp without time zone", "timestamp with time zone"
UUID, JSON, JSONB, BYTEA = "uuid", "json", "jsonb", "bytea"

_WORDS: dict[str, str] = {
    "VARCHAR": VARCHAR,
    "CHARACTER VARYING": VARCHAR,
    "CHAR": CHAR,
    "CHARACTER": CHAR,
    "TEXT": TEXT,
    "SMALLINT": SMALLINT,
    "INT2": SMALLINT,
    "INTEGER": INTEGER,
    "INT": INTEGER,
    "INT4": INTEGER,
    "BIGINT": BIGINT,
    "INT8": BIGINT,
    "NUMERIC": NUMERIC,
    "DECIMAL": NUMERIC,
    "REAL": REAL,
    "FLOAT4": REAL,
    "FLOAT": DOUBLE,
    "FLOAT8": DOUBLE,
    "DOUBLE PRECISION": DOUBLE,
    "BOOLEAN": BOOLEAN,
    "BOOL": BOOLEAN,
    "DATE": DATE,
    "TIME": TIME,
    "TIMESTAMP": TIMESTAMP,
    "DATETIME": TIMESTAMP,
    "TIMESTAMP WITHOUT TIME ZONE": TIMESTAMP,
    "TIMESTAMPTZ": TIMESTAMPTZ,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
    "UUID": UUID,
    "JSON": JSON,
    "JSONB": JSONB,
}
_PRINTED = {
    VARCHAR: "VARCHAR",
    CHAR: "CHAR",
    TIME: "TIME",
    TIMESTAMP: "TIMESTAMP",
    TIMESTAMPTZ: "TIMESTAMPTZ",
}
_FORM = re.compile(r"([a-z][a-z0-9 ]*?)\s*(?:\(\s*(\d{1,8})\s*(?:,\s*(\d{1,4})\s*)?\))?", re.IGNORECASE | re.ASCII)
_STORED = re.compile(r"([a-z ]+?)(\(.*\))?((?:\[\])?)")


@dataclass(frozen=True)
class SqlType:
    """A type by the name that PostgreSQL itself gives it, and what stands in its brackets."""

    name: str
    parameters: tuple[int, ...] = ()

    @property
    def declared(self) -> str:
        """As PostgreSQL's ``format_type`` writes it."""
        return self.name + (f"({','.join(map(str, self.parameters))})" if self.parameters else "")

    @property
    def printed(self) -> str:
        """As answers print it."""
        return printed_type(self.declared)

    @property
    def length(self) -> int | None:
        """Characters at most, of a text that is bounded."""
        return self.parameters[0] if self.name in (VARCHAR, CHAR) and self.parameters else None


def sql_types(given: Mapping[str, str], field: str = "data_types") -> dict[str, SqlType]:
    """The types that a request names for columns.

    Raises:
        Invalid: naming each column whose type is not served.
    """
    found, problems = {}, []
    for column, text in given.items():
        try:
            found[column] = sql_type_of(text)
        except ValueError as error:
            problems.append(FieldProblem(f"{field}.{column[:60]}", str(error)))
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
    return found


def sql_type_of(text: str) -> SqlType:
    """The type of a text such as ``VARCHAR(50)``; ValueError, in a sentence, for what is not served."""
    matched = _FORM.fullmatch(text.strip()) if len(text) <= MAX_TYPE_TEXT else None
    name = _WORDS.get(" ".join(matched[1].upper().split())) if matched else None
    if matched is None or name is None:
        raise ValueError(f"'{text[:40]}' is no type that an import gives; such are {', '.join(sorted(_SHOWN))}")
    numbers = tuple(int(each) for each in matched.groups()[1:] if each is not None)
    return SqlType(name, _parameters(name, numbers))


def stored_type(printed: str) -> SqlType:
    """The type of a column that there is, from how answers print it: also one that no request may name."""
    try:
        return sql_type_of(printed)
    except ValueError:
        name, _, numbers = printed.lower().partition("(")
        found = tuple(int(each) for each in numbers.rstrip(")").split(",") if each.strip().isdigit())
        return SqlType(name, found if name == NUMERIC else ())


def _parameters(name: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
    if name in (VARCHAR, CHAR):
        if len(numbers) > 1 or (numbers and not 1 <= numbers[0] <= MAX_LENGTH):
            raise ValueError(f"a text's length is a number from 1 to {MAX_LENGTH}")
        return numbers or ((1,) if name == CHAR else ())
    if name == NUMERIC and numbers:
        precision, scale = (*numbers, 0)[:2]
        if not 1 <= precision <= MAX_DIGITS or scale > precision:
            raise ValueError(f"a decimal has 1 to {MAX_DIGITS} digits, and no more than that behind the point")
        return precision, scale
    if numbers:
        raise ValueError("only VARCHAR, CHAR and NUMERIC take numbers in brackets")
    return ()


def printed_type(declared: str) -> str:
    """A type as answers print it, from PostgreSQL's ``format_type``: ``character varying(50)`` is ``VARCHAR(50)``."""
    matched = _STORED.fullmatch(declared)
    if matched is None:
        return declared.upper()
    return f"{_PRINTED.get(matched[1], matched[1].upper())}{matched[2] or ''}{matched[3]}"


_SHOWN = {_PRINTED.get(name, name.upper()) for name in _WORDS.values()}
