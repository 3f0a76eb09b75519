"""PostgreSQL as a source: a guarded query, read-only, on a connection of its own."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2
import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql

from dataops_defs.adapters.hosts import addresses_of
from dataops_defs.adapters.line import During, ended_after, line_of
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.postgres.changes import keys_of, moment_of, rows_since, text_numbers
from dataops_defs.adapters.sources.postgres.copy import CopyStream
from dataops_defs.adapters.sources.postgres.describe import alias, derived, describe, prove_numerics, sql_columns
from dataops_defs.adapters.sources.postgres.types import PgColumn, schema_of
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.etl import SqlColumn
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.incremental import Mark
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

DEFAULT_PORT = 5432
CONNECT_SECONDS = 10
TEST_SECONDS = 10
PREVIEW_SECONDS = 10
READ_SECONDS = 3600
LOCK_SECONDS = 10
GRACE_SECONDS = 5
_SAID_BY_SERVER = re.compile(r"(?:FATAL|ERROR|PANIC):\s+(.+)")
_LATER = re.compile(r"starting up|shutting down|too many (?:clients|connections)|recovery mode|remaining connection")
# What libpq says when it has no memory for a row; the line is of no use then.
_NO_MEMORY = re.compile(r"out of memory|cannot allocate memory")
# Standby conflict, connection lost, out of resources, shut down by an operator.
_LATER_CODES = ("40001", "08", "53", "57P")
# A server ends the statement of a client that is gone within two seconds, if it can look for that (PostgreSQL 14).
LOOK_FOR_THE_CLIENT = """DO $$ BEGIN SET client_connection_check_interval = '2s';
EXCEPTION WHEN OTHERS THEN NULL; END $$"""


class MissingTable(SourceError):
    """The query reads what is not there."""


class Locked(SourceUnavailable):
    """Somebody holds a lock on what the query reads."""


@dataclass(frozen=True)
class PostgresSource:
    """A PostgreSQL database. ``read_seconds`` and ``preview_seconds`` bound one statement, and ``during`` may end it.

    Unless it is ``listed``, the host must not be this machine itself.

    Types are exact: numeric(p, s) becomes a decimal of those digits. A numeric without limits is proven by its
    values, with one more query in the same snapshot; give it limits with a cast to spare that. It becomes text
    where a value is NaN or needs more than 38 digits; those of ``as_text`` are read as text in any case.
    An interval is text, or with ``spans`` a span of time.

    A row with a value that its type cannot keep (infinity or BC among dates, NaN in a numeric(p, s), months in a span)
    is set aside in ``Reading.rejected``; a preview shows it as it is.
    """

    source: Source
    allowed_functions: frozenset[str] = field(default=frozenset())
    read_seconds: float = READ_SECONDS
    preview_seconds: float = PREVIEW_SECONDS
    during: During = nullcontext
    listed: bool = True
    as_text: frozenset[str] = field(default=frozenset())
    spans: bool = False

    def test(self) -> str:
        """Connect and ask for the version."""
        with self._transaction(TEST_SECONDS) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = str(cursor.fetchone()[0]).split()[0]
        return f"PostgreSQL {version} answered in database {self.source.connection['database']}"

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first ``limit`` rows of the query, in the types that ``read`` gives."""
        query = f"SELECT * FROM ({self._checked(extraction)}) AS preview LIMIT {int(limit) + 1}"  # noqa: S608 - guarded
        with self._opened(query, self.preview_seconds) as reading:
            return preview_of(reading.schema, reading.batches, limit, reading.rejected)

    def columns(self, extraction: Extraction) -> list[SqlColumn]:
        """The columns of the query's result with their types in PostgreSQL's words; nothing is read."""
        query = self._checked(extraction)
        with self._transaction(self.preview_seconds) as connection:
            return sql_columns(connection, query)

    def read(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """All rows of the query, seen at one moment; memory stays flat."""
        return self._opened(self._checked(extraction), self.read_seconds)

    @contextmanager
    def changes(self, extraction: Extraction, since: Mark | None) -> Iterator[Reading]:
        """The rows from the mark on, and those without a cursor, seen at one moment by the server's clock."""
        query, wanted = self._checked(extraction), extraction.by_cursor
        with self._transaction(self.read_seconds) as connection:
            moment = moment_of(connection)
            chosen = rows_since(connection, query, describe(connection, query), wanted.cursor_column, since)
            with _reading(connection, chosen, self.read_seconds) as reading:
                yield replace(reading, moment=moment)

    @contextmanager
    def keys(self, extraction: Extraction) -> Iterator[Reading]:
        """The key columns of all rows."""
        query, wanted = self._checked(extraction), extraction.by_cursor
        with (
            self._transaction(self.read_seconds) as connection,
            _reading(connection, keys_of(connection, query, wanted.key_columns), self.read_seconds) as reading,
        ):
            yield reading

    def session(self, seconds: float) -> AbstractContextManager[Any]:
        """A read-only transaction that sees one moment and prints values exactly, in UTC; a statement is bounded."""
        return self._transaction(seconds)

    def _checked(self, extraction: Extraction) -> str:
        return check_query(extraction.query or "", allowed_functions=self.allowed_functions)

    @contextmanager
    def _opened(self, query: str, seconds: float) -> Iterator[Reading]:
        with (
            self._transaction(seconds) as connection,
            _reading(connection, query, seconds, self.as_text, spans=self.spans) as reading,
        ):
            yield reading

    @contextmanager
    def _transaction(self, seconds: float) -> Iterator[Any]:
        """A read-only transaction on a fresh connection, closed afterwards; errors in the platform's words."""
        connection = self._connect()
        longest = 3 * seconds + GRACE_SECONDS
        with (
            closing(connection),
            _errors(seconds),
            line_of(connection) as line,
            ended_after(longest, line.cut),
            self.during(line),
        ):
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as cursor:
                cursor.execute(LOOK_FOR_THE_CLIENT)
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),"
                    " set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),"
                    " set_config('IntervalStyle', 'postgres', true), set_config('bytea_output', 'hex', true),"
                    " set_config('extra_float_digits', '1', true)",
                    (f"{int(seconds * 1000)}ms", f"{LOCK_SECONDS}s"),
                )
            yield connection

    def _connect(self) -> Any:
        given = self.source.connection
        host, port = str(given["host"]), int(given.get("port") or DEFAULT_PORT)
        # libpq takes a list of hosts, and names of sockets, where it expects a host.
        if not host or host.startswith(("/", "@")) or "," in host:
            raise Invalid.field("connection.host", "must be the name or address of one host")
        try:
            addresses = addresses_of(host, port, "connection.host", listed=self.listed, private=True)
        except SourceUnavailable:
            raise SourceUnavailable(f"PostgreSQL at {host}:{port} did not answer: no such host") from None
        try:
            return psycopg2.connect(
                host=",".join([host] * len(addresses)),
                hostaddr=",".join(addresses),
                port=port,
                dbname=str(given["database"]),
                user=str(given.get("username") or "postgres"),
                # Empty, not left out: libpq would take the password of this process from its environment.
                password=self.source.secrets.get("password", ""),
                passfile="/dev/null",
                sslmode=str(given.get("sslmode") or "prefer"),
                gssencmode="disable",
                connect_timeout=CONNECT_SECONDS,
                application_name="dataops",
                client_encoding="UTF8",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg2.OperationalError as error:
            raise _connect_error(str(error), host, port) from None
        except UnicodeDecodeError:
            raise SourceError(f"PostgreSQL at {host}:{port} refused the connection") from None


@contextmanager
def _reading(
    connection: Any, query: str, seconds: float, as_text: frozenset[str] = frozenset(), *, spans: bool = False
) -> Iterator[Reading]:
    described = describe(connection, query)
    wanted = [replace(each, as_text=each.name in as_text, as_span=spans) for each in described]
    columns = prove_numerics(connection, query, wanted)
    schema = schema_of(columns)
    with closing(CopyStream(connection, _copy_statement(connection, query, columns), schema)) as stream:
        batches = _translated(stream.batches(), seconds)
        yield Reading(schema, batches, stream.rejected, text_numbers=text_numbers(columns))


def _copy_statement(connection: Any, query: str, columns: Sequence[PgColumn]) -> str:
    selected = sql.SQL(", ").join(each.selected(alias(index)) for index, each in enumerate(columns))
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)")
    return str(statement.format(selected, derived(query, len(columns))).as_string(connection))


