"""A source: where data comes from, and which of its settings are secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dataops_defs.errors import FieldProblem, Invalid


class SourceType(StrEnum):
    """Kinds of sources the platform can open today."""

    POSTGRES = "postgres"
    CSV = "csv"
    EXCEL = "excel"


DOCUMENTED_TYPES = ("postgres", "mysql", "excel", "csv", "s3", "api")

SECRET_FIELDS = frozenset({"password", "token"})

CONNECTION_FIELDS: dict[SourceType, dict[str, type]] = {
    SourceType.POSTGRES: {
        "host": str,
        "port": int,
        "database": str,
        "username": str,
        "password": str,
        "sslmode": str,
    },
    SourceType.CSV: {"path": str, "delimiter": str, "encoding": str},
    SourceType.EXCEL: {"path": str},
}
REQUIRED_FIELDS: dict[SourceType, tuple[str, ...]] = {
    SourceType.POSTGRES: ("host", "database"),
    SourceType.CSV: ("path",),
    SourceType.EXCEL: ("path",),
}
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
MAX_TEXT = 1024


@dataclass(frozen=True)
class Source:
    """A source with its secrets in the clear: made only where a connection is opened, never printed."""

    id: str
    name: str
    slug: str
    type: SourceType
    app: str
    connection: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def source_type(value: str) -> SourceType:
    """The type by its documented word; Invalid names those that are known and those that are not yet served."""
    try:
        return SourceType(value)
    except ValueError:
        known = ", ".join(SourceType)
        later = " is documented but not served yet;" if value in DOCUMENTED_TYPES else " is no source type;"
        raise Invalid.field("type", f"'{value[:50]}'{later} use one of: {known}") from None


def check_connection(kind: SourceType, connection: Mapping[str, Any]) -> None:
    """Refuse unknown, ill-typed, missing or dangerous connection settings.

    Host, user and database names take no connection parameters and no unix sockets (SAFETY, section 6).

    Raises:
        Invalid: with one problem per field, named ``connection.<field>``.
    """
    known = CONNECTION_FIELDS[kind]
    problems = [
        FieldProblem(f"connection.{name}", f"is not a setting of a {kind} source; known: {', '.join(known)}")
        for name in connection
        if name not in known
    ]
    problems += [
        FieldProblem(f"connection.{name}", "is required")
        for name in REQUIRED_FIELDS[kind]
        if connection.get(name) in (None, "")
    ]
    for name, value in connection.items():
        if name in known and value is not None and (reason := _value_problem(name, value, known[name])):
            problems.append(FieldProblem(f"connection.{name}", reason))
    if problems:
        first = problems[0]
        raise Invalid(f"{first.field}: {first.message}", problems)


def _value_problem(name: str, value: object, wanted: type) -> str | None:
    if isinstance(value, bool) or not isinstance(value, wanted):
        return f"must be {'a whole number' if wanted is int else 'text'}"
    if isinstance(value, int):
        return None if 1 <= value <= 65535 else "must lie between 1 and 65535"
    text = str(value)
    if len(text) > MAX_TEXT:
        return f"must not be longer than {MAX_TEXT} characters"
    if any(ord(character) < 32 for character in text) and name != "delimiter":
        return "must not hold control characters"
    if name == "sslmode" and text not in SSL_MODES:
        return f"must be one of: {', '.join(SSL_MODES)}"
    if name in ("host", "database", "username") and any(mark in text for mark in "=/\\'\" "):
        return "must be a plain name, without blanks, quotes, slashes or connection parameters"
    if name == "delimiter" and len(text) != 1:
        return "must be one character"
    return None


def split_secrets(connection: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings that may be shown, and those that may not."""
    shown = {name: value for name, value in connection.items() if name not in SECRET_FIELDS}
    hidden = {name: str(value) for name, value in connection.items() if name in SECRET_FIELDS and value is not None}
    return shown, hidden
