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

from dataops_defs.adapters.line import During, ended_after, line_of
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.postgres.copy import CopyStream
from dataops_defs.adapters.sources.postgres.types import NUMERIC, PgColumn, numeric_digits, schema_of
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.etl import SqlColumn
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.source import Source
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

CONNECT_SECONDS = 10
# varchar and char; a modifier counts the header of such a value too.
LIMITED_TEXTS = (1042, 1043)
MODIFIER_OFFSET = 4
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


@dataclass(frozen=True)
class PostgresSource:
    """A PostgreSQL database. ``read_seconds`` and ``preview_seconds`` bound one statement, and ``during`` may end it.

    Types are exact: numeric(p, s) becomes a decimal of those digits. A numeric without limits is proven by its
    values, with one more query in the same snapshot; give it limits with a cast to spare that. It becomes text
    where a value is NaN or needs more than 38 digits.
    """

    source: Source
    allowed_functions: frozenset[str] = field(default=frozenset())
    read_seconds: float = READ_SECONDS
    preview_seconds: float = PREVIEW_SECONDS
    during: During = nullcontext

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
            return preview_of(reading.schema, reading.batches, limit)

    def columns(self, extraction: Extraction) -> list[SqlColumn]:
        """The columns of the query's result with their types in PostgreSQL's words; nothing is read."""
        query = self._checked(extraction)
        with self._transaction(self.preview_seconds) as connection:
            return _sql_columns(connection, query)

    def read(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """All rows of the query, seen at one moment; memory stays flat."""
        return self._opened(self._checked(extraction), self.read_seconds)

    def session(self, seconds: float) -> AbstractContextManager[Any]:
        """A read-only transaction that sees one moment and prints values exactly, in UTC; a statement is bounded."""
        return self._transaction(seconds)

    def _checked(self, extraction: Extraction) -> str:
        return check_query(extraction.query or "", allowed_functions=self.allowed_functions)

    @contextmanager
    def _opened(self, query: str, seconds: float) -> Iterator[Reading]:
        with self._transaction(seconds) as connection:
            columns = _prove_numerics(connection, query, _describe(connection, query))
            schema = schema_of(columns)
            stream = CopyStream(connection, _copy_statement(connection, query, columns), schema)
            with closing(stream):
                yield Reading(schema, _translated(stream.batches(), seconds))

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
        host, port = str(given["host"]), int(given.get("port") or 5432)
        # libpq takes a list of hosts, and names of sockets, where it expects a host.
        if not host or host.startswith(("/", "@")) or "," in host:
            raise Invalid.field("connection.host", "must be the name or address of one host")
        try:
            return psycopg2.connect(
                host=host,
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


def _describe(connection: Any, query: str) -> list[PgColumn]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS described LIMIT 0")  # noqa: S608 - guarded
        columns = [
            PgColumn(each.name, each.type_code, *numeric_digits(each.precision, each.scale))
            for each in cursor.description or ()
        ]
        cursor.execute(
            "SELECT oid FROM pg_catalog.pg_type WHERE typcategory = 'A' AND oid = ANY(%s::oid[])",
            ([each.oid for each in columns],),
        )
        arrays = {oid for (oid,) in cursor.fetchall()}
    _check_names(columns)
    return [replace(each, is_array=each.oid in arrays) for each in columns]


def _sql_columns(connection: Any, query: str) -> list[SqlColumn]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS described LIMIT 0")  # noqa: S608 - guarded
        found = list(cursor.description or ())
        cursor.execute(
            "SELECT pg_catalog.format_type(given.oid, modifier), typcategory = 'P'"
            " FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS given (oid, modifier, place)"
            " JOIN pg_catalog.pg_type t ON t.oid = given.oid ORDER BY place",
            ([each.type_code for each in found], [_modifier(each) for each in found]),
        )
        told = cursor.fetchall()
    made = [SqlColumn(each.name, kind) for each, (kind, _) in zip(found, told, strict=True)]
    _check_names(made)
    for each, (kind, pseudo) in zip(made, told, strict=True):
        if pseudo:
            raise Invalid.field(
                "extraction.query",
                f"column '{each.name}' is a {kind}, which no table can hold: select its parts, or cast it",
            )
    return made


def _modifier(column: Any) -> int:
    """The type modifier, from what the driver makes of it: the digits of a numeric, the length of a text."""
    precision, scale = numeric_digits(column.precision, column.scale)
    if column.type_code == NUMERIC and precision is not None and scale is not None:
        return ((precision << 16) | (scale & 0x7FF)) + MODIFIER_OFFSET
    if column.type_code in LIMITED_TEXTS and (column.internal_size or 0) > 0:
        return int(column.internal_size) + MODIFIER_OFFSET
    return -1


def _check_names(columns: Sequence[PgColumn | SqlColumn]) -> None:
    if not columns:
        raise Invalid.field("extraction.query", "returns no columns")
    seen: set[str] = set()
    for each in columns:
        if each.name in seen:
            raise Invalid.field("extraction.query", f"two columns are called '{each.name}'; give one another name")
        seen.add(each.name)


def _prove_numerics(connection: Any, query: str, columns: Sequence[PgColumn]) -> list[PgColumn]:
    """Numerics without limits get the digits that their values need."""
    unproven = [index for index, each in enumerate(columns) if each.unproven]
    if not unproven:
        return list(columns)
    measures = sql.SQL(", ").join(
        sql.SQL(
            "coalesce(max(scale({c})), 0),"
            " coalesce(max(length(trim_scale(trunc(abs({c})))::text)), 1),"
            " coalesce(bool_or({c} IN ('NaN', 'Infinity', '-Infinity')), false)"
        ).format(c=_alias(index))
        for index in unproven
    )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(measures, _derived(query, len(columns))))
        found = cursor.fetchone()
    proven = list(columns)
    for place, index in enumerate(unproven):
        scale, whole, endless = found[3 * place : 3 * place + 3]
        proven[index] = columns[index] if endless else columns[index].proven(scale, whole)
    return proven


def _copy_statement(connection: Any, query: str, columns: Sequence[PgColumn]) -> str:
    selected = sql.SQL(", ").join(each.selected(_alias(index)) for index, each in enumerate(columns))
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)")
    return str(statement.format(selected, _derived(query, len(columns))).as_string(connection))


def _derived(query: str, width: int) -> sql.Composable:
    names = sql.SQL(", ").join(_alias(index) for index in range(width))
    return sql.SQL("({}) AS result ({})").format(sql.SQL(query), names)


def _alias(index: int) -> sql.Identifier:
    return sql.Identifier(f"c{index}")


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
    if "could not translate host name" in message:
        return SourceUnavailable(f"PostgreSQL at {host}:{port} did not answer: no such host")
    reason = said[1] if said else "timed out" if "timeout expired" in message else "connection refused or cut"
    return SourceUnavailable(f"PostgreSQL at {host}:{port} did not answer: {reason}")
