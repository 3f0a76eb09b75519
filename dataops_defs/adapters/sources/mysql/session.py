"""A connection to MySQL or MariaDB that only reads, sees one moment, and ends by itself."""

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any, NoReturn

import pymysql
from pymysql.constants import CR

from dataops_defs.adapters.hosts import addresses_of, connected
from dataops_defs.adapters.line import During, SocketLine, ended_after, line_of
from dataops_defs.domain.connections import MysqlConnection
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

CONNECT_SECONDS = 10.0
LOCK_SECONDS = 10
GRACE_SECONDS = 5.0
KILL_SECONDS = 2.0
DEFAULT_PORT = 3306
# Seconds a server waits for us to take rows; its own default of 60 is short for a sink that is busy.
WRITE_SECONDS = 600
# What our reading of SQL text relies on: no ANSI_QUOTES, no NO_BACKSLASH_ESCAPES, no ORACLE. Grouping stays as it is.
SQL_MODE = "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
GROUPING = "IF(FIND_IN_SET('ONLY_FULL_GROUP_BY', @@GLOBAL.sql_mode), ',ONLY_FULL_GROUP_BY', '')"
SETTINGS = f"""SET SESSION sql_mode = CONCAT('{SQL_MODE}', {GROUPING}), time_zone = '+00:00',
    lock_wait_timeout = %d, net_write_timeout = {WRITE_SECONDS}, sql_select_limit = %d"""
ALL_ROWS = 2**64 - 1
# Ways to log in that give the password away to whoever asks for it: only to a server that has proven who it is.
TRUSTING = ("mysql_clear_password", "dialog", "mysql_old_password")
# What the driver raises over answers that make no sense, or ask for files of ours.
NOT_AS_MYSQL = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, AssertionError, struct.error, OSError)
# Too many connections, out of memory or threads, shut down, killed by an operator, deadlocked, waited for a lock.
_LATER = frozenset({1037, 1038, 1040, 1041, 1053, 1077, 1135, 1152, 1184, 1203, 1205, 1213, 1226, 1317, 1927, 3169})
_LOST = frozenset({CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST})
# What MariaDB and MySQL say when max_statement_time and max_execution_time are over.
_TOO_LONG = frozenset({1969, 3024})


@dataclass
class Session:
    """A transaction under way, on its line. ``product`` is what the server calls itself."""

    connection: Any
    line: SocketLine
    seconds: float

    @property
    def product(self) -> str:
        """MariaDB or MySQL."""
        return "MariaDB" if "mariadb" in str(self.connection.get_server_info()).lower() else "MySQL"

    @property
    def version(self) -> str:
        """Such as 10.11.19."""
        return str(self.connection.get_server_info()).removeprefix("5.5.5-").partition("-")[0]

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the server says, and a lost connection, in the platform's words."""
        try:
            yield
        except pymysql.MySQLError as error:
            raise _query_error(error, self.product, self.seconds) from None


@contextmanager
def session(
    source: Source, seconds: float, *, during: During, most_rows: int = ALL_ROWS, listed: bool = True
) -> Iterator[Session]:
    """A read-only transaction on a fresh connection, closed afterwards.

    Args:
        seconds: longest time of a statement; the line is cut soon after.
        most_rows: of a query that has no LIMIT of its own.
        listed: an administrator named the host, which may then be this machine itself.
        during: may end what waits for the server.
    Raises:
        SourceUnavailable, SourceError: no connection, in the platform's words.
    """
    given = MysqlConnection.of({**source.connection, **source.secrets})
    with closing(_socket(given, listed)) as wire, line_of(wire) as line, during(line):
        with _handshake(given), ended_after(CONNECT_SECONDS, line.cut):
            made = Session(_greeted(given, wire), line, seconds)
        with closing(made.connection), ended_after(seconds + LOCK_SECONDS + GRACE_SECONDS, line.cut):
            with _handshake(given):
                _begin(made, most_rows)
            yield made


def kill(source: Source, thread_id: int, *, listed: bool = True) -> None:
    """End a connection's statement on the server, which would not notice before it has rows to send.

    Bounded in time, and nothing is raised: it is a courtesy to the server.
    """
    asking = Thread(target=_kill, args=(source, thread_id, listed), name="kill", daemon=True)
    asking.start()
    asking.join(KILL_SECONDS)


def _kill(source: Source, thread_id: int, listed: bool) -> None:
    given = MysqlConnection.of({**source.connection, **source.secrets})
    with (
        suppress(pymysql.MySQLError, SourceError, OSError),
        closing(_socket(given, listed)) as wire,
        line_of(wire) as line,
        ended_after(CONNECT_SECONDS, line.cut),
        closing(_greeted(given, wire)) as connection,
    ):
        connection.query(f"KILL {int(thread_id)}")


