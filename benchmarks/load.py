"""A CSV file into a new table with proven types, beside ``psql \\copy`` into a table whose columns are known."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg2

from benchmarks import _measure as measure
from dataops_defs.adapters.sinks.csv_load import load_source
from dataops_defs.adapters.sinks.table import load_table
from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType

PEER, OURS = "dataops_benchmark_peer", "dataops_benchmark_ours"
FILE = "rows.csv"


def main(arguments: Sequence[str] | None = None) -> None:
    """All in turn, several times, and a table of the medians."""
    given = measure.options(__doc__ or "", arguments)
    limit = measure.Series("psql: \\copy, columns known")
    straight = measure.Series("load, types proven over the file")
    arrow = measure.Series("the same through Arrow (a file with bad rows)")
    with measure.workplace(given) as (url, folder):
        environment = measure.environment(url)
        path = folder / FILE
        _write(path, url)
        create = f"CREATE TABLE {PEER} (LIKE {measure.SOURCE_TABLE})"
        copy = f"\\copy {PEER} FROM '{path}' WITH (FORMAT csv, HEADER)"
        for _ in range(given.repeats):
            limit.run(measure.psql("BEGIN", create, copy, "COMMIT"), environment)
            straight.run(measure.ourselves("benchmarks.load", str(folder), "straight"), environment)
            measure.execute(url, f"DROP TABLE {OURS}")
            arrow.run(measure.ourselves("benchmarks.load", str(folder), "arrow"), environment)
            measure.execute(url, f"DROP TABLE {OURS}; DROP TABLE {PEER}")
    measure.show(f"Load a CSV file of {given.rows:,} rows and 12 columns", [limit, straight, arrow])


def _write(path: Path, url: str) -> None:
    with path.open("wb") as file, closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {measure.SOURCE_TABLE} TO STDOUT (FORMAT csv, HEADER)", file)


def once(folder: str, way: str) -> None:
    """One load; reports its seconds and memory."""
    root = Path(folder)
    source = CsvSource(
        Source("benchmark", "benchmark", "benchmark", SourceType.CSV, "default", {"path": str(root / FILE)}), [root]
    )
    extraction = Extraction(ExtractionType.FILE)
    began = time.perf_counter()
    with closing(psycopg2.connect(os.environ[measure.URL_VARIABLE])) as connection, connection:
        if way == "straight":
            load_source(connection, "public", OURS, source, extraction, mode="replace")
        else:
            with source.read(extraction) as reading:
                load_table(connection, "public", OURS, reading, mode="replace")
    measure.report(began)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(*sys.argv[2:4])
    else:
        main()
