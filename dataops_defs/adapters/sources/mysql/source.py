"""MySQL and MariaDB as sources: a guarded query, read-only, on a connection of its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import pyarrow as pa

from dataops_defs.adapters.ahead import ahead
from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.mysql.changes import keys_of, moment_of, rows_since, text_numbers
from dataops_defs.adapters.sources.mysql.protocol import Statement
from dataops_defs.adapters.sources.mysql.rows import Rows
from dataops_defs.adapters.sources.mysql.session import ALL_ROWS, Session, kill, session
from dataops_defs.adapters.sources.mysql.types import schema_of
from dataops_defs.adapters.sources.shown import preview_of
from dataops_defs.adapters.sql.mysql_guard import check_mysql_query
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.extraction import Extraction
from dataops_defs.domain.incremental import Mark
from dataops_defs.domain.source import Source

TEST_SECONDS = 10
PREVIEW_SECONDS = 10
READ_SECONDS = 3600


@dataclass(frozen=True)
class MysqlSource:
    """A MySQL or MariaDB database. ``read_seconds`` and ``preview_seconds`` bound one statement.

    Unless it is ``listed``, the host must not be this machine itself.

    Types are exact (see ``mysql_types``). A row with a day that no calendar has ('0000-00-00'), or a TIME beyond
    a day, is set aside in ``Reading.rejected``.
    """

    source: Source
    allowed_functions: frozenset[str] = field(default=frozenset())
    read_seconds: float = READ_SECONDS
    preview_seconds: float = PREVIEW_SECONDS
    during: During = nullcontext
    listed: bool = True

    def test(self) -> str:
        """Connect, and begin a transaction that reads."""
        with session(self.source, TEST_SECONDS, listed=self.listed, during=self.during) as made:
            return f"{made.product} {made.version} answered in database {self.source.connection['database']}"

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first ``limit`` rows of the query, in the types that ``read`` gives; the server computes no more."""
        with self._opened(extraction, self.preview_seconds, limit + 1) as reading:
            return preview_of(reading.schema, reading.batches, limit, reading.rejected)

    def read(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """All rows of the query, seen at one moment; memory stays flat."""
        return self._opened(extraction, self.read_seconds)

    @contextmanager
    def changes(self, extraction: Extraction, since: Mark | None) -> Iterator[Reading]:
        """The rows from the mark on, and those without a cursor, seen at one moment by the server's clock."""
        query, cursor = self._checked(extraction), extraction.by_cursor.cursor_column
        with session(self.source, self.read_seconds, listed=self.listed, during=self.during) as made:
            with made.errors():
                moment = moment_of(made.connection)
                chosen = rows_since(query, Statement(made.connection, query).columns, cursor, since)
            with self._reading(made, chosen) as reading:
                yield replace(reading, moment=moment)

    @contextmanager
    def keys(self, extraction: Extraction) -> Iterator[Reading]:
        """The key columns of all rows."""
        query = keys_of(self._checked(extraction), extraction.by_cursor.key_columns)
        with (
            session(self.source, self.read_seconds, listed=self.listed, during=self.during) as made,
            self._reading(made, query) as reading,
        ):
            yield reading

    def _checked(self, extraction: Extraction) -> str:
        return check_mysql_query(extraction.query or "", allowed_functions=self.allowed_functions)

    @contextmanager
    def _opened(self, extraction: Extraction, seconds: float, most_rows: int = ALL_ROWS) -> Iterator[Reading]:
        query = self._checked(extraction)
        with (
            session(self.source, seconds, most_rows=most_rows, listed=self.listed, during=self.during) as made,
            self._reading(made, query) as reading,
        ):
            yield reading

    @contextmanager
    def _reading(self, made: Session, query: str) -> Iterator[Reading]:
        with ExitStack() as leaving:
            with made.errors():
                statement = Statement(made.connection, query)
                schema_of(statement.columns)
                leaving.callback(self._end_on_server, made, statement)
                statement.execute()
            rows = Rows(statement.columns)
            batches = leaving.enter_context(ahead(rows.batches(statement.rows())))
            leaving.callback(_end_waiting, made, statement)
            numbers = text_numbers(statement.columns)
            yield Reading(rows.schema, _translated(batches, made), rows.rejected, text_numbers=numbers)

    def _end_on_server(self, made: Session, statement: Statement) -> None:
        if statement.running:
            kill(self.source, made.connection.thread_id(), listed=self.listed)


def _end_waiting(made: Session, statement: Statement) -> None:
    if statement.running:
        made.line.cut()


def _translated(batches: Iterator[pa.RecordBatch], made: Session) -> Iterator[pa.RecordBatch]:
    with made.errors():
        yield from batches