def _socket(given: MysqlConnection, listed: bool) -> socket.socket:
    if not given.host:
        raise Invalid.field("connection.host", "must be the name or address of one host")
    port = given.port or DEFAULT_PORT
    try:
        addresses = addresses_of(given.host, port, "connection.host", listed=listed, private=True)
        wire = connected(addresses, port, CONNECT_SECONDS)
    except SourceUnavailable:
        _unanswered(given, "no such host")
    except TimeoutError:
        _unanswered(given, "timed out")
    except OSError:
        _unanswered(given, "connection refused or cut")
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
        wire.setsockopt(socket.IPPROTO_TCP, option, value)
    return wire


def _greeted(given: MysqlConnection, wire: socket.socket) -> Any:
    """A connection on that socket. Neither multiple statements nor LOAD DATA LOCAL are spoken of to the server."""
    encryption: dict[str, Any] = {"ssl_disabled": True} if given.sslmode == "disable" else {}
    if given.sslmode in ("require", "verify-ca", "verify-full"):
        encryption = {"ssl": _certificates(given.sslmode)}
    connection = pymysql.Connection(
        host=given.host,
        port=given.port or DEFAULT_PORT,
        database=given.database,
        user=given.username or "root",
        password=(given.password or "").encode(),
        charset="utf8mb4",
        autocommit=None,
        local_infile=False,
        program_name="dataops",
        auth_plugin_map={} if given.sslmode.startswith("verify") else dict.fromkeys(TRUSTING, _Refuse),
        defer_connect=True,
        **encryption,
    )
    connection.connect(wire)
    return connection


class _Refuse:
    """In place of a way to log in."""

    def __init__(self, connection: Any) -> None:
        pass

    def authenticate(self, _packet: Any) -> NoReturn:
        raise pymysql.OperationalError(
            CR.CR_AUTH_PLUGIN_CANNOT_LOAD,
            "the login's authentication method would give its password away; use sslmode verify-full",
        )


def _certificates(sslmode: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Certificates that MySQL makes for itself are not that strict.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = sslmode == "verify-full"
    context.verify_mode = ssl.CERT_NONE if sslmode == "require" else ssl.CERT_REQUIRED
    return context


def _begin(made: Session, most_rows: int) -> None:
    if made.product == "MariaDB":
        limit = f"max_statement_time = {made.seconds:f}"
    else:
        limit = f"max_execution_time = {max(int(made.seconds * 1000), 1)}"
    for statement in (
        f"{SETTINGS % (LOCK_SECONDS, most_rows)}, {limit}",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ):
        made.connection.query(statement)


@contextmanager
def _handshake(given: MysqlConnection) -> Iterator[None]:
    began = time.monotonic()
    place = f"MySQL at {given.host}:{given.port or DEFAULT_PORT}"
    try:
        yield
    except pymysql.MySQLError as error:
        code, said = _told(error)
        hidden = getattr(error, "original_exception", None)
        if isinstance(hidden, ssl.SSLCertVerificationError):
            raise SourceError(f"{place}: its certificate is not trusted: {hidden.verify_message}") from None
        no_tls = isinstance(hidden, ssl.SSLError) and not isinstance(hidden, ssl.SSLEOFError)
        if no_tls or code == CR.CR_SSL_CONNECTION_ERROR:
            raise SourceError(f"{place}: the TLS mode asked for is not possible") from None
        if code in _LOST or code == CR.CR_CONN_HOST_ERROR:
            _unanswered(given, "timed out" if time.monotonic() - began >= CONNECT_SECONDS else "connection cut")
        raise (SourceUnavailable if code in _LATER else SourceError)(f"{place} refused: {said}") from None
    except NOT_AS_MYSQL:
        raise SourceUnavailable(f"{place} did not answer as MySQL does") from None


def _unanswered(given: MysqlConnection, reason: str) -> NoReturn:
    place = f"{given.host}:{given.port or DEFAULT_PORT}"
    raise SourceUnavailable(f"MySQL at {place} did not answer: {reason}") from None


def _query_error(error: pymysql.MySQLError, product: str, seconds: float) -> SourceError:
    code, said = _told(error)
    if code in _TOO_LONG:
        return SourceError(f"the query was ended: it ran longer than {seconds:g} s")
    if code in _LOST or isinstance(error, pymysql.InterfaceError):
        return SourceUnavailable(f"the connection to {product} was lost")
    if code in _LATER:
        return SourceUnavailable(f"{product}: {said}")
    return SourceError(f"{product}: {said}")


def _told(error: pymysql.MySQLError) -> tuple[int, str]:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return code, str(error.args[1] if len(error.args) > 1 else error)
