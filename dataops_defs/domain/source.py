"""A source: where data comes from, and which of its settings are secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dataops_defs.domain.connections import (
    ApiConnection,
    Connection,
    CsvConnection,
    ExcelConnection,
    MysqlConnection,
    PostgresConnection,
    S3Connection,
)
from dataops_defs.domain.secret import PREFIX, refers
from dataops_defs.errors import Invalid


class SourceType(StrEnum):
    """Kinds of sources. Source: document 004, interface ``DataSource``."""

    POSTGRES = "postgres"
    MYSQL = "mysql"
    EXCEL = "excel"
    CSV = "csv"
    S3 = "s3"
    API = "api"


CONNECTIONS: Mapping[SourceType, type[Connection]] = {
    SourceType.POSTGRES: PostgresConnection,
    SourceType.MYSQL: MysqlConnection,
    SourceType.EXCEL: ExcelConnection,
    SourceType.CSV: CsvConnection,
    SourceType.S3: S3Connection,
    SourceType.API: ApiConnection,
}
SECRET_FIELDS = frozenset(name for each in CONNECTIONS.values() for name in each.names("secret"))


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
    """The type by its documented word.

    Raises:
        Invalid: there is none of that name.
    """
    try:
        return SourceType(value)
    except ValueError:
        known = ", ".join(SourceType)
        raise Invalid.field("type", f"'{value[:50]}' is no source type; use one of: {known}") from None


def check_connection(kind: SourceType, connection: Mapping[str, Any]) -> None:
    """Refuse unknown, ill-typed, missing or dangerous connection settings.

    Raises:
        Invalid: with one problem per field, named ``connection.<field>``.
    """
    CONNECTIONS[kind].check(kind, connection)


def references_of(connection: Mapping[str, Any]) -> dict[str, str]:
    """Which settings of a connection, in order, are secrets by name: the names, by setting."""
    named = {name: value for name, value in connection.items() if name in SECRET_FIELDS and refers(value)}
    return {name: str(value).removeprefix(PREFIX) for name, value in named.items()}


def split_secrets(connection: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings that may be shown, and those that may not."""
    shown = {name: value for name, value in connection.items() if name not in SECRET_FIELDS}
    hidden = {name: str(value) for name, value in connection.items() if name in SECRET_FIELDS and value is not None}
    return shown, hidden
