"""What a connection of each kind of source is made of: a class for each kind, whose fields are its settings.

Source: document 004, interface ``DataSource``. In requests and answers the names are camelCase, as printed there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, Self

from dataops_defs.domain.secret import Server, refers, why_no_reference
from dataops_defs.errors import FieldProblem, Invalid

MAX_TEXT = 1024
MAX_KEY = 16_384
MAX_HEADERS = 50
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
USUAL_PORTS = {"http": 80, "https": 443, "sftp": 22, "smb": 445, "webdav": 80, "webdavs": 443}
AUTH_TYPES = ("none", "bearer", "apikey")
KEY_PLACES = ("header", "query")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What the client says of a request itself.
RESERVED_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "accept-encoding"}
# What a header's name says of its value. Such a value must be sealed, and headers are shown.
CREDENTIAL = re.compile(r"auth|token|secret|cookie|passw|credential|signature|api-?_?key", re.IGNORECASE)

Check = Callable[[Any], str | None]


def text(value: object) -> str | None:
    """Why this is no setting of one line."""
    if not isinstance(value, str):
        return "must be text"
    if len(value) > MAX_TEXT:
        return f"must not be longer than {MAX_TEXT} characters"
    return "must not hold control characters" if any(ord(each) < 32 for each in value) else None


def plain_name(value: object) -> str | None:
    """Why this is no name of a host, user or database. Source: SAFETY design, section 6."""
    if problem := text(value):
        return problem
    if any(mark in str(value) for mark in "=/\\'\" "):
        return "must be a plain name, without blanks, quotes, slashes or connection parameters"
    return None


def port(value: object) -> str | None:
    """Why this is no port."""
    if isinstance(value, bool) or not isinstance(value, int):
        return "must be a whole number"
    return None if 1 <= value <= 65535 else "must lie between 1 and 65535"


def one_character(value: object) -> str | None:
    """Why this is no delimiter; a tab is one."""
    return None if isinstance(value, str) and len(value) == 1 else "must be one character"


def yes_or_no(value: object) -> str | None:
    """Why this is no yes and no no."""
    return None if isinstance(value, bool) else "must be true or false"


def private_key(value: object) -> str | None:
    """Why this is no key as OpenSSH writes it, on several lines."""
    if not isinstance(value, str) or len(value) > MAX_KEY or "PRIVATE KEY" not in value:
        return "must be a private key in PEM form"
    return None


def one_of(*words: str) -> Check:
    """A check for one of these words."""
    return lambda value: None if value in words else f"must be one of: {', '.join(words)}"


def http_url(value: object) -> str | None:
    """Why this is no address of an HTTP server."""
    if problem := text(value):
        return problem
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", str(value)):
        return "must begin with http:// or https://, without a user, a query or a fragment"
    return None


def headers(value: object) -> str | None:
    """Why these are no headers that may be sent with every request, and shown."""
    if not isinstance(value, dict) or len(value) > MAX_HEADERS:
        return f"must be an object of at most {MAX_HEADERS} names and texts"
    for name, content in value.items():
        if not HEADER_NAME.fullmatch(name):
            return f"'{name[:50]}' is no name of a header"
        if name.lower() in RESERVED_HEADERS:
            return f"'{name}' cannot be given: it follows from the request"
        if problem := text(content):
            return f"'{name}' {problem}"
        if not content.isascii():
            return f"'{name}' must be ASCII"
        if CREDENTIAL.search(name):
            return f"'{name}' looks like a credential, which is never shown: give it as token, with its authType"
    return None


def setting(
    check: Check, *, default: Any = None, required: bool = False, secret: bool = False, place: bool = False
) -> Any:
    """A field of a connection.

    Args:
        secret: sealed, and never shown.
        place: where secrets are sent; who changes it has to give them again.
    """
    metadata = {"check": check, "required": required, "secret": secret, "place": place}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Connection:
    """Settings of a connection, in order."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The typed form of settings that were checked before; what is not given has its default."""
        values = {each.name: given[_printed(each)] for each in fields(cls) if given.get(_printed(each)) is not None}
        return cls(**values)

    @classmethod
    def names(cls, kind: str | None = None) -> tuple[str, ...]:
        """Settings by their printed names; of one ``kind`` only: ``secret``, ``place`` or ``required``."""
        return tuple(_printed(each) for each in fields(cls) if kind is None or each.metadata[kind])

    @classmethod
    def check(cls, kind: str, given: Mapping[str, Any]) -> None:
        """Refuse settings that are unknown, missing, ill-typed or dangerous.

        Raises:
            Invalid: with one problem for each field, named ``connection.<field>``.
        """
        known = {_printed(each): each for each in fields(cls)}
        problems = [
            FieldProblem(f"connection.{name}", f"is not a setting of a {kind} source; known: {', '.join(known)}")
            for name in given
            if name not in known
        ]
        problems += [
            FieldProblem(f"connection.{name}", "is required")
            for name in cls.names("required")
            if given.get(name) in (None, "")
        ]
        for name, value in given.items():
            if name in known and value is not None and (reason := _why_not(known[name], value)):
                problems.append(FieldProblem(f"connection.{name}", reason))
        problems += cls._contradictions(given) if not problems else []
        if problems:
            first = problems[0]
            raise Invalid(f"{first.field}: {first.message}", problems)

    @property
    def server(self) -> Server | None:
        """Where its secrets are sent; None where that is nobody, or cannot be told for sure."""
        return None

    @classmethod
    def _contradictions(cls, given: Mapping[str, Any]) -> list[FieldProblem]:
        """What does not go together, of settings that are in order each by itself."""
        return []


