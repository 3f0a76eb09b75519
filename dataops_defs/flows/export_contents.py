"""What stands in an exported workbook: its sections, their numbers and pictures, and where all that comes from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import BinaryIO

import pyarrow as pa

from dataops_defs.adapters.workbook.blocks import EXCEL_ROWS
from dataops_defs.adapters.workbook.book import Book, Poured
from dataops_defs.adapters.workbook.chart_choice import choose_charts
from dataops_defs.adapters.workbook.chart_reasons import nothing_because
from dataops_defs.adapters.workbook.chart_sheet import NAME as CHARTS
from dataops_defs.adapters.workbook.chart_sheet import draw_charts
from dataops_defs.adapters.workbook.gathering import Gathering
from dataops_defs.adapters.workbook.looks import Lines
from dataops_defs.adapters.workbook.provenance_sheet import (
    Origin,
    draw_provenance,
    notes_on,
    notes_on_charts,
    notes_on_values,
    stamp,
)
from dataops_defs.adapters.workbook.report_sheets import draw_values
from dataops_defs.adapters.workbook.statistics import ColumnStatistics, statistics_of
from dataops_defs.adapters.workbook.summary_sheet import draw_summary
from dataops_defs.domain.export import ChartType, ExportKind, Section, SectionType, Wanted
from dataops_defs.errors import Invalid, SourceError
from dataops_defs.flows.export_tables import Table, Tables, Unfit

VENDOR = "DataOps on Dagster"


@dataclass(frozen=True)
class Asked:
    """Who asked for the workbook, and when it is made (UTC)."""

    by: str
    at: datetime
    run_id: str


@dataclass
class Written:
    """What a workbook holds: rows in tables and charts, rows left out (None: nobody counted to the end), its sheets."""

    rows: int = 0
    left_out: int | None = 0
    sheets: Sequence[str] = ()
    rows_read: int = 0
    notes: list[str] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)

    def count(self, table: Table, name: str) -> None:
        """Add one table."""
        self.rows += table.taken
        self.rows_read += table.taken + table.left_out
        self.notes += [each for each in table.notes if each not in self.notes]
        if not table.counted:
            self.left_out = None
        elif self.left_out is not None:
            self.left_out += table.left_out
        if table.left_out:
            more = "" if table.counted else "more than "
            self.facts.append(
                ("Rows left out", f"{more}{table.left_out:,} of '{name}': at most {table.most:,} rows were asked for")
            )


def write_workbook(
    file: BinaryIO, wanted: Wanted, tables: Tables, asked: Asked, per_sheet: int = EXCEL_ROWS
) -> Written:
    """Make the workbook; the file is complete afterwards, and worth nothing after an error.

    Columns whose values do not fit their types are read as text: the workbook is begun anew, once for each of them.

    Raises:
        SourceError, Invalid: a query was refused, or gives what no sheet holds; the message names its place.
    """
    while True:
        try:
            return _write(file, wanted, tables, asked, per_sheet)
        except Unfit:
            file.seek(0)
            file.truncate()


def _write(file: BinaryIO, wanted: Wanted, tables: Tables, asked: Asked, per_sheet: int) -> Written:
    written = Written()
    with _book(file, wanted, asked, per_sheet) as book:
        writer = _Sections(book, wanted, tables, asked, written)
        for each in wanted.sections:
            with _named(each, wanted):
                writer.write(each)
        writer.draw_the_rest()
        draw_provenance(book, Origin(wanted.title, _facts(wanted, asked, written), written.notes))
        written.sheets = book.names.all
    return written


@dataclass
class _Sections:
    book: Book
    wanted: Wanted
    tables: Tables
    asked: Asked
    written: Written
    _after: tuple[Poured, list[ColumnStatistics], Gathering | None] | None = None

    def write(self, section: Section) -> None:
        """One section, on sheets of its own."""
        above = self._above(section)
        if section.type is SectionType.SUMMARY:
            changes = draw_values(self.book, section.name, section.values, above)
            self.written.notes += notes_on_values(section.name, changes)
        elif section.type is SectionType.CHART:
            self._chart(section, above)
        else:
            self._table(section, above)

    def draw_the_rest(self) -> None:
        """The sheets that tell of the (only) table, as far as they are wanted."""
        if self._after is None:
            return
        poured, statistics, gathered = self._after
        if self.wanted.summary:
            self.written.notes += draw_summary(self.book, poured, statistics)
        if gathered is not None:
            self._draw(CHARTS, gathered, self.wanted.charts)

    def _table(self, section: Section, above: Lines) -> None:
        with self.tables.open(section.query or "") as table:
            statistics = statistics_of(table.schema) if self.wanted.summary else []
            gathered = Gathering(table.schema) if self.wanted.charts else None
            batches = _looked_at(table.batches, statistics, gathered)
            poured = self.book.pour(section.name, table.schema, batches, above)
            self.written.count(table, section.name)
        self.written.notes += notes_on(poured)
        self._after = poured, statistics, gathered

    def _chart(self, section: Section, above: Lines) -> None:
        with self.tables.open(section.query or "") as table:
            gathered = Gathering(table.schema)
            for batch in table.batches:
                gathered.add(batch)
            self.written.count(table, section.name)
        self._draw(section.name, gathered, [section.chart] if section.chart else [], above, asked=True)

    def _draw(
        self, name: str, gathered: Gathering, wanted: Sequence[ChartType], above: Lines = (), *, asked: bool = False
    ) -> None:
        charts = choose_charts(gathered, wanted, asked=asked)
        draw_charts(self.book, name, charts, above, nothing_because(gathered, wanted))
        self.written.notes += notes_on_charts(name, charts)

    def _above(self, section: Section) -> Lines:
        """A report has its title on every sheet; the sheet of an export begins with its table."""
        if self.wanted.kind is not ExportKind.REPORT:
            return ()
        return [
            ("title", self.wanted.title),
            ("subtitle", f"{section.name}, made on {self.asked.at:%Y-%m-%d %H:%M} UTC"),
            ("subtitle", ""),
        ]


def _looked_at(
    batches: Iterator[pa.RecordBatch], statistics: Sequence[ColumnStatistics], gathered: Gathering | None
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for each, column in zip(statistics, batch.columns, strict=False):
            each.add(column)
        if gathered is not None:
            gathered.add(batch)
        yield batch


@contextmanager
def _book(file: BinaryIO, wanted: Wanted, asked: Asked, per_sheet: int) -> Iterator[Book]:
    book = Book(file, wanted.template, per_sheet)
    book.describe(
        {
            "title": wanted.title,
            "author": asked.by,
            "company": VENDOR,
            "comments": f"Execution {asked.run_id}",
            "created": asked.at.replace(tzinfo=None),
        }
    )
    try:
        yield book
    except BaseException:
        book.abandon()
        raise
    book.close()


@contextmanager
def _named(section: Section, wanted: Wanted) -> Iterator[None]:
    """What goes wrong with a query names its place in the request, and in a report the section."""
    field = wanted.field_of(section)
    within = f"section '{section.name}': " if wanted.kind is ExportKind.REPORT else ""
    try:
        yield
    except Unfit:
        raise
    except SourceError as error:
        if field is None:
            raise
        raise type(error)(f"{field}: {within}{error}") from None
    except Invalid as error:
        if field is None or not error.fields:
            raise
        raise Invalid.field(field, f"{within}{error.fields[0].message}") from None


def _facts(wanted: Wanted, asked: Asked, written: Written) -> list[tuple[str, str]]:
    return [
        *(_origin(each, wanted) for each in wanted.sections),
        ("Rows exported", f"{written.rows:,}"),
        *(written.facts or [("Rows left out", "none")]),
        ("Made at", stamp(asked.at)),
        ("Asked for by", asked.by),
        ("Execution", asked.run_id),
        ("Made by", f"{VENDOR} {version('dataops-on-dagster')}"),
    ]


def _origin(section: Section, wanted: Wanted) -> tuple[str, str]:
    """Where the content of a section comes from."""
    name = f"Section '{section.name}'" if wanted.kind is ExportKind.REPORT else "Made from"
    if section.type is SectionType.SUMMARY:
        return name, "values that the request named"
    return name, section.of or section.query or ""
