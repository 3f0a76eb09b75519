"""What an ETL pipeline reads: its query on the warehouse or on a source, as rows that any target takes.

Source: document 003, "PipelineCreate"; DECISIONS 7 and 28.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.postgres.source import PostgresSource
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.columns import SYSTEM_COLUMN_NAMES
from dataops_defs.domain.etl import EtlConfig, EtlMode, SqlColumn
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.errors import Invalid
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.warehouse_source import warehouse_source

# What Arrow has an exact form for, whatever the value (NaN in a numeric, an infinite date have none); the rest travels
# as PostgreSQL's own text.
PLAIN = frozenset({"boolean", "smallint", "integer", "bigint", "real", "double precision", "text"})
MOMENTS = frozenset({"date", "timestamp without time zone", "timestamp with time zone"})
NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "real", "double precision"})
UNORDERED = frozenset({"json", "xml", "point", "box", "path", "polygon", "circle", "line", "lseg"})
SECONDS_FOR_THE_TIME = 10.0
ORDERED = frozenset({"text", "character varying", "uuid"}) | MOMENTS | NUMBERS


@dataclass(frozen=True)
class EtlSource:
    """A pipeline's query, opened."""

    adapter: PostgresSource
    config: EtlConfig

    def columns(self) -> list[SqlColumn]:
        """The columns of the query's result.

        Raises:
            Invalid: the query cannot be read; an incremental one lacks the cursor or a key, or its cursor has no order.
        """
        try:
            columns = self.adapter.columns(_extraction(self.config.source_query))
        except Invalid as error:
            raise Invalid.field("source_query", error.fields[0].message if error.fields else str(error)) from None
        self._check_names(columns)
        self._check_keys({each.name: each.type for each in columns})
        if self.config.mode is EtlMode.INCREMENTAL:
            cursor = self._cursor(columns)
            if cursor.type.partition("(")[0] not in ORDERED:
                told = f"'{cursor.name}' is {cursor.type}: use a number, a time or a text"
                raise Invalid.field("cursor_column", told)
        return columns

    def query(self, columns: Sequence[SqlColumn], mark: str | None) -> Extraction:
        """What is read: all rows, or in incremental mode those from the mark on, less the lag, the oldest first.

        Rows with an empty cursor come first, every time: nothing says that they are old.
        """
        selected = ", ".join(_selected(each) for each in columns)
        query = f"SELECT {selected} FROM ({self.config.source_query.strip().rstrip(';')}\n) AS etl"  # noqa: S608 - guarded later
        if self.config.mode is EtlMode.FULL:
            return _extraction(query)
        cursor = self._cursor(columns)
        name = _quoted(cursor.name)
        if mark is not None:
            since = f"{_literal(mark)}::{cursor.type}"
            if cursor.type in MOMENTS and self.config.lag_seconds:
                since = f"{since} - interval '{int(self.config.lag_seconds)} seconds'"
            query = f"{query} WHERE etl.{name} IS NULL OR etl.{name} >= {since}"
        return _extraction(f"{query} ORDER BY etl.{name} ASC NULLS FIRST")

    def moment(self, columns: Sequence[SqlColumn]) -> str | None:
        """Now, as the source sees it and the cursor tells it; None where the cursor is no time."""
        if self.config.mode is EtlMode.FULL or self._cursor(columns).type not in MOMENTS:
            return None
        return self._ask(f"SELECT now()::{self._cursor(columns).type}::text")

    def mark(self, columns: Sequence[SqlColumn], last: str | None, moment: str | None) -> str | None:
        """Where the next load begins: the highest cursor, but no later than the moment this one was read.

        A row that claims to be of a later time would else hide all that comes until then.
        """
        if last is None or moment is None:
            return last
        kind = self._cursor(columns).type
        return self._ask(f"SELECT least({_literal(last)}::{kind}, {_literal(moment)}::{kind})::text")

    def _ask(self, query: str) -> str:
        with self.adapter.session(SECONDS_FOR_THE_TIME) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            [(told,)] = cursor.fetchall()
        return str(told)

    def cursor(self, columns: Sequence[SqlColumn]) -> str | None:
        """Name of the cursor column of an incremental pipeline."""
        return self._cursor(columns).name if self.config.mode is EtlMode.INCREMENTAL else None

    def _cursor(self, columns: Sequence[SqlColumn]) -> SqlColumn:
        wanted = self.config.cursor_column
        found = next((each for each in columns if each.name == wanted), None)
        if found is None:
            raise Invalid.field(
                "cursor_column",
                f"the query does not give '{wanted}', by which an incremental pipeline knows what is new",
            )
        return found

    def _check_names(self, columns: Sequence[SqlColumn]) -> None:
        for each in columns:
            if each.name in SYSTEM_COLUMN_NAMES or each.name.startswith("_dataops_"):
                raise Invalid.field(
                    "source_query", f"no table can have a column called '{each.name}': give it an alias"
                )

    def _check_keys(self, types: Mapping[str, str]) -> None:
        keys = self.config.key_columns
        for place, key in enumerate(keys):
            if key not in types:
                raise Invalid.field("key_columns", f"the query does not give '{key}'")
            if key in keys[:place]:
                raise Invalid.field("key_columns", f"'{key}' is there twice")
            if types[key].removesuffix("[]") in UNORDERED:
                raise Invalid.field("key_columns", f"'{key}' is {types[key]}, by which rows cannot be told apart")


def etl_source(platform: Platform, config: EtlConfig, during: During = nullcontext) -> EtlSource:
    """The source of a pipeline: the warehouse as the reader role, or the source that is named.

    Args:
        during: told of what the source waits for.
    Raises:
        Invalid: the source does not speak SQL.
        NotFound: it is gone.
    """
    if config.source_id is None:
        return EtlSource(
            PostgresSource(warehouse_source(platform), platform.settings.allowed_functions, during=during), config
        )
    with platform.catalogue() as session:
        sources = Sources(session, platform.keyring)
        opened = sources.opened(sources.get(config.source_id))
    adapter = platform.open(opened, during)
    if not isinstance(adapter, PostgresSource):
        raise Invalid.field(
            "source_id", f"'{opened.name}' is a {opened.type} source; a pipeline reads one of PostgreSQL"
        )
    return EtlSource(adapter, config)


def _extraction(query: str) -> Extraction:
    return Extraction(ExtractionType.SQL, query)


def _selected(column: SqlColumn) -> str:
    name = _quoted(column.name)
    return f"etl.{name}" if column.type in PLAIN else f"etl.{name}::text AS {name}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
