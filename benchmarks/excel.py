"""PostgreSQL to an Excel workbook with a summary and charts, beside xlsxwriter, which writes cell by cell."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import SecretStr
from xlsxwriter import Workbook

from benchmarks import _measure as measure
from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.postgres.source import PostgresSource
from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.chart_choice import choose_charts
from dataops_defs.adapters.workbook.chart_sheet import draw_charts
from dataops_defs.adapters.workbook.gathering import Gathering
from dataops_defs.adapters.workbook.statistics import statistics_of
from dataops_defs.adapters.workbook.summary_sheet import draw_summary
from dataops_defs.domain.export import ChartType, Template
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.warehouse_source import warehouse_source
from dataops_defs.settings import Settings

SIZES = (500_000, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> None:
    """All in turn, and a table of the medians, for each size."""
    given = measure.options(__doc__ or "", arguments)
    for rows in sorted({min(size, given.rows) for size in SIZES}):
        given.rows = rows
        peer = measure.Series("xlsxwriter, constant memory, a chart")
        ours = measure.Series("export: summary and charts")
        bare = measure.Series("export: rows only")
        idle = measure.Series("nothing: the process with its imports")
        with measure.workplace(given) as (url, folder):
            environment = measure.environment(url)
            for _ in range(min(given.repeats, 3)):
                for series, way in ((peer, "peer"), (ours, "whole"), (bare, "bare"), (idle, "idle")):
                    series.run(measure.ourselves("benchmarks.excel", str(folder), way), environment)
        measure.show(f"Export {rows:,} rows of 12 columns", [peer, ours, bare, idle])


def once(folder: str, way: str) -> None:
    """One workbook; reports its seconds and memory."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        extraction = Extraction(ExtractionType.SQL, query=f"SELECT * FROM {measure.SOURCE_TABLE}")
        began = time.perf_counter()
        if way != "idle":
            with PostgresSource(warehouse_source(_platform())).read(extraction) as reading:
                WAYS[way](Path(place, "rows.xlsx"), reading)
        measure.report(began)


def _platform() -> Platform:
    return Platform(Settings(reader_url=SecretStr(os.environ[measure.URL_VARIABLE])))


def _peer(path: Path, reading: Reading) -> None:
    """Cell by cell, with the same formats."""
    book = Workbook(path, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("Rows")
    formats = [book.add_format({"num_format": _number_format(each.type)}) for each in reading.schema]
    sheet.write_row(0, 0, reading.schema.names, book.add_format({"bold": True}))
    write = [_writer(sheet, each.type) for each in reading.schema]
    row = 0
    for batch in reading.batches:
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            row += 1
            for place, value in enumerate(values):
                if value is not None:
                    write[place](row, place, value, formats[place])
    chart = book.add_chart({"type": "line"})
    chart.add_series({"values": ["Rows", 1, 2, 500, 2]})
    book.add_worksheet("Charts").insert_chart("A1", chart)
    book.close()


def _writer(sheet: Any, kind: pa.DataType) -> Callable[..., Any]:
    if pa.types.is_temporal(kind):
        return sheet.write_datetime
    if pa.types.is_boolean(kind):
        return sheet.write_boolean
    return sheet.write_string if pa.types.is_string(kind) else sheet.write_number


def _number_format(kind: pa.DataType) -> str:
    return "yyyy-mm-dd hh:mm:ss" if pa.types.is_temporal(kind) else "General"


def _whole(path: Path, reading: Reading) -> None:
    """As an export does it."""
    with path.open("wb") as file:
        book = Book(file, Template.CORPORATE)
        statistics, gathered = statistics_of(reading.schema), Gathering(reading.schema)

        def looked_at() -> Iterable[pa.RecordBatch]:
            for batch in reading.batches:
                for each, column in zip(statistics, batch.columns, strict=True):
                    each.add(column)
                gathered.add(batch)
                yield batch

        poured = book.pour("Rows", reading.schema, looked_at())
        draw_summary(book, poured, statistics)
        draw_charts(book, "Charts", choose_charts(gathered, list(ChartType)))
        book.close()


def _bare(path: Path, reading: Reading) -> None:
    with path.open("wb") as file:
        book = Book(file, Template.PLAIN)
        book.pour("Rows", reading.schema, reading.batches)
        book.close()


WAYS: dict[str, Callable[[Path, Reading], None]] = {"peer": _peer, "whole": _whole, "bare": _bare}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(*sys.argv[2:4])
    else:
        main()
