"""What an export reads: users' queries on the warehouse, as the reader role, within limits; and the rows left out."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pyarrow as pa

from dataops_defs.adapters.datamarts import elsewhere
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.postgres.source import Locked, MissingTable, PostgresSource
from dataops_defs.adapters.sql.guard import tables_of
from dataops_defs.adapters.storage.free_space import space_of
from dataops_defs.adapters.warehouse.connection import locked
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.errors import DependencyUnavailable, InsufficientStorage, SourceError, SourceUnavailable
from dataops_defs.flows.disk_space import Room, room_of
from dataops_defs.flows.warehouse_source import warehouse_source
from dataops_defs.flows.work import Step, Work

READ_SECONDS = 600.0
MAX_SHOWN = 100
COUNT_SECONDS = 5.0
"""How long rows beyond the limit are counted."""


class Unfit(SourceError):
    """A column holds a value that its type cannot keep; as text it can be read. ``note`` says so to people."""

    def __init__(self, row: RejectedRow, schema: pa.Schema) -> None:
        super().__init__(row.reason)
        self.column = row.column or ""
        held, span = str(row.raw[self.column])[:MAX_SHOWN], pa.types.is_duration(schema.field(self.column).type)
        lacking = "span of a fixed length within Excel's range" if span else "value of its type in Excel"
        self.note = f"Column '{self.column}' is kept as text: it holds '{held}', which is no {lacking}"


@dataclass
class Table:
    """The rows of one query, up to a limit; those beyond it are counted, for a few seconds.

    ``taken`` and ``left_out`` are complete once ``batches`` is consumed; ``counted`` is False where there are more rows
    than were counted. ``notes`` tell of columns that could only be read as text.
    """

    schema: pa.Schema
    most: int
    _coming: Iterator[pa.RecordBatch] = field(repr=False)
    taken: int = 0
    left_out: int = 0
    counted: bool = True
    notes: Sequence[str] = ()

    @property
    def batches(self) -> Iterator[pa.RecordBatch]:
        """To be consumed once."""
        for batch in self._coming:
            some = batch.slice(0, self.most - self.taken)
            self.taken += some.num_rows
            if some.num_rows:
                yield some
            if some.num_rows < batch.num_rows or self.taken == self.most:
                self._count_the_rest(batch.num_rows - some.num_rows)
                return

    def _count_the_rest(self, rows: int) -> None:
        until = time.monotonic() + COUNT_SECONDS
        self.left_out = rows
        for batch in self._coming:
            self.left_out += batch.num_rows
            if time.monotonic() >= until:
                self.counted = next(self._coming, None) is None
                return


class Tables:
    """Opens the queries of one export; ``step`` is told of every row."""

    def __init__(self, work: Work, step: Step, most: int) -> None:
        self._platform, settings = work.platform, work.platform.settings
        self._settings, self._step, self._most, self._done = settings, step, most, 0
        self._unfit: dict[str, dict[str, str]] = {}
        self._source = PostgresSource(
            warehouse_source(work.platform),
            settings.allowed_functions,
            read_seconds=READ_SECONDS,
            during=work.lease.reading,
            spans=True,
        )

    @contextmanager
    def open(self, query: str) -> Iterator[Table]:
        """The rows of a query, seen at one moment.

        Raises:
            Unfit: a column holds what its type cannot (infinity, a date BC, a span with months): opened again, it is
                read as text.
            SourceError: PostgreSQL refuses the query, or it takes longer than ten minutes.
            DependencyUnavailable: the warehouse was lost, or somebody has locked what the query reads.
            InsufficientStorage: the disk of exports becomes full meanwhile.
        """
        unfit = self._unfit.setdefault(query, {})
        source = replace(self._source, as_text=frozenset(unfit))
        try:
            with source.read(Extraction(ExtractionType.SQL, query)) as reading:
                yield Table(reading.schema, self._most, self._watched(reading), notes=list(unfit.values()))
        except Unfit as error:
            unfit[error.column] = error.note
            self._done = 0
            raise
        except Locked:
            raise locked(f"{schema or 'public'}.{name}" for schema, name in tables_of(query)) from None
        except SourceUnavailable as error:
            raise DependencyUnavailable(f"The warehouse: {error}") from None
        except MissingTable as error:
            with self._platform.warehouse("dataops export", role="reader") as connection, connection.cursor() as cursor:
                raise SourceError(elsewhere.undefined(cursor, str(error))) from None

    def _watched(self, reading: Reading) -> Iterator[pa.RecordBatch]:
        for batch in reading.batches:
            if reading.rejected:
                raise Unfit(reading.rejected[0], reading.schema)
            self._done += batch.num_rows
            self._step.progress(self._done)
            if room_of(space_of(self._settings.exports_path), self._settings) is Room.FULL:
                raise InsufficientStorage("The disk of exports is full: make room on it, then try again")
            yield batch
