"""The workbook as another program shows it: LibreOffice opens it and prints it."""

import io
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from dataops_defs.adapters.workbook.book import Book
from dataops_defs.adapters.workbook.chart_choice import choose_charts
from dataops_defs.adapters.workbook.chart_sheet import draw_charts
from dataops_defs.adapters.workbook.gathering import Gathering
from dataops_defs.adapters.workbook.provenance_sheet import Origin, draw_provenance
from dataops_defs.adapters.workbook.report_sheets import draw_values
from dataops_defs.adapters.workbook.statistics import statistics_of
from dataops_defs.adapters.workbook.summary_sheet import draw_summary
from dataops_defs.domain.export import ChartType, Template

OFFICE, READER = shutil.which("soffice"), shutil.which("pdftotext")
pytestmark = pytest.mark.skipif(
    OFFICE is None or READER is None, reason="LibreOffice or Poppler is not installed: run 'make test-deps' as root"
)
ROWS = pa.record_batch(
    {
        "customer_id": pa.array(range(1, 41)),
        "region": pa.array([["north", "south"][n % 2] for n in range(40)]),
        "since": pa.array([date(2024, 1, 1) + timedelta(days=n) for n in range(40)]),
        "spent": pa.array([1000.5 * n for n in range(40)]),
        "active": pa.array([n % 3 == 0 for n in range(40)]),
    }
)


def workbook() -> bytes:
    file = io.BytesIO()
    book = Book(file, Template.CORPORATE)
    statistics, gathered = statistics_of(ROWS.schema), Gathering(ROWS.schema)
    for each, column in zip(statistics, ROWS.columns, strict=True):
        each.add(column)
    gathered.add(ROWS)
    poured = book.pour("Customer Data", ROWS.schema, [ROWS])
    draw_summary(book, poured, statistics)
    draw_charts(book, "Charts", choose_charts(gathered, list(ChartType)))
    draw_values(book, "Overview", {"total_sales": 1250000}, [("title", "June")])
    draw_provenance(book, Origin("Customers", [("Made from", "SELECT * FROM customers")]))
    book.close()
    return file.getvalue()


def test_libreoffice_shows_every_sheet_with_its_values_and_charts(tmp_path: Path) -> None:
    (tmp_path / "book.xlsx").write_bytes(workbook())

    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    convert = [OFFICE, profile, "--headless", "--convert-to", "pdf", "--outdir", tmp_path, tmp_path / "book.xlsx"]
    subprocess.run(convert, check=True, capture_output=True, timeout=120)
    read = [READER, "-layout", tmp_path / "book.pdf", "-"]
    pages = subprocess.run(read, check=True, capture_output=True, text=True).stdout.split("\f")

    data, summary, charts, overview, provenance = pages[:5]
    assert data.split()[:10] == [*ROWS.schema.names, "1", "north", "2024-01-01", "0", "TRUE"]
    assert "whole number" in summary
    assert "Sum of spent by region" in charts
    assert "1,250,000" in overview
    assert "SELECT * FROM customers" in provenance