def _translated(batches: Iterator[pa.RecordBatch], seconds: float) -> Iterator[pa.RecordBatch]:
    with _errors(seconds):
        yield from batches


@contextmanager
def _errors(seconds: float) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise _query_error(error, seconds) from None


def _query_error(error: psycopg2.Error, seconds: float) -> Exception:
    code = error.pgcode or ""
    said = error.diag.message_primary
    if isinstance(error, psycopg2.errors.LockNotAvailable):
        return Locked("PostgreSQL: somebody has locked what is to be read; try again shortly")
    if isinstance(error, psycopg2.errors.UndefinedTable):
        return MissingTable(f"PostgreSQL: {said}")
    if code == "57014":
        return SourceError(f"the query was ended: it ran longer than {seconds:g} s")
    if not code and _NO_MEMORY.search(str(error)):
        return MemoryError()
    if not code or said is None:
        return SourceUnavailable("the connection to PostgreSQL was lost")
    if code.startswith(_LATER_CODES):
        return SourceUnavailable(f"PostgreSQL: {said}")
    return SourceError(f"PostgreSQL: {said}")


def _connect_error(message: str, host: str, port: int) -> SourceError:
    said = _SAID_BY_SERVER.search(message)
    if said and not _LATER.search(said[1]):
        return SourceError(f"PostgreSQL at {host}:{port} refused: {said[1]}")
    if "SSL" in message and "timeout" not in message:
        return SourceError(f"PostgreSQL at {host}:{port}: the TLS mode asked for is not possible")
    reason = said[1] if said else "timed out" if "timeout expired" in message else "connection refused or cut"
    return SourceUnavailable(f"PostgreSQL at {host}:{port} did not answer: {reason}")