@dataclass(frozen=True)
class DatabaseConnection(Connection):
    """A server that speaks SQL."""

    host: str = setting(plain_name, default="", required=True, place=True)
    port: int | None = setting(port, place=True)
    database: str = setting(plain_name, default="", required=True)
    username: str | None = setting(plain_name)
    password: str | None = setting(text, secret=True)
    sslmode: str = setting(one_of(*SSL_MODES), default="prefer", place=True)
    usual_port: ClassVar[int] = 5432

    @property
    def server(self) -> Server | None:
        """The database's."""
        return Server.of(f"[{self.host}]" if ":" in self.host else self.host, self.port or self.usual_port)


@dataclass(frozen=True)
class PostgresConnection(DatabaseConnection):
    """A PostgreSQL database; the port is 5432 when it is left out."""


@dataclass(frozen=True)
class MysqlConnection(DatabaseConnection):
    """A MySQL or MariaDB database; the port is 3306 when it is left out."""

    usual_port: ClassVar[int] = 3306


@dataclass(frozen=True)
class FileConnection(Connection):
    """A file or a folder: a path below the platform's roots, or ``sftp://``, ``smb://``, ``webdav://``, ``webdavs://``.

    ``hostKey`` is the key that an SFTP server must show, as it stands in ``known_hosts``.
    """

    path: str = setting(text, default="", required=True, place=True)
    username: str | None = setting(text)
    password: str | None = setting(text, secret=True)
    private_key: str | None = setting(private_key, secret=True)
    host_key: str | None = setting(text, place=True)

    @property
    def server(self) -> Server | None:
        """That of the address; a local path has none."""
        return _server_of(self.path)


@dataclass(frozen=True)
class CsvConnection(FileConnection):
    """Text files; how they are written is found out where it is not said."""

    delimiter: str | None = setting(one_character)
    encoding: str | None = setting(text)
    has_header: bool | None = setting(yes_or_no)


@dataclass(frozen=True)
class ExcelConnection(FileConnection):
    """Workbooks."""

    has_header: bool | None = setting(yes_or_no)


@dataclass(frozen=True)
class S3Connection(Connection):
    """A bucket, on AWS or at ``endpoint``. Without an access key the process's own credentials are used."""

    bucket: str = setting(text, default="", required=True)
    region: str | None = setting(plain_name, place=True)
    prefix: str = setting(text, default="")
    endpoint: str | None = setting(http_url, place=True)
    access_key_id: str | None = setting(plain_name)
    secret_access_key: str | None = setting(text, secret=True)
    session_token: str | None = setting(text, secret=True)

    @property
    def server(self) -> Server | None:
        """That of the endpoint; AWS's own, in any region, is ``amazonaws.com``."""
        return _server_of(self.endpoint) if self.endpoint else Server("amazonaws.com", 443)

    @classmethod
    def _contradictions(cls, given: Mapping[str, Any]) -> list[FieldProblem]:
        missing = {"accessKeyId", "secretAccessKey"} - set(given)
        if len(missing) == 1:
            [name] = missing
            return [FieldProblem(f"connection.{name}", "belongs to the other half of the access key; give both")]
        return []


@dataclass(frozen=True)
class ApiConnection(Connection):
    """A REST API: ``endpoint`` is its base, below which the datasets' own endpoints lie."""

    endpoint: str = setting(http_url, default="", required=True, place=True)
    headers: Mapping[str, str] | None = setting(headers)
    auth_type: str = setting(one_of(*AUTH_TYPES), default="none")
    token: str | None = setting(text, secret=True)
    api_key_name: str = setting(text, default="X-API-Key", place=True)
    api_key_in: str = setting(one_of(*KEY_PLACES), default="header", place=True)

    @property
    def server(self) -> Server | None:
        """That of the endpoint."""
        return _server_of(self.endpoint)

    @classmethod
    def _contradictions(cls, given: Mapping[str, Any]) -> list[FieldProblem]:
        wanted = given.get("authType", "none") != "none"
        if wanted and not given.get("token"):
            return [FieldProblem("connection.token", f"is required for authType '{given['authType']}'")]
        if not wanted and given.get("token"):
            return [FieldProblem("connection.authType", "says how the token is sent: bearer or apikey")]
        name = given.get("apiKeyName") or cls.api_key_name
        if given.get("apiKeyIn") != "query" and (not HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS):
            return [FieldProblem("connection.apiKeyName", "must be the name of a header of its own")]
        if wanted and not str(given["token"]).isascii():
            return [FieldProblem("connection.token", "must be ASCII")]
        return []


def _why_not(each: "Field[Any]", value: object) -> str | None:
    """Why a value cannot be this setting's. What a secret holds is looked at when it is opened."""
    if each.metadata["secret"] and isinstance(value, str) and refers(value):
        return why_no_reference(value)
    reason: str | None = each.metadata["check"](value)
    return reason


def _server_of(address: str) -> Server | None:
    scheme, slashes, rest = address.partition("://")
    return Server.of(rest.partition("/")[0], USUAL_PORTS.get(scheme.lower())) if slashes else None


def _printed(each: "Field[Any]") -> str:
    first, *rest = each.name.split("_")
    return first + "".join(word.capitalize() for word in rest)
